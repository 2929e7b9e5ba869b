//! One state: its type, the fields that it shares with other types, and which fields a type has at all.

use std::sync::Arc;

use crate::program::{
    Assign, Catcher, Kind, ResultPath, Retrier, Selection, State, StateId, Transition,
};
use crate::template::Template;

use super::fields::Fields;
use super::report::Report;
use super::scope::{Block, Language};
use super::walk::Walk;
use super::{
    assign, catch, choice, data, fail, graph, later, map, parallel, pass, retry, task, wait,
};

/// A state to compile: its block, id, name and fields.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) block: &'a Block<'a>,
    pub(super) id: StateId,
    pub(super) name: &'a Arc<str>,
    pub(super) fields: Fields<'a>,
}

/// The values of `Type`, in the order in which messages list them.
const TYPES: &[&str] = &[
    "Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map",
];

/// The fields of every state.
const COMMON: &[&str] = &["Comment", "QueryLanguage", "Type"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StateType {
    Task,
    Wait,
    Pass,
    Succeed,
    Fail,
    Choice,
    Parallel,
    Map,
}

/// Fields that a type has together or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Transition,
    Paths,
    Parameters,
    ResultSelector,
    ResultPath,
    Errors,
    Variables,
}

/// Compiles a state; none when it has an error that leaves nothing to build.
pub(super) fn compile(walk: &mut Walk<'_>, site: &Site<'_>) -> Option<State> {
    let fields = &site.fields;
    fields.require(&mut walk.report, &["Type"]);
    fields.string(&mut walk.report, "Comment");
    let state_type = fields
        .one_of(&mut walk.report, "Type", TYPES)
        .and_then(StateType::of);
    if language(walk, site) == Language::Jsonata {
        return None;
    }
    let state_type = state_type?;
    check_fields(&mut walk.report, fields, state_type);
    let frame = Frame::read(walk, site, state_type);
    let kind = kind(walk, site, state_type)?;
    Some(State {
        name: site.name.clone(),
        scope: site.block.scope,
        pointer: fields.here().into(),
        input_path: frame.input_path,
        parameters: frame.parameters,
        result_selector: frame.result_selector,
        result_path: frame.result_path,
        output_path: frame.output_path,
        assign: frame.assign,
        retriers: frame.retriers,
        catchers: frame.catchers,
        transition: frame.transition?,
        kind,
    })
}

impl StateType {
    fn of(name: &str) -> Option<StateType> {
        match name {
            "Task" => Some(StateType::Task),
            "Wait" => Some(StateType::Wait),
            "Pass" => Some(StateType::Pass),
            "Succeed" => Some(StateType::Succeed),
            "Fail" => Some(StateType::Fail),
            "Choice" => Some(StateType::Choice),
            "Parallel" => Some(StateType::Parallel),
            "Map" => Some(StateType::Map),
            _ => None,
        }
    }

    fn families(self) -> &'static [Family] {
        use Family::{
            Errors, Parameters, Paths, ResultPath, ResultSelector, Transition, Variables,
        };
        match self {
            StateType::Task | StateType::Parallel => &[
                Transition,
                Paths,
                Parameters,
                ResultSelector,
                ResultPath,
                Errors,
                Variables,
            ],
            // A Map's `Parameters` is the old name of `ItemSelector`, read there.
            StateType::Map => &[
                Transition,
                Paths,
                ResultSelector,
                ResultPath,
                Errors,
                Variables,
            ],
            StateType::Pass => &[Transition, Paths, Parameters, ResultPath, Variables],
            StateType::Wait => &[Transition, Paths, Variables],
            StateType::Choice => &[Paths, Variables],
            StateType::Succeed => &[Paths],
            StateType::Fail => &[],
        }
    }

    fn has(self, family: Family) -> bool {
        self.families().contains(&family)
    }

    fn own_fields(self) -> &'static [&'static str] {
        match self {
            StateType::Task => task::FIELDS,
            StateType::Wait => wait::FIELDS,
            StateType::Pass => pass::FIELDS,
            StateType::Succeed => &[],
            StateType::Fail => fail::FIELDS,
            StateType::Choice => choice::FIELDS,
            StateType::Parallel => parallel::FIELDS,
            StateType::Map => map::FIELDS,
        }
    }
}

