//! Which activities and connectors the state machines name: of each its current definition, and those that its aliases
//! lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use serde_json::Value;
use stepfleet_asl::resource as asl;

use super::{Catalog, RevisionKey};
use crate::arn::{self, Resource};

/// How the names of connectors' activities begin.
pub(super) const CONNECTOR: &str = "connector.";

/// What definitions name: ARNs of activities, and of connectors the names of theirs.
pub(crate) type Uses = BTreeSet<Arc<str>>;

/// What all definitions name.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// ARNs.
    pub activities: Uses,
    /// By account and name of their activities.
    pub connectors: BTreeSet<(Arc<str>, Arc<str>)>,
}

/// What is known of the definitions. Revisions never change, so that each is read once while it is in use.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The number of changes of the catalogue that `uses` has seen.
    seen: Option<u64>,
    of_revision: BTreeMap<RevisionKey, Arc<[Arc<str>]>>,
    uses: Arc<Named>,
}

impl Catalog {
    /// Every activity that a state machine names, whether it exists or not, and every integration that could be a
    /// connector.
    pub(crate) fn activities_named(&self) -> Arc<Named> {
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
        let mut all = Named::default();
        for ((namespace, _, _), named) in &index.of_revision {
            for name in named.iter().cloned() {
                if name.starts_with(CONNECTOR) {
                    all.connectors.insert((namespace.clone(), name));
                } else {
                    all.activities.insert(name);
                }
            }
        }
        index.uses = Arc::new(all);
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
            && let Some(named) = activity_of(resource)
        {
            found.insert(named);
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

/// The activity that a resource is, or whose queue it goes through.
fn activity_of(resource: &str) -> Option<Arc<str>> {
    if let Some(integration) = asl::Resource::parse_connector(resource) {
        return Some(integration.connector().into());
    }
    let arn = arn::parse(resource).ok()?;
    matches!(arn.resource, Resource::Activity { .. }).then(|| Arc::from(resource))
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
            "Q": {"Type": "Task", "Resource": "arn:aws:states:::acme:train.sync"},
            "W": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution"},
            "R": {"Type": "Pass", "Result": {"States": {"E": task("none")}}},
        }});
        let found = named(&definition.to_string());
        let mut expect: Uses = ["one", "two", "three"].map(|name| arn(name).into()).into();
        expect.insert("connector.acme.train".into());
        assert_eq!(found, expect);
        assert_eq!(named("{"), Uses::new());
    }
}
