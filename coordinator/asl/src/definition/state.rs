//! One state: its type, the fields that it shares with other types, and which fields a type has at all.

use std::sync::Arc;

use crate::jsonata;
use crate::program::{
    Assign, Catcher, Kind, Language, ResultPath, Retrier, Selection, State, StateId, Transition,
};
use crate::template::Template;

use super::fields::Fields;
use super::query::{self, Offers};
use super::report::Report;
use super::scope::Block;
use super::walk::Walk;
use super::{
    assign, catch, choice, data, fail, graph, later, map, parallel, pass, retry, task, wait,
};

/// A state to compile: its block, id, name and fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    /// The state's own language, once it is known; before that its block's.
    pub(super) language: Language,
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
    Arguments,
    Output,
}

/// A state in JSONPath inside what is in JSONata.
pub(super) const NO_WAY_BACK: &str =
    "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine";

/// Compiles a state; none when it has an error that leaves nothing to build.
pub(super) fn compile(walk: &mut Walk<'_>, site: &Site<'_>) -> Option<State> {
    let fields = &site.fields;
    fields.require(&mut walk.report, &["Type"]);
    fields.string(&mut walk.report, "Comment");
    let state_type = fields
        .one_of(&mut walk.report, "Type", TYPES)
        .and_then(StateType::of);
    let language = language(walk, site);
    let site = &Site { language, ..*site };
    let state_type = state_type?;
    check_fields(&mut walk.report, site, state_type);
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
        language,
        arguments: frame.arguments,
        output: frame.output,
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

    fn families(self, language: Language) -> &'static [Family] {
        match language {
            Language::JsonPath => self.families_of_paths(),
            Language::Jsonata => self.families_of_queries(),
        }
    }

    fn families_of_queries(self) -> &'static [Family] {
        use Family::{Arguments, Errors, Output, Transition, Variables};
        match self {
            StateType::Task | StateType::Parallel => {
                &[Transition, Arguments, Output, Errors, Variables]
            }
            StateType::Map => &[Transition, Output, Errors, Variables],
            StateType::Pass | StateType::Wait => &[Transition, Output, Variables],
            StateType::Choice => &[Output, Variables],
            StateType::Succeed => &[Output],
            StateType::Fail => &[],
        }
    }

    fn families_of_paths(self) -> &'static [Family] {
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

    fn has(self, family: Family, language: Language) -> bool {
        self.families(language).contains(&family)
    }

    fn own_fields(self, language: Language) -> &'static [&'static str] {
        let (paths, queries): (&[&str], &[&str]) = match self {
            StateType::Task => (task::FIELDS, task::QUERY_FIELDS),
            StateType::Wait => (wait::FIELDS, wait::QUERY_FIELDS),
            StateType::Pass => (pass::FIELDS, &[]),
            StateType::Succeed => (&[], &[]),
            StateType::Fail => (fail::FIELDS, fail::QUERY_FIELDS),
            StateType::Choice => (choice::FIELDS, choice::FIELDS),
            StateType::Parallel => (parallel::FIELDS, parallel::FIELDS),
            StateType::Map => (map::FIELDS, map::QUERY_FIELDS),
        };
        match language {
            Language::JsonPath => paths,
            Language::Jsonata => queries,
        }
    }

    /// What `Assign` and `Output` of the state find in `$states`.
    fn offers(self) -> Offers {
        match self {
            StateType::Task | StateType::Parallel | StateType::Map => Offers::Result,
            StateType::Pass
            | StateType::Wait
            | StateType::Choice
            | StateType::Succeed
            | StateType::Fail => Offers::Nothing,
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
            Family::Arguments => &["Arguments"],
            Family::Output => &["Output"],
        }
    }
}

/// The language of a state: its own, or its block's.
fn language(walk: &mut Walk<'_>, site: &Site<'_>) -> Language {
    let fields = &site.fields;
    let own = fields.one_of(&mut walk.report, "QueryLanguage", &["JSONPath", "JSONata"]);
    match (own, site.block.language) {
        (Some("JSONata"), _) => Language::Jsonata,
        (Some(_), _) if walk.language == Language::Jsonata => {
            walk.report.schema(fields.here(), NO_WAY_BACK);
            Language::JsonPath
        }
        (Some(_), _) => Language::JsonPath,
        (None, inherited) => inherited,
    }
}

fn check_fields(report: &mut Report, site: &Site<'_>, state_type: StateType) {
    let (fields, language) = (&site.fields, site.language);
    for key in fields.keys() {
        let known = COMMON.contains(&key)
            || state_type.own_fields(language).contains(&key)
            || state_type
                .families(language)
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
    arguments: Option<jsonata::Template>,
    output: Option<jsonata::Template>,
    retriers: Vec<Retrier>,
    catchers: Vec<Catcher>,
    transition: Option<Transition>,
}

impl Frame {
    fn read(walk: &mut Walk<'_>, site: &Site<'_>, state_type: StateType) -> Frame {
        let (report, fields) = (&mut walk.report, &site.fields);
        let has = |family| state_type.has(family, site.language);
        let offers = state_type.offers();
        let mut frame = Frame {
            input_path: Selection::All,
            parameters: None,
            result_selector: None,
            result_path: ResultPath::Replace,
            output_path: Selection::All,
            assign: None,
            arguments: None,
            output: None,
            retriers: Vec::new(),
            catchers: Vec::new(),
            transition: Some(Transition::Terminal),
        };
        if has(Family::Paths) {
            frame.input_path = data::selection(report, fields, "InputPath");
            frame.output_path = data::selection(report, fields, "OutputPath");
        }
        if has(Family::Parameters) {
            frame.parameters = data::template(report, fields, "Parameters");
        }
        if has(Family::ResultSelector) {
            frame.result_selector = data::template(report, fields, "ResultSelector");
        }
        if has(Family::ResultPath) {
            frame.result_path = data::result_path(report, fields);
        }
        if has(Family::Variables) {
            frame.assign = assign::read(report, fields, site, offers);
        }
        if has(Family::Arguments) {
            frame.arguments = query::template(report, fields, "Arguments", Offers::Nothing);
        }
        if has(Family::Output) {
            frame.output = query::template(report, fields, "Output", offers);
        }
        if has(Family::Errors) {
            frame.retriers = retry::read(report, fields);
            frame.catchers = catch::read(report, site);
        }
        if has(Family::Transition) {
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