impl Family {
    fn fields(self) -> &'static [&'static str] {
        match self {
            Family::Transition => &["Next", "End"],
            Family::Paths => &["InputPath", "OutputPath"],
            Family::Parameters => &["Parameters"],
            Family::ResultSelector => &["ResultSelector"],
            Family::ResultPath => &["ResultPath"],
            Family::Errors => &["Retry", "Catch"],
            Family::Variables => &["Assign"],
        }
    }
}

/// The language of a state. One in JSONata is refused here, and nothing else is said of it.
fn language(walk: &mut Walk<'_>, site: &Site<'_>) -> Language {
    let fields = &site.fields;
    let own = fields.one_of(&mut walk.report, "QueryLanguage", &["JSONPath", "JSONata"]);
    match (own, site.block.language) {
        (Some("JSONata"), Language::JsonPath) => {
            later::jsonata(&mut walk.report, fields);
            Language::Jsonata
        }
        (Some("JSONPath"), Language::Jsonata) => {
            walk.report.schema(
                fields.here(),
                "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
            );
            Language::JsonPath
        }
        (_, inherited) => inherited,
    }
}

fn check_fields(report: &mut Report, fields: &Fields<'_>, state_type: StateType) {
    for key in fields.keys() {
        let known = COMMON.contains(&key)
            || state_type.own_fields().contains(&key)
            || state_type
                .families()
                .iter()
                .any(|family| family.fields().contains(&key))
            || (state_type == StateType::Map && later::is_distributed_field(key));
        if !known {
            fields.unsupported(report, key);
        }
    }
}

/// What surrounds a state's work; defaults stand where the type has no such field.
struct Frame {
    input_path: Selection,
    parameters: Option<Template>,
    result_selector: Option<Template>,
    result_path: ResultPath,
    output_path: Selection,
    assign: Option<Assign>,
    retriers: Vec<Retrier>,
    catchers: Vec<Catcher>,
    transition: Option<Transition>,
}

impl Frame {
    fn read(walk: &mut Walk<'_>, site: &Site<'_>, state_type: StateType) -> Frame {
        let (report, fields) = (&mut walk.report, &site.fields);
        let mut frame = Frame {
            input_path: Selection::All,
            parameters: None,
            result_selector: None,
            result_path: ResultPath::Replace,
            output_path: Selection::All,
            assign: None,
            retriers: Vec::new(),
            catchers: Vec::new(),
            transition: Some(Transition::Terminal),
        };
        if state_type.has(Family::Paths) {
            frame.input_path = data::selection(report, fields, "InputPath");
            frame.output_path = data::selection(report, fields, "OutputPath");
        }
        if state_type.has(Family::Parameters) {
            frame.parameters = data::template(report, fields, "Parameters");
        }
        if state_type.has(Family::ResultSelector) {
            frame.result_selector = data::template(report, fields, "ResultSelector");
        }
        if state_type.has(Family::ResultPath) {
            frame.result_path = data::result_path(report, fields);
        }
        if state_type.has(Family::Variables) {
            frame.assign = assign::read(report, fields, site.block);
        }
        if state_type.has(Family::Errors) {
            frame.retriers = retry::read(report, fields);
            frame.catchers = catch::read(report, fields, site.block);
        }
        if state_type.has(Family::Transition) {
            frame.transition = transition(report, fields, site.block);
        }
        frame
    }
}

/// `Next` or `End`, of which a state has exactly one.
fn transition(report: &mut Report, fields: &Fields<'_>, block: &Block<'_>) -> Option<Transition> {
    fields.exactly_one(report, &["Next", "End"]);
    let next = graph::target(report, fields, "Next", block.targets).map(Transition::Next);
    let end = fields.boolean(report, "End");
    if end == Some(false) {
        report.schema(
            fields.location("End"),
            "The value for the field 'End' must be true",
        );
    }
    next.or(end.map(|_| Transition::End))
}

fn kind(walk: &mut Walk<'_>, site: &Site<'_>, state_type: StateType) -> Option<Kind> {
    match state_type {
        StateType::Task => task::compile(walk, site),
        StateType::Wait => wait::compile(walk, site),
        StateType::Pass => Some(pass::compile(site)),
        StateType::Succeed => Some(Kind::Succeed),
        StateType::Fail => Some(fail::compile(walk, site)),
        StateType::Choice => Some(choice::compile(walk, site)),
        StateType::Parallel => Some(parallel::compile(walk, site)),
        StateType::Map => map::compile(walk, site),
    }
}
