//! What the generated types and the engine's share: ids, kinds, failures, resources, workers, variables, headers.

use std::fmt::Display;
use std::sync::Arc;

use stepfleet_asl::Payload;
use stepfleet_engine::event::{Failure, TaskResource};
use stepfleet_engine::execution::{Header, StateKind, Status};
use stepfleet_engine::{ExecutionId, KeyHash, SessionId, Variables, Worker};
use stepfleet_proto::record::v1;

use super::wire::{Out, Wire};
use crate::error::StoreError;

pub(crate) fn corrupt(what: impl Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}

/// A field that every release writes.
pub(crate) fn required<T>(field: Option<T>, name: &str) -> Result<T, StoreError> {
    field.ok_or_else(|| corrupt(format_args!("record without {name}")))
}

pub(crate) fn wide(high: u64, low: u64) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}

pub(crate) fn hash(value: u32) -> Result<KeyHash, StoreError> {
    u16::try_from(value)
        .map(KeyHash)
        .map_err(|_| corrupt(format_args!("hash {value} has more than 16 bits")))
}

pub(crate) fn kind_number(kind: StateKind) -> u32 {
    let kind = match kind {
        StateKind::Pass => v1::StateKind::Pass,
        StateKind::Task => v1::StateKind::Task,
        StateKind::Choice => v1::StateKind::Choice,
        StateKind::Wait => v1::StateKind::Wait,
        StateKind::Succeed => v1::StateKind::Succeed,
        StateKind::Fail => v1::StateKind::Fail,
        StateKind::Parallel => v1::StateKind::Parallel,
        StateKind::Map => v1::StateKind::Map,
    };
    (kind as i32).cast_unsigned()
}

pub(crate) fn kind(number: i32) -> Result<StateKind, StoreError> {
    match v1::StateKind::try_from(number) {
        Ok(v1::StateKind::Pass) => Ok(StateKind::Pass),
        Ok(v1::StateKind::Task) => Ok(StateKind::Task),
        Ok(v1::StateKind::Choice) => Ok(StateKind::Choice),
        Ok(v1::StateKind::Wait) => Ok(StateKind::Wait),
        Ok(v1::StateKind::Succeed) => Ok(StateKind::Succeed),
        Ok(v1::StateKind::Fail) => Ok(StateKind::Fail),
        Ok(v1::StateKind::Parallel) => Ok(StateKind::Parallel),
        Ok(v1::StateKind::Map) => Ok(StateKind::Map),
        Ok(v1::StateKind::Unspecified) | Err(_) => {
            Err(corrupt(format_args!("unknown kind of state {number}")))
        }
    }
}

pub(crate) fn status_number(status: Status) -> u32 {
    let status = match status {
        Status::Running => v1::Status::Running,
        Status::Succeeded => v1::Status::Succeeded,
        Status::Failed => v1::Status::Failed,
        Status::TimedOut => v1::Status::TimedOut,
        Status::Aborted => v1::Status::Aborted,
    };
    (status as i32).cast_unsigned()
}

pub(crate) fn status(number: i32) -> Result<Status, StoreError> {
    match v1::Status::try_from(number) {
        Ok(v1::Status::Running) => Ok(Status::Running),
        Ok(v1::Status::Succeeded) => Ok(Status::Succeeded),
        Ok(v1::Status::Failed) => Ok(Status::Failed),
        Ok(v1::Status::TimedOut) => Ok(Status::TimedOut),
        Ok(v1::Status::Aborted) => Ok(Status::Aborted),
        Ok(v1::Status::Unspecified) | Err(_) => {
            Err(corrupt(format_args!("unknown status {number}")))
        }
    }
}

pub(crate) fn put_failure<O: Out>(wire: &mut Wire<'_, O>, failure: &Failure) {
    wire.optional_string(1, failure.error.as_deref());
    wire.optional_string(2, failure.cause.as_deref());
}

pub(crate) fn failure(failure: v1::Failure) -> Failure {
    Failure {
        error: failure.error.map(Arc::from),
        cause: failure.cause.map(Arc::from),
    }
}

pub(crate) fn put_resource<O: Out>(wire: &mut Wire<'_, O>, resource: &TaskResource) {
    wire.string(1, &resource.service);
    wire.string(2, &resource.action);
}

pub(crate) fn resource(resource: v1::TaskResource) -> TaskResource {
    TaskResource {
        service: resource.service.into(),
        action: resource.action.into(),
    }
}

pub(crate) fn put_worker<O: Out>(wire: &mut Wire<'_, O>, worker: &Worker) {
    wire.optional_string(1, worker.name.as_deref());
    if let Some(session) = worker.session {
        wire.wide(2, session.0);
    }
}

/// A worker that is not there is nobody.
pub(crate) fn worker(worker: Option<v1::Worker>) -> Worker {
    let worker = worker.unwrap_or_default();
    let session = worker
        .session_high
        .zip(worker.session_low)
        .map(|(high, low)| SessionId(wide(high, low)));
    Worker {
        name: worker.name.map(Arc::from),
        session,
    }
}

/// Variables, one message each.
pub(crate) fn put_variables<O: Out>(wire: &mut Wire<'_, O>, tag: u32, variables: &Variables) {
    for (name, value) in variables.iter() {
        wire.message_of(tag, name.len() + value.len() + 24, |wire| {
            wire.string(1, name);
            wire.string(2, value.text());
        });
    }
}

/// Records of a release without variables have none.
pub(crate) fn variables(variables: Vec<v1::Variable>) -> Variables {
    variables
        .into_iter()
        .map(|it| (it.name.into(), Payload::trusted(it.value)))
        .collect()
}

pub(crate) fn put_header<O: Out>(wire: &mut Wire<'_, O>, header: &Header) {
    wire.wide(1, header.id.0);
    wire.uint(3, header.hash.0);
    wire.string(4, &header.namespace);
    wire.string(5, &header.machine_name);
    wire.string(6, &header.machine_arn);
    wire.string(7, &header.execution_arn);
    wire.string(8, &header.name);
    wire.uint(9, header.revision);
    wire.string(10, &header.role_arn);
    wire.optional_string(11, header.trace_header.as_deref());
    wire.optional_string(12, header.version_arn.as_deref());
    wire.optional_string(13, header.alias_arn.as_deref());
    wire.optional_string(14, header.origin.as_deref());
    wire.uint(15, header.incarnation);
}

pub(crate) fn header(header: v1::Header) -> Result<Arc<Header>, StoreError> {
    Ok(Arc::new(Header {
        id: ExecutionId(wide(header.execution_high, header.execution_low)),
        hash: hash(header.hash)?,
        namespace: header.namespace.into(),
        machine_name: header.machine_name.into(),
        machine_arn: header.machine_arn.into(),
        execution_arn: header.execution_arn.into(),
        name: header.name.into(),
        incarnation: header.incarnation,
        revision: header.revision,
        role_arn: header.role_arn.into(),
        trace_header: header.trace_header.map(Arc::from),
        version_arn: header.version_arn.map(Arc::from),
        alias_arn: header.alias_arn.map(Arc::from),
        origin: header.origin.map(Arc::from),
    }))
}
