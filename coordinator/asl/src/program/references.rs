//! Which variables the paths of each state name, as `DescribeStateMachine` shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    Assign, Bound, Choice, Condition, Fail, Kind, Map, Program, Selection, Selector, State, Task,
    Text, Wait,
};
use crate::jsonata;
use crate::path::{Path, Root};

/// State name → names of the variables that its fields read. A state that reads none is left out.
pub type VariableReferences = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// Called with every path of a field.
type Visit<'v> = dyn FnMut(&Path) + 'v;

impl Program {
    /// The variables that each state of the whole document reads.
    pub fn variable_references(&self) -> VariableReferences {
        let mut references = VariableReferences::new();
        for state in &self.states {
            let mut names = BTreeSet::new();
            state.each_path(&mut |path| {
                if let Root::Variable(name) = path.root() {
                    names.insert(name.clone());
                }
            });
            for template in state.queries() {
                for (_, expression) in template.expressions() {
                    let variables = expression.reads().variables.iter();
                    names.extend(variables.map(|name| Arc::from(&**name)));
                }
            }
            if !names.is_empty() {
                references.insert(state.name.clone(), names);
            }
        }
        references
    }
}

impl State {
    /// Every JSONata template of the state.
    fn queries(&self) -> Vec<&jsonata::Template> {
        let mut found: Vec<&jsonata::Template> = Vec::new();
        found.extend(&self.arguments);
        found.extend(&self.output);
        found.extend(self.assign.as_ref().and_then(Assign::query));
        for catcher in &self.catchers {
            found.extend(&catcher.output);
            found.extend(catcher.assign.as_ref().and_then(Assign::query));
        }
        match &self.kind {
            Kind::Pass(_) | Kind::Succeed | Kind::Parallel(_) => {}
            Kind::Task(task) => {
                let bounds = [&task.timeout, &task.heartbeat].into_iter().flatten();
                found.extend(bounds.filter_map(Bound::query));
            }
            Kind::Choice(choice) => {
                for branch in &choice.branches {
                    found.extend(&branch.output);
                    found.extend(branch.assign.as_ref().and_then(Assign::query));
                    if let Condition::Jsonata { condition, .. } = &branch.condition {
                        found.push(condition);
                    }
                }
            }
            Kind::Wait(Wait::SecondsExpression(query) | Wait::TimestampExpression(query)) => {
                found.push(query);
            }
            Kind::Wait(_) => {}
            Kind::Fail(fail) => {
                for text in [&fail.error, &fail.cause].into_iter().flatten() {
                    if let Text::Jsonata(query) = text {
                        found.push(query);
                    }
                }
            }
            Kind::Map(map) => {
                found.extend(&map.items);
                if let Some(Selector::Jsonata(query)) = &map.item_selector {
                    found.push(query);
                }
                found.extend(map.max_concurrency.query());
            }
        }
        found
    }

    fn each_path(&self, visit: &mut Visit<'_>) {
        self.input_path.each_path(visit);
        self.output_path.each_path(visit);
        let templates = [&self.parameters, &self.result_selector];
        for template in templates.into_iter().flatten() {
            template.each_path(visit);
        }
        let own = self.assign.iter();
        let caught = self.catchers.iter().filter_map(|it| it.assign.as_ref());
        for assign in own.chain(caught) {
            assign.each_path(visit);
        }
        match &self.kind {
            Kind::Pass(_) | Kind::Succeed | Kind::Parallel(_) => {}
            Kind::Task(task) => task.each_path(visit),
            Kind::Choice(choice) => choice.each_path(visit),
            Kind::Wait(wait) => wait.each_path(visit),
            Kind::Fail(fail) => fail.each_path(visit),
            Kind::Map(map) => map.each_path(visit),
        }
    }
}

impl Selection {
    fn each_path(&self, visit: &mut Visit<'_>) {
        match self {
            Selection::All | Selection::Nothing => {}
            Selection::Path(path) => visit(path),
        }
    }
}

impl Assign {
    fn each_path(&self, visit: &mut Visit<'_>) {
        match self {
            Assign::JsonPath(template) => template.each_path(visit),
            Assign::Jsonata(_) => {}
        }
    }

    fn query(&self) -> Option<&jsonata::Template> {
        match self {
            Assign::JsonPath(_) => None,
            Assign::Jsonata(template) => Some(template),
        }
    }
}

impl Bound {
    fn each_path(&self, visit: &mut Visit<'_>) {
        match self {
            Bound::Literal(_) | Bound::Expression(_) => {}
            Bound::Path(path) => visit(path),
        }
    }

    fn query(&self) -> Option<&jsonata::Template> {
        match self {
            Bound::Literal(_) | Bound::Path(_) => None,
            Bound::Expression(template) => Some(template),
        }
    }
}

impl Task {
    fn each_path(&self, visit: &mut Visit<'_>) {
        for bound in [&self.timeout, &self.heartbeat].into_iter().flatten() {
            bound.each_path(visit);
        }
        if let Some(credentials) = &self.credentials {
            credentials.each_path(visit);
        }
    }
}

impl Choice {
    fn each_path(&self, visit: &mut Visit<'_>) {
        for branch in &self.branches {
            match &branch.condition {
                Condition::Rule(rule) => rule.each_path(visit),
                Condition::Jsonata { .. } => {}
            }
            if let Some(assign) = &branch.assign {
                assign.each_path(visit);
            }
        }
    }
}

impl Wait {
    fn each_path(&self, visit: &mut Visit<'_>) {
        match self {
            Wait::Seconds(_)
            | Wait::Timestamp(_)
            | Wait::SecondsExpression(_)
            | Wait::TimestampExpression(_) => {}
            Wait::SecondsPath(path) | Wait::TimestampPath(path) => visit(path),
        }
    }
}

impl Fail {
    fn each_path(&self, visit: &mut Visit<'_>) {
        for text in [&self.error, &self.cause].into_iter().flatten() {
            match text {
                Text::Literal(_) | Text::Jsonata(_) => {}
                Text::Expression { expression, .. } => expression.each_path(visit),
            }
        }
    }
}

impl Map {
    fn each_path(&self, visit: &mut Visit<'_>) {
        if let Some(path) = &self.items_path {
            visit(path);
        }
        if let Some(Selector::JsonPath(selector)) = &self.item_selector {
            selector.each_path(visit);
        }
        self.max_concurrency.each_path(visit);
    }
}
