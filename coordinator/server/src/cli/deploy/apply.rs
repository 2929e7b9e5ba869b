//! Carries a plan out, step by step. Each step can be repeated: what was begun is found by its tags the next time.

use std::collections::BTreeMap;

use stepfleet_sdk::api;

use super::desired::{Activity, Alias, Desired, Machine, Version};
use super::evaluation::Evaluation;
use super::inventory::{Inventory, What, short};
use super::names::Attributes;
use super::owner::{self, Owner, Tags, alias_key, version_key};
use super::plan::{Action, Plan, Removal, Step, arn_attributes, machine_attributes};
use super::problem::Problems;
use super::read::revision;
use crate::cli::client::Client;
use crate::cli::fault::Fault;
use crate::cli::output::{Output, Tone};

/// What steps are carried out with.
pub(super) struct Apply<'a, 't> {
    pub(super) client: &'a Client,
    pub(super) inventory: &'a Inventory,
    /// Of before the plan: it learns again what is now known for sure. None when everything goes.
    pub(super) evaluation: Option<Evaluation<'t>>,
    pub(super) stack: &'a str,
}

impl<'t> Apply<'_, 't> {
    /// Does everything; the evaluation knows all attributes then.
    pub(super) async fn carry_out(
        mut self,
        plan: &Plan,
        output: &mut Output,
    ) -> Result<Option<Evaluation<'t>>, Fault> {
        for (number, step) in plan.steps.iter().enumerate() {
            if let Err(fault) = self.step(step, output).await {
                let done = plan.steps[..number]
                    .iter()
                    .filter(|step| step.action != Action::Keep);
                output.remark(format!(
                    "{}: stopped after {} changes, which stay; the same command goes on from there",
                    step.logical_id,
                    done.count()
                ));
                return Err(fault);
            }
        }
        for removal in &plan.removals {
            if let Err(fault) = self.remove(removal).await {
                output.remark(format!(
                    "{}: not removed; the same command goes on from there",
                    removal.logical_id
                ));
                return Err(fault);
            }
            let word = if removal.retain { "kept" } else { "deleted" };
            tell(output, word, &removal.logical_id, &removal.what.arn())?;
        }
        for (arn, key) in plan.stale.iter().filter(|_| !plan.is_empty()) {
            if !plan
                .removals
                .iter()
                .any(|removal| removal.what.arn() == *arn)
            {
                self.untag(arn, vec![key.clone()]).await?;
            }
        }
        Ok(self.evaluation)
    }

    async fn step(&mut self, step: &Step, output: &mut Output) -> Result<(), Fault> {
        let Some(evaluation) = &self.evaluation else {
            return Ok(());
        };
        let mut problems = Problems::default();
        let desired = evaluation.desired(&step.logical_id, &mut problems);
        let desired = desired.ok_or_else(|| {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Fault::Failed(told.join("; "))
        })?;
        let attributes = match &desired {
            Desired::Machine(machine) => self.machine(step, machine, output).await?,
            Desired::Activity(activity) => self.activity(step, activity).await?,
            Desired::Version(version) => self.version(step, version).await?,
            Desired::Alias(alias) => self.alias(step, alias).await?,
        };
        let word = match step.action {
            Action::Create | Action::Replace(_) => Some("created"),
            Action::Update(_) => Some("updated"),
            Action::Keep => None,
        };
        if let Some(word) = word {
            tell(output, word, &step.logical_id, &attributes.reference)?;
        }
        if let Some(evaluation) = &mut self.evaluation {
            evaluation.learn(&step.logical_id, attributes);
        }
        Ok(())
    }

    async fn machine(
        &self,
        step: &Step,
        machine: &Machine,
        output: &mut Output,
    ) -> Result<Attributes, Fault> {
        let found = self.inventory.machines.get(&step.arn);
        let details = found.and_then(|found| found.details.as_ref());
        let mut revision_id = details.map_or_else(String::new, |details| details.revision.clone());
        match (&step.action, found, details) {
            (Action::Create | Action::Replace(_), _, _) => {
                let answer = self.client.create_state_machine(creation(machine)).await?;
                warn(output, &step.logical_id, &answer.warnings);
                revision_id = revision(String::new());
            }
            (Action::Update(_), Some(found), Some(details)) => {
                let changed = details.definition != machine.definition
                    || details.role_arn != machine.role_arn
                    || details.settings != machine.settings;
                if changed {
                    let (now, then) = (&details.settings, &machine.settings);
                    let differs = |now: &String, then: &String| (now != then).then(|| then.clone());
                    let request = api::UpdateStateMachineRequest {
                        state_machine_arn: step.arn.clone(),
                        definition: Some(machine.definition.clone()),
                        role_arn: Some(machine.role_arn.clone()),
                        logging_configuration: differs(&now.logging, &then.logging),
                        tracing_configuration: differs(&now.tracing, &then.tracing),
                        encryption_configuration: differs(&now.encryption, &then.encryption),
                        ..Default::default()
                    };
                    let answer = self.client.update_state_machine(request).await?;
                    warn(output, &step.logical_id, &answer.warnings);
                    revision_id = revision(answer.revision_id);
                }
                self.retag(&step.arn, &found.tags, &machine.tags).await?;
            }
            (Action::Update(_) | Action::Keep, _, _) => {}
        }
        Ok(machine_attributes(&step.arn, &machine.name, &revision_id))
    }

    async fn activity(&self, step: &Step, activity: &Activity) -> Result<Attributes, Fault> {
        match (&step.action, self.inventory.activities.get(&step.arn)) {
            (Action::Create | Action::Replace(_), _) => {
                let request = api::CreateActivityRequest {
                    name: activity.name.clone(),
                    tags: activity.tags.clone().into_iter().collect(),
                    encryption_configuration: activity.encryption.clone(),
                };
                self.client.create_activity(request).await?;
            }
            (Action::Update(_), Some(found)) => {
                self.retag(&step.arn, &found.tags, &activity.tags).await?;
            }
            (Action::Update(_) | Action::Keep, _) => {}
        }
        Ok(Attributes {
            reference: step.arn.clone(),
            others: BTreeMap::from([("Arn", step.arn.clone()), ("Name", activity.name.clone())]),
        })
    }

    async fn version(&self, step: &Step, version: &Version) -> Result<Attributes, Fault> {
        let mut arn = step.arn.clone();
        if matches!(step.action, Action::Create | Action::Replace(_)) {
            let description = Some(version.description.clone());
            let request = api::PublishStateMachineVersionRequest {
                state_machine_arn: version.machine_arn.clone(),
                revision_id: version.revision.clone().unwrap_or_default(),
                description: description.filter(|text| !text.is_empty()),
            };
            let answer = self.client.publish_state_machine_version(request).await?;
            arn = answer.state_machine_version_arn;
        }
        if step.action != Action::Keep {
            let number = arn
                .rsplit(':')
                .next()
                .and_then(|number| number.parse().ok());
            let key = version_key(number.unwrap_or_default());
            self.mark(&version.machine_arn, key, &step.logical_id)
                .await?;
        }
        Ok(arn_attributes(&arn))
    }

    async fn alias(&self, step: &Step, alias: &Alias) -> Result<Attributes, Fault> {
        let routes = alias
            .routes
            .iter()
            .map(|(arn, weight)| api::RoutingConfigurationItem {
                state_machine_version_arn: arn.clone(),
                weight: *weight,
            });
        let routing_configuration = routes.collect();
        // The mark comes first: an alias without one would be somebody else's the next time.
        if step.action != Action::Keep {
            let key = alias_key(&alias.name);
            self.mark(&alias.machine_arn, key, &step.logical_id).await?;
        }
        match &step.action {
            Action::Create | Action::Replace(_) => {
                let description = Some(alias.description.clone());
                let request = api::CreateStateMachineAliasRequest {
                    name: alias.name.clone(),
                    description: description.filter(|text| !text.is_empty()),
                    routing_configuration,
                };
                self.client.create_state_machine_alias(request).await?;
            }
            Action::Update(_) => {
                let request = api::UpdateStateMachineAliasRequest {
                    state_machine_alias_arn: step.arn.clone(),
                    description: Some(alias.description.clone()),
                    routing_configuration,
                };
                self.client.update_state_machine_alias(request).await?;
            }
            Action::Keep => {}
        }
        Ok(arn_attributes(&step.arn))
    }

    async fn remove(&self, removal: &Removal) -> Result<(), Fault> {
        if removal.with_machine {
            return Ok(());
        }
        let arn = removal.what.arn();
        let (of, keys) = match &removal.what {
            What::Alias { machine, name } => (machine, vec![alias_key(name)]),
            What::Version { machine, number } => (machine, vec![version_key(*number)]),
            What::Machine { arn } | What::Activity { arn } => {
                (arn, owner::own_keys().map(str::to_owned).to_vec())
            }
        };
        if !removal.retain {
            match &removal.what {
                What::Alias { .. } => {
                    let request = api::DeleteStateMachineAliasRequest {
                        state_machine_alias_arn: arn,
                    };
                    self.client.delete_state_machine_alias(request).await?;
                }
                What::Version { .. } => {
                    let request = api::DeleteStateMachineVersionRequest {
                        state_machine_version_arn: arn,
                    };
                    self.client.delete_state_machine_version(request).await?;
                }
                What::Machine { .. } => {
                    let request = api::DeleteStateMachineRequest {
                        state_machine_arn: arn,
                    };
                    self.client.delete_state_machine(request).await?;
                    return Ok(());
                }
                What::Activity { .. } => {
                    let request = api::DeleteActivityRequest { activity_arn: arn };
                    self.client.delete_activity(request).await?;
                    return Ok(());
                }
            }
        }
        self.untag(of, keys).await
    }

    /// Says on the state machine that a version or alias of it belongs to the stack.
    async fn mark(&self, machine: &str, key: String, logical_id: &str) -> Result<(), Fault> {
        let evaluation = self.evaluation.as_ref();
        let resource = evaluation.and_then(|evaluation| evaluation.resource(logical_id));
        let owner = Owner {
            stack: self.stack.to_owned(),
            logical_id: logical_id.to_owned(),
            retain: resource.is_some_and(|resource| resource.retain_deleted),
        };
        self.tag(machine, vec![(key, owner.mark())]).await
    }

    /// Makes the tags those that are wanted; what is published keeps its own.
    async fn retag(&self, arn: &str, now: &Tags, wanted: &Tags) -> Result<(), Fault> {
        let surplus = now
            .keys()
            .filter(|key| !wanted.contains_key(*key) && owner::published(key).is_none());
        let surplus: Vec<String> = surplus.cloned().collect();
        if !surplus.is_empty() {
            self.untag(arn, surplus).await?;
        }
        let new = wanted
            .iter()
            .filter(|(key, value)| now.get(*key) != Some(value));
        let new: Vec<(String, String)> = new.map(|(k, v)| (k.clone(), v.clone())).collect();
        if new.is_empty() {
            return Ok(());
        }
        self.tag(arn, new).await
    }

    async fn tag(&self, arn: &str, tags: Vec<(String, String)>) -> Result<(), Fault> {
        let tag = |(key, value)| api::Tag { key, value };
        let request = api::TagResourceRequest {
            resource_arn: arn.to_owned(),
            tags: tags.into_iter().map(tag).collect(),
        };
        self.client.tag_resource(request).await.map(drop)
    }

    async fn untag(&self, arn: &str, tag_keys: Vec<String>) -> Result<(), Fault> {
        let request = api::UntagResourceRequest {
            resource_arn: arn.to_owned(),
            tag_keys,
        };
        self.client.untag_resource(request).await.map(drop)
    }
}

