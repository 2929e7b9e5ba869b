//! State machines: create, update, delete, describe, list, validate.

use std::sync::Arc;
use std::time::Duration;

use stepfleet_asl::Program;
use stepfleet_asl::definition;
use stepfleet_asl::diagnostic::{Diagnostic, Severity};
use stepfleet_asl::program::{Kind, Task, VariableReferences};
use stepfleet_asl::resource::Resource;
use stepfleet_engine::Timestamp;

use super::api::{
    Accepted, Caller, CreateStateMachine, CreatedStateMachine, MachineStatus, MachineType, Page,
    PageRequest, StateMachineDescription, StateMachineItem, UpdateStateMachine,
    UpdatedStateMachine, Validation,
};
use super::error::{ApiError, ErrorCode};
use super::tags::check_tags;
use super::{
    Service, execution_missing, execution_names, machine_missing, machine_name, page, place,
};
use crate::arn::check_name;
use crate::catalog::records::{MachineRecord, RevisionRecord, Versioned};
use crate::catalog::{self, revision_id};
use crate::partition::Message;
use crate::partition::message::ReadRequest;

/// State machines of one installation, as on AWS.
const STATE_MACHINES_MAX: usize = 100_000;
/// How often a deletion looks whether its executions have ended.
const DELETION_LOOK: Duration = Duration::from_millis(250);
/// Findings of one `ValidateStateMachineDefinition` answer.
const DIAGNOSTICS_MAX: u32 = 100;

impl Service {
    pub(crate) async fn create_state_machine(
        &self,
        caller: &Caller,
        request: CreateStateMachine,
    ) -> Result<CreatedStateMachine, ApiError> {
        check_name(&request.name)?;
        check_tags(&request.tags)?;
        let warnings =
            self.check_definition(&caller.namespace, &request.definition, request.machine_type)?;
        if request.machine_type == MachineType::Express {
            let message =
                "EXPRESS state machines are not served by this release; create it as STANDARD";
            return Err(ApiError::new(
                ErrorCode::StateMachineTypeNotSupported,
                message,
            ));
        }
        let arn = self
            .shared
            .arns
            .state_machine(&caller.namespace, &request.name);
        if let Some(existing) = self
            .shared
            .catalog
            .machine(&caller.namespace, &request.name)
        {
            self.check_same(&existing, &request)?;
            return Ok(CreatedStateMachine {
                arn,
                created_at: Timestamp(existing.record.created_at),
                warnings,
            });
        }
        if self.shared.catalog.machine_count() >= STATE_MACHINES_MAX {
            let message = format!("The limit of {STATE_MACHINES_MAX} state machines is reached.");
            return Err(ApiError::new(ErrorCode::StateMachineLimitExceeded, message));
        }
        let now = self.shared.clock.now();
        let number = self
            .shared
            .catalog
            .next_revision(&caller.namespace, &request.name);
        let revision = self.revision(
            number,
            now,
            request.definition,
            request.role_arn,
            request.accepted,
        );
        let machine = MachineRecord {
            namespace: caller.namespace.clone(),
            name: Arc::from(request.name),
            arn: Arc::from(arn.as_str()),
            created_at: now.0,
            deleting: false,
            revision: number,
            first_revision: number,
            tags: request.tags,
        };
        self.change(move |shared| async move {
            shared
                .catalog
                .put_machine(machine, None, Some(revision))
                .await
        })
        .await?;
        Ok(CreatedStateMachine {
            arn,
            created_at: now,
            warnings,
        })
    }

    /// A repeated creation answers as the first one did; another definition under the name is refused.
    fn check_same(
        &self,
        existing: &Versioned<MachineRecord>,
        request: &CreateStateMachine,
    ) -> Result<(), ApiError> {
        let record = &existing.record;
        if record.deleting {
            return Err(deleting(&record.arn));
        }
        let revision =
            self.shared
                .catalog
                .revision(&record.namespace, &record.name, record.revision)?;
        let same = revision.definition.as_ref() == request.definition
            && revision.logging_configuration == request.accepted.logging_configuration
            && revision.tracing_configuration == request.accepted.tracing_configuration
            && revision.encryption_configuration == request.accepted.encryption_configuration;
        if same {
            return Ok(());
        }
        let message = format!("State Machine Already Exists: '{}'", record.arn);
        Err(ApiError::new(ErrorCode::StateMachineAlreadyExists, message))
    }

    fn revision(
        &self,
        number: u64,
        now: Timestamp,
        definition: String,
        role_arn: Option<String>,
        accepted: Accepted,
    ) -> RevisionRecord {
        RevisionRecord {
            definition: Arc::from(definition),
            role_arn: role_arn.unwrap_or_else(|| self.role_default.to_string()),
            created_at: now.0,
            revision_id: revision_id(number, now),
            logging_configuration: accepted.logging_configuration,
            tracing_configuration: accepted.tracing_configuration,
            encryption_configuration: accepted.encryption_configuration,
        }
    }

