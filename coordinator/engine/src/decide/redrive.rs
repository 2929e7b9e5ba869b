//! `RedriveExecution`: a closed execution runs again from where it failed. Nothing is evaluated here: what goes on does so
//! by `Continue`, as after a bounded decision.

use std::sync::Arc;

use stepfleet_asl::Program;

use crate::apply::after;
use crate::decide::draft::Draft;
use crate::decide::{Decision, Rejection};
use crate::env::Env;
use crate::event::EventBody;
use crate::execution::Execution;
use crate::redrive::redrivable;

pub(super) fn redrive(
    program: &Program,
    execution: &Execution,
    env: &Env<'_>,
    client_token: Option<Arc<str>>,
) -> Result<Decision, Rejection> {
    let before = client_token.as_deref();
    if let Some(at) = before.and_then(|token| execution.redriven_by(token, env.now)) {
        return Err(Rejection::RedrivenBefore(at));
    }
    redrivable(execution, env.now, env.limits).map_err(Rejection::NotRedrivable)?;
    let mut draft = Draft::new(program, env, execution.clone());
    let closed = execution.last_event;
    draft.record(
        closed,
        EventBody::ExecutionRedriven {
            count: execution.redrive_count() + 1,
            deadline: after(env.now, program.timeout_seconds),
            client_token,
            status: execution.status,
            closed_at: execution.closed_at.unwrap_or(execution.started_at),
        },
    );
    draft.continue_later();
    Ok(draft.close_now())
}
