//! Versions and aliases in a plan. A version is of one revision for ever: another revision means another version, and
//! so do its other properties. A revision has one version at most, so the same revision is never published twice.

use super::{
    Action, Decided, INITIAL, NEXT, POLICY, Planner, arn_attributes, made_anew, named, updated,
};
use crate::cli::deploy::desired::{Alias, Version};
use crate::cli::deploy::inventory::{Details, FoundMachine, Owned, What};
use crate::cli::deploy::owner::{alias_key, version_key};
use crate::cli::deploy::problem::Problems;

impl Planner<'_, '_> {
    pub(super) fn version(
        &mut self,
        id: &str,
        version: &Version,
        problems: &mut Problems,
    ) -> Decided {
        let arn = &version.machine_arn;
        let mut of_id = self.owned.remove(id).unwrap_or_default();
        let foreign = |owned: &mut Owned| !matches!(owned.what, What::Version { .. });
        let others: Vec<Owned> = of_id.extract_if(.., foreign).collect();
        if !others.is_empty() {
            self.owned.insert(id.to_owned(), others);
        }
        let details = self.details(arn, id, problems);
        if let Some(at) = self.current(version, details.as_ref(), &of_id) {
            let own = of_id.remove(at);
            return Decided {
                replaced: of_id,
                ..self.keep_version(id, version, &own, details.as_ref(), problems)
            };
        }
        let number = self.next_version(id, version, details.as_ref(), problems);
        let property = match version.revision {
            Some(_) => "StateMachineRevisionId",
            None => "Description",
        };
        let action = made_anew(&of_id, property);
        let arn = format!("{arn}:{number}");
        Decided {
            attributes: arn_attributes(&arn),
            arn,
            action,
            replaced: of_id,
        }
    }

    /// Which of the stack's versions of a logical id is the wanted one.
    fn current(
        &self,
        version: &Version,
        details: Option<&Details>,
        of_id: &[Owned],
    ) -> Option<usize> {
        let details = details?;
        let number = |owned: &Owned| match &owned.what {
            What::Version { machine, number } if *machine == version.machine_arn => Some(*number),
            What::Version { .. }
            | What::Alias { .. }
            | What::Machine { .. }
            | What::Activity { .. } => None,
        };
        let fits = |owned: &Owned| {
            let found = number(owned).and_then(|number| details.versions.get(&number));
            found.is_some_and(|found| match &version.revision {
                Some(wanted) => *wanted == found.revision,
                // A new description wants a new version, which a new revision makes possible.
                None => {
                    found.description == version.description || !self.can_publish(version, details)
                }
            })
        };
        let fitting = of_id.iter().enumerate().filter(|(_, owned)| fits(owned));
        fitting
            .max_by_key(|(_, owned)| number(owned))
            .map(|(at, _)| at)
    }

    fn keep_version(
        &self,
        id: &str,
        version: &Version,
        own: &Owned,
        details: Option<&Details>,
        problems: &mut Problems,
    ) -> Decided {
        let arn = own.what.arn();
        let number = arn
            .rsplit(':')
            .next()
            .and_then(|number| number.parse().ok());
        let found = details
            .zip(number)
            .and_then(|(details, number): (_, u64)| details.versions.get(&number));
        if found.is_some_and(|found| found.description != version.description) {
            let what = "a version never changes: it can have another description only with another revision";
            problems.add(format!("Resources.{id}.Properties.Description"), what);
        }
        let retain = self
            .evaluation
            .resource(id)
            .is_some_and(|resource| resource.retain_deleted);
        Decided {
            attributes: arn_attributes(&arn),
            arn,
            action: updated(named(&[(POLICY, own.retain != retain)])),
            replaced: Vec::new(),
        }
    }

    /// Whether the state machine has, or gets, a revision without a version.
    fn can_publish(&self, version: &Version, details: &Details) -> bool {
        self.changing.contains(&version.machine_arn) || published_already(details).is_none()
    }