    fn check_definition(
        &self,
        namespace: &str,
        text: &str,
        machine_type: MachineType,
    ) -> Result<Vec<Diagnostic>, ApiError> {
        if text.len() > self.definition_bytes_max {
            let max = self.definition_bytes_max;
            let message = format!(
                "1 validation error detected: Value at 'definition' failed to satisfy constraint: \
                 Member must have length less than or equal to {max}"
            );
            return Err(ApiError::new(ErrorCode::ValidationException, message));
        }
        match catalog::compile(text, machine_type, &self.shared.integrations) {
            Ok(program) => {
                check_activities(&program, namespace)?;
                Ok(program.warnings)
            }
            Err(diagnostics) => {
                let message = definition::invalid_definition_message(&diagnostics);
                Err(ApiError::new(ErrorCode::InvalidDefinition, message))
            }
        }
    }

    pub(crate) async fn update_state_machine(
        &self,
        caller: &Caller,
        request: UpdateStateMachine,
    ) -> Result<UpdatedStateMachine, ApiError> {
        let name = machine_name(caller, &request.arn)?;
        let accepted = &request.accepted;
        let nothing = request.definition.is_none()
            && request.role_arn.is_none()
            && accepted.logging_configuration.is_none()
            && accepted.tracing_configuration.is_none();
        if nothing {
            let message = "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified";
            return Err(ApiError::new(ErrorCode::MissingRequiredParameter, message));
        }
        let machine = self.live_machine(caller, name, &request.arn)?;
        let current =
            self.shared
                .catalog
                .revision(&caller.namespace, name, machine.record.revision)?;
        let warnings = match &request.definition {
            Some(definition) => {
                self.check_definition(&caller.namespace, definition, MachineType::Standard)?
            }
            None => Vec::new(),
        };
        let now = self.shared.clock.now();
        let number = self.shared.catalog.next_revision(&caller.namespace, name);
        let next = merged(current.clone(), request, number, now);
        if (RevisionRecord {
            revision_id: current.revision_id.clone(),
            created_at: current.created_at,
            ..next.clone()
        }) == current
        {
            return Ok(UpdatedStateMachine {
                updated_at: now,
                revision_id: current.revision_id,
                warnings,
            });
        }
        let id = next.revision_id.clone();
        let record = MachineRecord {
            revision: number,
            ..machine.record.clone()
        };
        self.change(move |shared| async move {
            shared
                .catalog
                .put_machine(record, Some(machine.version), Some(next))
                .await
        })
        .await?;
        Ok(UpdatedStateMachine {
            updated_at: now,
            revision_id: id,
            warnings,
        })
    }

