//! State machines as they are shown: described by any ARN of theirs or by an execution, and listed.

use std::sync::Arc;

use stepfleet_asl::program::VariableReferences;
use stepfleet_engine::Timestamp;

use super::api::{
    Accepted, Caller, MachineStatus, Page, PageRequest, StateMachineDescription, StateMachineItem,
};
use super::error::ApiError;
use super::versions::{MachineRef, Named};
use super::{Service, execution_missing, execution_names, machine_missing, page, place};
use crate::catalog::records::RevisionRecord;

impl Service {
    pub(crate) async fn describe_state_machine(
        &self,
        caller: &Caller,
        arn: &str,
    ) -> Result<StateMachineDescription, ApiError> {
        let named = MachineRef::parse(caller, arn)?;
        let machine = self.known_machine(caller, named.name, arn)?;
        let record = &machine.record;
        let version = match named.find(record).ok_or_else(|| machine_missing(arn))? {
            Named::Current => None,
            Named::Version(version) => Some(version),
            // Of two versions, the one that most starts go to.
            Named::Alias(alias) => {
                let route = alias.routes.iter().rev().max_by_key(|route| route.weight);
                let version = route.and_then(|route| record.published.version(route.version));
                Some(version.ok_or_else(|| machine_missing(arn))?)
            }
        };
        let number = version.map_or(record.revision, |version| version.revision);
        let catalog = &self.shared.catalog;
        let revision = catalog.revision(&record.namespace, &record.name, number)?;
        let status = if record.deleting {
            MachineStatus::Deleting
        } else {
            MachineStatus::Active
        };
        let date = version.map_or(record.created_at, |version| version.created_at);
        let id = (number != record.first_revision).then(|| revision.revision_id.clone());
        let description = description(arn, named.name, status, Timestamp(date), id, revision);
        Ok(StateMachineDescription {
            variable_references: self.variable_references(&record.namespace, &record.name, number),
            description: version.and_then(|version| version.description.clone()),
            ..description
        })
    }

    pub(crate) async fn describe_state_machine_for_execution(
        &self,
        caller: &Caller,
        execution_arn: &str,
    ) -> Result<StateMachineDescription, ApiError> {
        let (machine, name) = execution_names(caller, execution_arn)?;
        let place = place(&caller.namespace, machine, name);
        let execution = self
            .execution(place)
            .await?
            .ok_or_else(|| execution_missing(execution_arn))?;
        let header = &execution.header;
        let revision = self.shared.catalog.revision(
            &header.namespace,
            &header.machine_name,
            header.revision,
        )?;
        let updated = Timestamp(revision.created_at);
        let id = (header.revision > 1).then(|| revision.revision_id.clone());
        let variable_references =
            self.variable_references(&header.namespace, &header.machine_name, header.revision);
        Ok(StateMachineDescription {
            variable_references,
            ..description(
                &header.machine_arn,
                machine,
                MachineStatus::Active,
                updated,
                id,
                revision,
            )
        })
    }

    /// A revision that no longer compiles is still described, without them.
    fn variable_references(
        &self,
        namespace: &Arc<str>,
        name: &Arc<str>,
        revision: u64,
    ) -> VariableReferences {
        let catalog = &self.shared.catalog;
        catalog
            .compiled(namespace, name, revision, &self.shared.integrations)
            .map(|revision| revision.program.variable_references())
            .unwrap_or_default()
    }

    pub(crate) async fn list_state_machines(
        &self,
        caller: &Caller,
        request: PageRequest,
    ) -> Result<Page<StateMachineItem>, ApiError> {
        let (limit, after) = page::open(&request, "machines", &caller.namespace)?;
        let machines = self
            .shared
            .catalog
            .machines(&caller.namespace, after.as_deref(), limit + 1);
        let items = machines.iter().map(|machine| StateMachineItem {
            arn: machine.record.arn.to_string(),
            name: machine.record.name.to_string(),
            machine_type: machine.record.machine_type,
            created_at: Timestamp(machine.record.created_at),
        });
        Ok(page::close(
            items.collect(),
            limit,
            "machines",
            &caller.namespace,
            |item| item.name.clone(),
        ))
    }
}

fn description(
    arn: &str,
    name: &str,
    status: MachineStatus,
    date: Timestamp,
    revision_id: Option<String>,
    revision: RevisionRecord,
) -> StateMachineDescription {
    StateMachineDescription {
        arn: arn.to_owned(),
        name: name.to_owned(),
        status,
        definition: revision.definition,
        role_arn: revision.role_arn,
        machine_type: revision.machine_type,
        date,
        description: None,
        revision_id,
        variable_references: VariableReferences::new(),
        accepted: Accepted {
            logging_configuration: revision.logging_configuration,
            tracing_configuration: revision.tracing_configuration,
            encryption_configuration: revision.encryption_configuration,
        },
    }
}