    /// The number that the version would have, as far as it is known.
    fn next_version(
        &mut self,
        id: &str,
        version: &Version,
        details: Option<&Details>,
        problems: &mut Problems,
    ) -> String {
        let arn = &version.machine_arn;
        let at = format!("Resources.{id}.Properties");
        if let Some(first) = self.publishing.insert(arn.clone(), id.to_owned()) {
            let what = format!("{first} is of the same revision, and a revision has one version");
            problems.add(&at, what);
        }
        let changing = self.changing.contains(arn);
        let Some(details) = details.filter(|_| !changing) else {
            let wanted = version.revision.as_deref();
            let known = wanted.is_none_or(|wanted| wanted == NEXT || wanted == INITIAL);
            if !known {
                let what = "the state machine gets another revision in this deployment";
                problems.add(format!("{at}.StateMachineRevisionId"), what);
            }
            return NEXT.to_owned();
        };
        if let Some(wanted) = version
            .revision
            .as_ref()
            .filter(|wanted| **wanted != details.revision)
        {
            let what = format!(
                "{wanted} is not the current revision, which is {}",
                details.revision
            );
            problems.add(format!("{at}.StateMachineRevisionId"), what);
        }
        let Some((number, found)) = published_already(details) else {
            return NEXT.to_owned();
        };
        let owner = self
            .found(arn)
            .and_then(|machine| machine.owner_of(&version_key(number)));
        let stack = &self.evaluation.place().stack;
        if let Some(owner) = owner.filter(|owner| owner.logical_id != id || owner.stack != *stack) {
            let what = format!(
                "the revision has the version {number} already: {} of the stack {}",
                owner.logical_id, owner.stack
            );
            problems.add(&at, what);
        } else if found.description != version.description {
            let what =
                format!("the revision has the version {number} already, with another description");
            problems.add(format!("{at}.Description"), what);
        }
        number.to_string()
    }

    pub(super) fn alias(&mut self, id: &str, alias: &Alias, problems: &mut Problems) -> Decided {
        let what = What::Alias {
            machine: alias.machine_arn.clone(),
            name: alias.name.clone(),
        };
        let arn = what.arn();
        let (own, replaced) = self.take(id, &what);
        let details = self.details(&alias.machine_arn, id, problems);
        let found = details
            .as_ref()
            .and_then(|details| details.aliases.get(&alias.name));
        let retain = self
            .evaluation
            .resource(id)
            .is_some_and(|resource| resource.retain_deleted);
        let action = match (own, found) {
            (Some(own), Some(found)) => updated(named(&[
                ("Description", found.description != alias.description),
                (
                    "RoutingConfiguration",
                    sorted(&found.routes) != sorted(&alias.routes),
                ),
                (POLICY, own.retain != retain),
            ])),
            (None, Some(_)) => {
                let machine = self.found(&alias.machine_arn);
                let owner = machine.and_then(|machine| machine.owner_of(&alias_key(&alias.name)));
                let whose = match owner {
                    Some(owner) => format!("{} of the stack {}", owner.logical_id, owner.stack),
                    None => format!(
                        "it belongs to no stack; the tag {} = {}/{id} of its state machine takes it into this one",
                        alias_key(&alias.name),
                        self.evaluation.place().stack
                    ),
                };
                let what = format!("there is an alias {} already: {whose}", alias.name);
                problems.add(format!("Resources.{id}.Properties.Name"), what);
                Action::Keep
            }
            (_, None) => made_anew(&replaced, "Name"),
        };
        Decided {
            attributes: arn_attributes(&arn),
            arn,
            action,
            replaced,
        }
    }

    fn found(&self, arn: &str) -> Option<&FoundMachine> {
        self.inventory.machines.get(arn)
    }

    /// What is known of the state machine that something is published of; none for one that is made in this deployment.
    fn details(&mut self, arn: &str, id: &str, problems: &mut Problems) -> Option<Details> {
        match self.found(arn).map(|machine| machine.details.clone()) {
            Some(Some(details)) => Some(details),
            Some(None) => {
                self.plan.unread.insert(arn.to_owned());
                None
            }
            None => {
                if !self.claimed.contains_key(arn) {
                    let what = format!("there is no state machine {arn}");
                    problems.add(format!("Resources.{id}.Properties"), what);
                }
                None
            }
        }
    }
}

/// The version of the current revision, if it has one: always the newest.
fn published_already(
    details: &Details,
) -> Option<(u64, &crate::cli::deploy::inventory::FoundVersion)> {
    let (number, newest) = details.versions.iter().next_back()?;
    (newest.revision == details.revision).then_some((*number, newest))
}

fn sorted(routes: &[(String, i32)]) -> Vec<&(String, i32)> {
    let mut routes: Vec<_> = routes.iter().collect();
    routes.sort();
    routes
}