    pub(crate) async fn delete_state_machine(
        &self,
        caller: &Caller,
        arn: &str,
    ) -> Result<(), ApiError> {
        let name = machine_name(caller, arn)?;
        let Some(machine) = self.shared.catalog.machine(&caller.namespace, name) else {
            return Ok(());
        };
        let machine = if machine.record.deleting {
            machine
        } else {
            let record = MachineRecord {
                deleting: true,
                ..machine.record.clone()
            };
            let version = machine.version;
            let marked = self.change(move |shared| async move {
                shared
                    .catalog
                    .put_machine(record, Some(version), None)
                    .await
            });
            match marked.await {
                Ok(marked) => marked,
                // Somebody else changed it in the same moment; a deletion among them does what is asked.
                Err(error) if error.code == ErrorCode::ConflictException => {
                    tokio::task::yield_now().await;
                    match self.shared.catalog.machine(&caller.namespace, name) {
                        None => return Ok(()),
                        Some(changed) if changed.record.deleting => changed,
                        Some(_) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        };
        if !self.try_finish_deletion(&machine).await? {
            crate::task::spawn(
                "delete state machine",
                self.clone().finish_deletion(machine),
            );
        }
        Ok(())
    }

    /// Stops what runs; removes the machine when nothing of it runs any more.
    async fn try_finish_deletion(
        &self,
        machine: &Arc<Versioned<MachineRecord>>,
    ) -> Result<bool, ApiError> {
        let record = &machine.record;
        let known = self.shared.catalog.machine(&record.namespace, &record.name);
        if known.is_none_or(|known| known.version != machine.version || !known.record.deleting) {
            // Somebody else finished it; what has the name now is another machine.
            return Ok(true);
        }
        for host in self.shared.partitions().hosts() {
            let machine_arn = record.arn.clone();
            host.send(Message::StopMachine { machine_arn }).await?;
        }
        // The mark keeps new executions from beginning; the count is of what is durable.
        if self.count_running(Some(record.arn.clone())).await?.0 > 0 {
            return Ok(false);
        }
        let machine = machine.clone();
        self.change(move |shared| async move { shared.catalog.remove_machine(&machine).await })
            .await?;
        Ok(true)
    }

    async fn finish_deletion(self, machine: Arc<Versioned<MachineRecord>>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(DELETION_LOOK) => {}
                () = self.shared.stop.cancelled() => return,
            }
            match self.try_finish_deletion(&machine).await {
                Ok(false) => {}
                Ok(true) => return,
                Err(error) => tracing::warn!(%error, "a state machine is not deleted yet"),
            }
        }
    }

    /// Goes on with deletions that a restart cut short.
    pub(crate) fn resume_deletions(&self) {
        for machine in self.shared.catalog.deleting() {
            crate::task::spawn(
                "delete state machine",
                self.clone().finish_deletion(machine),
            );
        }
    }

    pub(crate) async fn describe_state_machine(
        &self,
        caller: &Caller,
        arn: &str,
    ) -> Result<StateMachineDescription, ApiError> {
        let name = machine_name(caller, arn)?;
        let machine = self
            .shared
            .catalog
            .machine(&caller.namespace, name)
            .ok_or_else(|| machine_missing(arn))?;
        let record = &machine.record;
        let revision =
            self.shared
                .catalog
                .revision(&record.namespace, &record.name, record.revision)?;
        let first = record.revision == record.first_revision;
        let status = if record.deleting {
            MachineStatus::Deleting
        } else {
            MachineStatus::Active
        };
        let variable_references =
            self.variable_references(&record.namespace, &record.name, record.revision);
        Ok(StateMachineDescription {
            variable_references,
            ..description(
                arn,
                name,
                status,
                Timestamp(record.created_at),
                (!first).then(|| revision.revision_id.clone()),
                revision,
            )
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
            machine_type: MachineType::Standard,
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

    pub(crate) async fn validate_definition(
        &self,
        _caller: &Caller,
        definition: &str,
        machine_type: MachineType,
        include_warnings: bool,
        limit: u32,
    ) -> Result<Validation, ApiError> {
        let mut diagnostics =
            catalog::validate(definition, machine_type, &self.shared.integrations);
        let ok = diagnostics
            .iter()
            .all(|diagnostic| diagnostic.severity != Severity::Error);
        diagnostics.retain(|diagnostic| include_warnings || diagnostic.severity == Severity::Error);
        let limit = if limit == 0 {
            DIAGNOSTICS_MAX
        } else {
            limit.min(DIAGNOSTICS_MAX)
        } as usize;
        let truncated = diagnostics.len() > limit;
        diagnostics.truncate(limit);
        Ok(Validation {
            ok,
            diagnostics,
            truncated,
        })
    }

    /// A machine that takes new executions and revisions.
    pub(crate) fn live_machine(
        &self,
        caller: &Caller,
        name: &str,
        arn: &str,
    ) -> Result<Arc<Versioned<MachineRecord>>, ApiError> {
        let machine = self
            .shared
            .catalog
            .machine(&caller.namespace, name)
            .ok_or_else(|| machine_missing(arn))?;
        if machine.record.deleting {
            return Err(deleting(arn));
        }
        Ok(machine)
    }

    /// Live executions (of one machine), and those in memory.
    pub(crate) async fn count_running(
        &self,
        machine_arn: Option<Arc<str>>,
    ) -> Result<(u64, u64), ApiError> {
        let mut total = (0, 0);
        for host in self.shared.partitions().hosts() {
            let machine_arn = machine_arn.clone();
            let request = |answer| ReadRequest::Count {
                machine_arn,
                answer,
            };
            let (live, resident) = self.ask(host, request).await?;
            total = (total.0 + live, total.1 + resident);
        }
        Ok(total)
    }
}

fn merged(
    current: RevisionRecord,
    request: UpdateStateMachine,
    number: u64,
    now: Timestamp,
) -> RevisionRecord {
    let accepted = request.accepted;
    RevisionRecord {
        definition: request.definition.map_or(current.definition, Arc::from),
        role_arn: request.role_arn.unwrap_or(current.role_arn),
        created_at: now.0,
        revision_id: revision_id(number, now),
        logging_configuration: accepted
            .logging_configuration
            .or(current.logging_configuration),
        tracing_configuration: accepted
            .tracing_configuration
            .or(current.tracing_configuration),
        encryption_configuration: accepted
            .encryption_configuration
            .or(current.encryption_configuration),
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
        machine_type: MachineType::Standard,
        date,
        revision_id,
        variable_references: VariableReferences::new(),
        accepted: Accepted {
            logging_configuration: revision.logging_configuration,
            tracing_configuration: revision.tracing_configuration,
            encryption_configuration: revision.encryption_configuration,
        },
    }
}

/// Activities belong to the account of the machine: the tasks of one tenant never reach the workers of another.
fn check_activities(program: &Program, namespace: &str) -> Result<(), ApiError> {
    for state in &program.states {
        if let Kind::Task(Task {
            resource: Resource::Activity { arn },
            ..
        }) = &state.kind
            && arn.split(':').nth(4) != Some(namespace)
        {
            let message = format!(
                "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: The resource provided {arn} belongs to \
                 another account. at {}/Resource'",
                state.pointer
            );
            return Err(ApiError::new(ErrorCode::InvalidDefinition, message));
        }
    }
    Ok(())
}

fn deleting(arn: &str) -> ApiError {
    ApiError::new(
        ErrorCode::StateMachineDeleting,
        format!("State Machine is being deleted: '{arn}'"),
    )
}
