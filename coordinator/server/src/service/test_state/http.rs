//! HTTP tasks that are tested without a mock: their requests are made.

use std::sync::Arc;
use std::time::Duration;

use stepfleet_asl::program::{Bound, Task};
use stepfleet_engine::event::Failure;
use stepfleet_engine::test_state::{Mock, Report};

use super::{Shown, ShownAnswer, Work};
use crate::integrations::http::request::shown_headers;
use crate::integrations::http::{self, Exchange};
use crate::outbound::Answer;
use crate::shared::Shared;

/// For a whole test, as on AWS.
const TEST: Duration = Duration::from_secs(300);

/// The work of a task, when its test got to it.
pub(super) fn work(task: &Task, report: &Report) -> Option<Work> {
    let seen = &report.inspection;
    seen.result.as_ref()?;
    let parameters = seen.after_parameters.as_ref();
    Some(Work {
        parameters: parameters.or(seen.after_arguments.as_ref())?.clone(),
        timeout_seconds: match task.timeout {
            Some(Bound::Literal(seconds)) => Some(seconds),
            Some(Bound::Path(_) | Bound::Expression(_)) | None => None,
        },
    })
}

/// Makes the request. What comes of it stands for the task's work.
pub(super) async fn carry_out(
    shared: &Arc<Shared>,
    namespace: &str,
    work: &Work,
    reveals: bool,
) -> (Mock, Shown) {
    let own = work.timeout_seconds.map(u64::from).map(Duration::from_secs);
    let bound = own.unwrap_or(TEST).min(TEST);
    let mut exchange = Exchange::default();
    let timeout = own.unwrap_or(shared.outbound.timeout()).min(TEST) + Duration::from_secs(1);
    let request = http::perform(shared, namespace, &work.parameters, timeout, &mut exchange);
    let done = match tokio::time::timeout(bound, request).await {
        Ok(Ok(result)) => Mock::Result(result),
        Ok(Err(failure)) => Mock::Error(failure),
        Err(_elapsed) => Mock::Error(Failure {
            error: Some("States.Timeout".into()),
            cause: None,
        }),
    };
    (done, shown(&exchange, reveals))
}

fn shown(exchange: &Exchange, reveals: bool) -> Shown {
    let sent = exchange.sent.as_ref().filter(|_| reveals);
    let request = sent.or(exchange.plain.as_ref());
    let request = request.map(|request| request.shown());
    let protocol = request.as_ref().map(|request| request.protocol.clone());
    let answer = exchange.answer.as_ref();
    Shown {
        answer: answer.map(|answer| shown_answer(answer, protocol.unwrap_or_default())),
        request,
    }
}

fn shown_answer(answer: &Answer, protocol: String) -> ShownAnswer {
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    ShownAnswer {
        protocol,
        status_code: answer.status.as_u16().to_string(),
        status_message: answer.reason.clone(),
        headers: shown_headers(&answer.headers, &[]),
        body: (!body.is_empty()).then_some(body),
    }
}
