//! What a start asks for, whichever way the execution runs: checked, with the revision that it is to run.

use std::sync::Arc;

use stepfleet_asl::Payload;
use stepfleet_engine::execution::Header;

use super::aliases::routed;
use super::api::{Caller, MachineType, StartExecution};
use super::error::{ApiError, ErrorCode};
use super::versions::{MachineRef, Named, qualified};
use super::{Service, machine_missing, parse_input, place};
use crate::arn::check_name;
use crate::catalog::Revision;
use crate::catalog::records::MachineRecord;

/// An execution that may begin.
pub(super) struct Prepared {
    pub(super) header: Header,
    pub(super) revision: Arc<Revision>,
    pub(super) input: Payload,
    /// The client chose the name.
    pub(super) named: bool,
    pub(super) machine_type: MachineType,
}

/// The revision that an execution is to run, and how it was named.
struct Target {
    revision: u64,
    version_arn: Option<Arc<str>>,
    alias_arn: Option<Arc<str>>,
}

impl Service {
    /// Checks a start of an execution, of this type if it must be one.
    pub(super) fn prepare(
        &self,
        caller: &Caller,
        request: StartExecution,
        wanted: Option<MachineType>,
    ) -> Result<Prepared, ApiError> {
        let machine_ref = MachineRef::parse(caller, &request.machine_arn)?;
        let named = request.name.is_some();
        let name = request.name.unwrap_or_else(|| self.shared.entropy.uuid());
        check_name(&name)?;
        let text = request.input.as_deref().unwrap_or("{}");
        self.check_payload(text, "input")?;
        let input = parse_input(text)?;
        let machine = self.live_machine(caller, machine_ref.name, &request.machine_arn)?;
        let record = &machine.record;
        wanted.map_or(Ok(()), |wanted| check_type(record, wanted))?;
        let target = self.target(record, machine_ref, &request.machine_arn)?;
        let revision = self.shared.catalog.compiled(
            &record.namespace,
            &record.name,
            target.revision,
            &self.shared.integrations,
        )?;
        let arns = &self.shared.arns;
        let (namespace, machine_name) = (&record.namespace, &record.name);
        let (place, execution_arn) = match record.machine_type {
            MachineType::Standard => (
                place(namespace, machine_name, &name),
                arns.execution(namespace, machine_name, &name),
            ),
            MachineType::Express => {
                // The uuid behind the name tells executions of one name apart.
                let last = format!("{name}:{}", self.shared.entropy.uuid());
                (
                    place(namespace, machine_name, &last),
                    arns.express(namespace, machine_name, &last),
                )
            }
        };
        let header = Header {
            id: place.id,
            hash: place.hash,
            namespace: namespace.clone(),
            machine_name: machine_name.clone(),
            machine_arn: record.arn.clone(),
            execution_arn: Arc::from(execution_arn),
            name: Arc::from(name),
            incarnation: u32::try_from(self.shared.clock.now().0 / 1000).unwrap_or(u32::MAX),
            revision: target.revision,
            role_arn: revision.role_arn.clone(),
            trace_header: request.trace_header.map(Arc::from),
            version_arn: target.version_arn,
            alias_arn: target.alias_arn,
            origin: request.origin,
        };
        Ok(Prepared {
            header,
            revision,
            input,
            named,
            machine_type: record.machine_type,
        })
    }

    /// What an ARN starts; an alias draws between its versions.
    fn target(
        &self,
        machine: &MachineRecord,
        named: MachineRef<'_>,
        arn: &str,
    ) -> Result<Target, ApiError> {
        let missing = || machine_missing(arn);
        let (version, alias) = match named.find(machine).ok_or_else(missing)? {
            Named::Current => {
                return Ok(Target {
                    revision: machine.revision,
                    version_arn: None,
                    alias_arn: None,
                });
            }
            Named::Version(version) => (version, None),
            Named::Alias(alias) => {
                let number = routed(alias, self.shared.entropy.next_u64());
                let version = number.and_then(|number| machine.published.version(number));
                (version.ok_or_else(missing)?, Some(&alias.name))
            }
        };
        Ok(Target {
            revision: version.revision,
            version_arn: Some(Arc::from(qualified(machine, version.number))),
            alias_arn: alias.map(|alias| Arc::from(qualified(machine, alias))),
        })
    }
}

/// Refuses what the other type of state machines has.
pub(super) fn check_type(machine: &MachineRecord, wanted: MachineType) -> Result<(), ApiError> {
    if machine.machine_type == wanted {
        return Ok(());
    }
    let message = "This operation is not supported by this type of state machine";
    Err(ApiError::new(
        ErrorCode::StateMachineTypeNotSupported,
        message,
    ))
}