fn creation(machine: &Machine) -> api::CreateStateMachineRequest {
    let machine_type = if machine.express {
        api::StateMachineType::Express
    } else {
        api::StateMachineType::Standard
    };
    api::CreateStateMachineRequest {
        name: machine.name.clone(),
        definition: machine.definition.clone(),
        role_arn: machine.role_arn.clone(),
        r#type: machine_type.into(),
        tags: machine.tags.clone().into_iter().collect(),
        logging_configuration: machine.settings.logging.clone(),
        tracing_configuration: machine.settings.tracing.clone(),
        encryption_configuration: machine.settings.encryption.clone(),
        ..Default::default()
    }
}

fn tell(output: &mut Output, word: &str, logical_id: &str, arn: &str) -> Result<(), Fault> {
    // The document is told as a whole, at the end.
    if output.is_json() {
        return Ok(());
    }
    let done = output.paint(Tone::Good, word);
    output.line(format!("{done} {logical_id}  {}", short(arn)))
}

fn warn(output: &mut Output, logical_id: &str, warnings: &[api::Diagnostic]) {
    for warning in warnings {
        let head = output.paint_remark(Tone::Warning, "warning:");
        let api::Diagnostic {
            code,
            message,
            location,
            ..
        } = warning;
        output.remark(format!("{head} {logical_id}: {code}: {message} {location}"));
    }
}
