//! Which activities the state machines name: of each its current definition, and those that its aliases lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use serde_json::Value;

use super::{Catalog, RevisionKey};
use crate::arn::{self, Resource};

/// ARNs of the activities that definitions name.
pub(crate) type Uses = BTreeSet<Arc<str>>;

/// What is known of the definitions. Revisions never change, so that each is read once while it is in use.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The number of changes of the catalogue that `uses` has seen.
    seen: Option<u64>,
    of_revision: BTreeMap<RevisionKey, Arc<[Arc<str>]>>,
    uses: Arc<Uses>,
}

impl Catalog {
    /// Every activity that a state machine names, whether it exists or not.
    pub(crate) fn activities_named(&self) -> Arc<Uses> {
        let changes = self.changes.load(std::sync::atomic::Ordering::Acquire);
        let mut index = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if index.seen == Some(changes) {
            return index.uses.clone();
        }
        let mut known = std::mem::take(&mut index.of_revision);
        for key in self.revisions_in_use() {
            let named = known.remove(&key).unwrap_or_else(|| {
                let revision = self.revision(&key.0, &key.1, key.2);
                let named = revision.map(|revision| named(&revision.definition));
                named.unwrap_or_default().into_iter().collect()
            });
            index.of_revision.insert(key, named);
        }
        let all = index
            .of_revision
            .values()
            .flat_map(|named| named.iter().cloned());
        index.uses = Arc::new(all.collect());
        index.seen = Some(changes);
        index.uses.clone()
    }

    fn revisions_in_use(&self) -> BTreeSet<RevisionKey> {
        let machines = self.machines.read().unwrap_or_else(PoisonError::into_inner);
        let mut keys = BTreeSet::new();
        for machine in machines.values().filter(|machine| !machine.record.deleting) {
            let record = &machine.record;
            let published = &record.published;
            let led_to = published.aliases.iter().flat_map(|alias| &alias.routes);
            let led_to = led_to
                .filter_map(|route| published.version(route.version))
                .map(|version| version.revision);
            for revision in led_to.chain([record.revision]) {
                keys.insert((record.namespace.clone(), record.name.clone(), revision));
            }
        }
        keys
    }
}

/// The activities of a definition that was accepted.
pub(crate) fn named(definition: &str) -> Uses {
    let mut found = Uses::new();
    if let Ok(definition) = serde_json::from_str(definition) {
        look_into(&definition, &mut found);
    }
    found
}

/// `States`, and what Parallel and Map states have inside; data that looks like a state is none.
fn look_into(machine: &Value, found: &mut Uses) {
    let Some(states) = machine.get("States").and_then(Value::as_object) else {
        return;
    };
    for state in states.values() {
        if state.get("Type").and_then(Value::as_str) == Some("Task")
            && let Some(resource) = state.get("Resource").and_then(Value::as_str)
            && let Ok(arn) = arn::parse(resource)
            && matches!(arn.resource, Resource::Activity { .. })
        {
            found.insert(Arc::from(resource));
        }
        let branches = state.get("Branches").and_then(Value::as_array);
        let inner = ["Iterator", "ItemProcessor"].map(|field| state.get(field));
        for machine in branches
            .into_iter()
            .flatten()
            .chain(inner.into_iter().flatten())
        {
            look_into(machine, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activities_are_found_wherever_states_are() {
        let arn = |name: &str| format!("arn:aws:states:us-east-1:000000000000:activity:{name}");
        let task = |name: &str| serde_json::json!({"Type": "Task", "Resource": arn(name)});
        let definition = serde_json::json!({"StartAt": "A", "States": {
            "A": task("one"),
            "P": {"Type": "Parallel", "Branches": [{"States": {"B": task("two")}}]},
            "M": {"Type": "Map", "ItemProcessor": {"States": {"C": task("three"), "D": task("one")}}},
            "W": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution"},
            "R": {"Type": "Pass", "Result": {"States": {"E": task("none")}}},
        }});
        let found = named(&definition.to_string());
        let expect: Uses = ["one", "two", "three"].map(|name| arn(name).into()).into();
        assert_eq!(found, expect);
        assert_eq!(named("{"), Uses::new());
    }
}
