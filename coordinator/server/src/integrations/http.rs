//! `arn:aws:states:::http:invoke`: a request to an HTTP endpoint, by a connection or without one. Begun again after a
//! restart, it makes its request again: endpoints see it at least once.

pub(crate) mod answer;
mod body;
pub(crate) mod request;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::StatusCode;
use stepfleet_asl::Payload;
use stepfleet_asl::resource::{Integration, Pattern};
use stepfleet_engine::event::Failure;
use stepfleet_engine::{Served, Timestamp};

use super::{Begun, Call, Ended, Serve};
use crate::connections::Connection;
use crate::outbound::{Answer, Bounds, Trouble};
use crate::shared::Shared;
use request::Request;

/// A task's own timeout ends it first, and under its own name.
const BEHIND_DEADLINE: Duration = Duration::from_secs(5);

/// The integration.
#[derive(Debug)]
pub(crate) struct Invoke;

impl Serve for Invoke {
    fn matches(&self, integration: &Integration) -> bool {
        integration.service.as_ref() == "http"
            && integration.action.as_ref() == "invoke"
            && integration.pattern == Pattern::RequestResponse
    }

    fn served(&self) -> Served {
        Served::Starts
    }

    fn begin(&self, call: Call) -> BoxFuture<'static, Begun> {
        Box::pin(async move { Begun::Ended(invoke(&call).await) })
    }

    fn finish(&self, _: Call) -> BoxFuture<'static, Ended> {
        Box::pin(ready(None))
    }

    fn stop(&self, _: Call) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }
}

/// What was sent and what came back, to be looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange {
    /// As the task made it, without what a connection added.
    pub plain: Option<Request>,
    /// As it was sent.
    pub sent: Option<Request>,
    pub answer: Option<Answer>,
}

async fn invoke(call: &Call) -> Ended {
    // What would begin while the coordinator ends is begun after its start.
    if call.is_ending() {
        return None;
    }
    let mut exchange = Exchange::default();
    let namespace = &call.header.namespace;
    let timeout = timeout(&call.shared, call.deadline);
    let (shared, parameters) = (&call.shared, &call.parameters);
    Some(perform(shared, namespace, parameters, timeout, &mut exchange).await)
}

/// Makes the request that a task's parameters describe.
pub(crate) async fn perform(
    shared: &Arc<Shared>,
    namespace: &str,
    parameters: &Payload,
    timeout: Duration,
    exchange: &mut Exchange,
) -> Result<Payload, Failure> {
    let bytes_max = shared.limits.payload_bytes_max;
    let request = Request::read(parameters, &shared.arns.region, bytes_max)?;
    let named = request.connection.as_deref();
    let connection = named
        .map(|arn| shared.connections.by_arn(namespace, arn))
        .transpose()?;
    exchange.plain = Some(request.clone());
    let bounds = Bounds { timeout, bytes_max };
    let answer = send(shared, connection.as_deref(), request, bounds, exchange).await?;
    answer::result(&answer, parameters)
}

/// How long a request may take: to the end of its task, or as long as the configuration says.
pub(super) fn timeout(shared: &Shared, deadline: Option<Timestamp>) -> Duration {
    let Some(deadline) = deadline else {
        return shared.outbound.timeout();
    };
    let left = u64::try_from(deadline.0 - shared.clock.now().0).unwrap_or(0);
    Duration::from_millis(left) + BEHIND_DEADLINE
}

/// Sends a request with what its connection adds. A token that is refused is tried anew, once.
pub(super) async fn send(
    shared: &Arc<Shared>,
    connection: Option<&Connection>,
    request: Request,
    bounds: Bounds,
    exchange: &mut Exchange,
) -> Result<Answer, Failure> {
    let Some(connection) = connection else {
        return transmit(shared, None, request, bounds, exchange).await;
    };
    connection.check_host(request.uri()?.host().unwrap_or_default())?;
    let now = || shared.clock.now();
    let mut has_tried = false;
    loop {
        let (additions, token) = connection.additions(&shared.outbound, &now).await?;
        let request = request.clone().with(&additions)?;
        let sent = transmit(shared, Some(connection), request, bounds, exchange).await;
        match (sent, token) {
            (Ok(answer), Some(token))
                if answer.status == StatusCode::UNAUTHORIZED && !has_tried =>
            {
                connection.give_up(&token).await;
                has_tried = true;
            }
            (sent, _) => return sent,
        }
    }
}

async fn transmit(
    shared: &Arc<Shared>,
    connection: Option<&Connection>,
    request: Request,
    bounds: Bounds,
    exchange: &mut Exchange,
) -> Result<Answer, Failure> {
    let message = request.message()?;
    exchange.sent = Some(request);
    let client = connection.and_then(Connection::client);
    let answer = shared.outbound.exchange(client, message, bounds).await;
    let answer = answer.map_err(|trouble| failure(&trouble))?;
    exchange.answer = Some(answer.clone());
    Ok(answer)
}

/// What the rules forbid is not tried again by those who wait for better weather.
fn failure(trouble: &Trouble) -> Failure {
    let error = match trouble {
        Trouble::Refused(_) => "States.Permissions",
        Trouble::TimedOut(_) | Trouble::Socket(_) => "States.Http.Socket",
    };
    Failure {
        error: Some(error.into()),
        cause: Some(trouble.to_string().into()),
    }
}
