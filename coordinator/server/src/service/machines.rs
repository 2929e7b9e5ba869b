//! State machines: create, update, delete, describe, list, validate.

use std::sync::Arc;
use std::time::Duration;

use stepfleet_asl::Program;
use stepfleet_asl::definition;
use stepfleet_asl::diagnostic::{Diagnostic, Severity};
use stepfleet_asl::program::{Kind, Task};
use stepfleet_asl::resource::Resource;
use stepfleet_engine::Timestamp;
use stepfleet_proto::Subject;

use super::api::{
    Accepted, Caller, CreateStateMachine, CreatedStateMachine, MachineType, Publish,
    PublishVersion, UpdateStateMachine, UpdatedStateMachine, Validation,
};
use super::error::{ApiError, ErrorCode};
use super::tags::check_tags;
use super::versions::{MachineRef, publish, qualified};
use super::{Service, machine_name};
use crate::arn::check_name;
use crate::auth::actions;
use crate::catalog::records::{MachineRecord, Published, RevisionRecord, Versioned};
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
        check_parts(caller, &request)?;
        let warnings =
            self.check_definition(&caller.namespace, &request.definition, request.machine_type)?;
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
                version_arn: version_at_creation(&existing.record),
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
        let catalog = &self.shared.catalog;
        let number = catalog.next_revision(&caller.namespace, &request.name);
        let machine_type = request.machine_type;
        let revision = RevisionRecord {
            machine_type,
            ..self.revision(
                number,
                now,
                request.definition,
                request.role_arn,
                request.accepted,
            )
        };
        let machine = MachineRecord {
            namespace: caller.namespace.clone(),
            name: Arc::from(request.name),
            arn: Arc::from(arn.as_str()),
            created_at: now.0,
            deleting: false,
            machine_type,
            revision: number,
            first_revision: number,
            tags: request.tags,
            published: Arc::new(published_at_creation(number, now, request.publish)),
        };
        let version_arn = version_at_creation(&machine);
        self.change(move |shared| async move {
            shared
                .catalog
                .put_machine(machine, None, Some(revision))
                .await
        })
        .await?;
        Ok(CreatedStateMachine {
            arn,
            version_arn,
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
            && revision.encryption_configuration == request.accepted.encryption_configuration
            && record.machine_type == request.machine_type
            && same_publication(record, request);
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
            machine_type: MachineType::Standard,
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
        let connects = self.connects(namespace, machine_type);
        match catalog::compile(text, machine_type, &self.shared.integrations, &connects) {
            Ok(mut program) => {
                check_activities(&program, namespace)?;
                let mut warnings = self.activity_warnings(namespace, &program);
                warnings.extend(self.callback_warning(text));
                program.warnings.extend(warnings);
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
        if request.publish.is_some() {
            let subject = Subject::Arn(&request.arn);
            caller.permit.check(actions::PUBLISH, subject)?;
        }
        let machine = self.live_machine(caller, name, &request.arn)?;
        let current =
            self.shared
                .catalog
                .revision(&caller.namespace, name, machine.record.revision)?;
        let warnings = match &request.definition {
            Some(definition) => {
                self.check_definition(&caller.namespace, definition, machine.record.machine_type)?
            }
            None => Vec::new(),
        };
        let now = self.shared.clock.now();
        let number = self.shared.catalog.next_revision(&caller.namespace, name);
        let publish = request.publish.clone();
        let next = merged(current.clone(), request, number, now);
        if (RevisionRecord {
            revision_id: current.revision_id.clone(),
            created_at: current.created_at,
            ..next.clone()
        }) == current
        {
            let version_arn = match publish {
                Some(publish) => Some(self.publish_current(caller, &machine, publish).await?),
                None => None,
            };
            let first = machine.record.revision == machine.record.first_revision;
            return Ok(UpdatedStateMachine {
                updated_at: now,
                revision_id: (!first).then_some(current.revision_id),
                version_arn,
                warnings,
            });
        }
        let id = next.revision_id.clone();
        let mut record = MachineRecord {
            revision: number,
            ..machine.record.clone()
        };
        let version_arn = publish
            .map(|publish| publish_with(&mut record, now, &publish))
            .transpose()?;
        self.change(move |shared| async move {
            shared
                .catalog
                .put_machine(record, Some(machine.version), Some(next))
                .await
        })
        .await?;
        Ok(UpdatedStateMachine {
            updated_at: now,
            revision_id: Some(id),
            version_arn,
            warnings,
        })
    }

    /// An update that changes nothing publishes what is there.
    async fn publish_current(
        &self,
        caller: &Caller,
        machine: &Versioned<MachineRecord>,
        publish: Publish,
    ) -> Result<String, ApiError> {
        let request = PublishVersion {
            machine_arn: machine.record.arn.to_string(),
            revision_id: None,
            description: publish.description,
        };
        self.publish_version(caller, request)
            .await
            .map(|version| version.arn)
    }

    pub(crate) async fn delete_state_machine(
        &self,
        caller: &Caller,
        arn: &str,
    ) -> Result<(), ApiError> {
        let name = plain_name(caller, arn)?;
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
        self.shared.express.machine_deleted();
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

    pub(crate) async fn validate_definition(
        &self,
        caller: &Caller,
        definition: &str,
        machine_type: MachineType,
        include_warnings: bool,
        limit: u32,
    ) -> Result<Validation, ApiError> {
        let namespace = &*caller.namespace;
        let registry = &self.shared.integrations;
        let connects = self.connects(namespace, machine_type);
        let mut diagnostics = catalog::validate(definition, machine_type, registry, &connects);
        if let Ok(program) = catalog::compile(definition, machine_type, registry, &connects) {
            diagnostics.extend(self.connector_warnings(namespace, &program));
        }
        diagnostics.extend(self.callback_warning(definition));
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
        let machine = self.known_machine(caller, name, arn)?;
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

/// What AWS asks a permission of its own for.
fn check_parts(caller: &Caller, request: &CreateStateMachine) -> Result<(), ApiError> {
    let subject = Subject::Named {
        kind: "stateMachine",
        name: &request.name,
    };
    if !request.tags.is_empty() {
        caller.permit.check(actions::TAG, subject)?;
    }
    if request.publish.is_some() {
        caller.permit.check(actions::PUBLISH, subject)?;
    }
    Ok(())
}

fn published_at_creation(revision: u64, now: Timestamp, publish: Option<Publish>) -> Published {
    let mut published = Published::default();
    if let Some(publish) = publish {
        let version = published.publish(revision, now.0, publish.description);
        published.at_creation = Some(version.clone());
    }
    published
}

/// ARN of the version that the creation published.
fn version_at_creation(machine: &MachineRecord) -> Option<String> {
    let version = machine.published.at_creation.as_ref();
    version.map(|version| qualified(machine, version.number))
}

/// Whether a creation asks for the version that the first creation made.
fn same_publication(record: &MachineRecord, request: &CreateStateMachine) -> bool {
    match (&record.published.at_creation, &request.publish) {
        (None, None) => true,
        (Some(version), Some(publish)) => version.description == publish.description,
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Publishes the revision that a record is about to have; the version's ARN.
fn publish_with(
    record: &mut MachineRecord,
    now: Timestamp,
    wanted: &Publish,
) -> Result<String, ApiError> {
    let mut published = Published::clone(&record.published);
    let version = publish(record, &mut published, now, wanted.description.as_deref())?;
    record.published = Arc::new(published);
    Ok(qualified(record, version.number))
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
        machine_type: current.machine_type,
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

/// The name in an ARN without a qualifier: a version or an alias is deleted by its own operation.
fn plain_name<'a>(caller: &Caller, arn: &'a str) -> Result<&'a str, ApiError> {
    let named = MachineRef::parse(caller, arn)?;
    if named.qualifier.is_none() {
        return Ok(named.name);
    }
    let message = format!(
        "'{arn}' is not the ARN of a whole state machine; use DeleteStateMachineVersion or DeleteStateMachineAlias"
    );
    Err(ApiError::new(ErrorCode::ValidationException, message))
}

pub(super) fn deleting(arn: &str) -> ApiError {
    ApiError::new(
        ErrorCode::StateMachineDeleting,
        format!("State Machine is being deleted: '{arn}'"),
    )
}
