//! The state that is tested. A definition of one state is put into a machine of its own, together with the states
//! that it leads to.

use std::sync::Arc;

use stepfleet_asl::definition::invalid_definition_message;
use stepfleet_asl::program::{State, StateId};
use stepfleet_asl::{Object, Program, Value};

use super::{TestState, invalid};
use crate::catalog;
use crate::service::error::{ApiError, ErrorCode};

/// The name of a state that comes without one, as AWS has it; the context object tells it of every state.
pub(super) const PLACEHOLDER: &str = "StateName";

/// A compiled definition and the state in it.
pub(super) struct Found {
    pub(super) program: Program,
    pub(super) id: StateId,
}

pub(super) fn find(request: &TestState) -> Result<Found, ApiError> {
    let text = &request.definition;
    // What is not JSON is told by the compiler, with its place.
    let document = Value::parse(text).unwrap_or_default();
    let is_machine = document.get("States").is_some() && document.get("Type").is_none();
    let (text, name) = match (&request.state_name, is_machine) {
        (Some(name), true) => (text.clone(), name.as_str()),
        (Some(_), false) if document.as_object().is_some() => {
            let message =
                "stateName needs a definition of a whole state machine, with StartAt and States";
            return Err(invalid(message));
        }
        (None, true) => {
            let message = "stateName must say which state of the state machine is tested";
            return Err(invalid(message));
        }
        (None, false) | (Some(_), false) => (machine_of(&document, text), PLACEHOLDER),
    };
    let program = catalog::compile_for_test(&text).map_err(|findings| {
        let message = invalid_definition_message(&findings);
        ApiError::new(ErrorCode::InvalidDefinition, message)
    })?;
    let position = program.states.iter().position(|state| &*state.name == name);
    let id = position
        .and_then(|position| u32::try_from(position).ok())
        .map(StateId)
        .ok_or_else(|| invalid("State not found in definition"))?;
    Ok(Found { program, id })
}

impl Found {
    pub(super) fn state(&self) -> &State {
        &self.program.states[self.id.0 as usize]
    }

    /// Whether the state contains a state of this name, at any depth.
    pub(super) fn contains(&self, name: &str) -> bool {
        let states = &self.program.states;
        let Some(inner) = states.iter().find(|state| &*state.name == name) else {
            return false;
        };
        let mut scope = inner.scope;
        while let Some(owner) = self.program.scopes[scope.0 as usize].owner {
            if owner == self.id {
                return true;
            }
            scope = states[owner.0 as usize].scope;
        }
        false
    }
}

/// A machine around one state.
fn machine_of(state: &Value, text: &str) -> String {
    let Some(fields) = state.as_object() else {
        return text.to_owned();
    };
    let end = Value::from(
        [("Type".into(), Value::from("Succeed"))]
            .into_iter()
            .collect::<Object>(),
    );
    let mut states: Object = targets(fields)
        .into_iter()
        .map(|target| (target, end.clone()))
        .collect();
    states.insert(PLACEHOLDER.into(), state.clone());
    let mut machine = Object::new();
    machine.insert("StartAt".into(), PLACEHOLDER.into());
    machine.insert("States".into(), states.into());
    Value::from(machine).to_text()
}

/// The names of the states that a state leads to.
fn targets(state: &Object) -> Vec<Arc<str>> {
    let rules = ["Choices", "Catch"]
        .into_iter()
        .filter_map(|list| state.get(list)?.as_array());
    let nexts = rules
        .flat_map(|rules| rules.iter())
        .filter_map(|rule| rule.get("Next"))
        .chain(state.get("Next"))
        .chain(state.get("Default"));
    nexts.filter_map(Value::as_str).map(Arc::from).collect()
}
