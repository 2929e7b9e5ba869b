//! Callback URLs: plain HTTP that completes one task, for people and partners without any client. The URL is the
//! credential, so nothing else is asked for; it is judged before a body is read, and no answer tells more than whether
//! it worked. Only a POST does anything: previews of links and scanners of mail send GET and HEAD.

mod page;
pub(crate) mod revoked;
mod strangers;
#[cfg(test)]
mod tests;
mod visit;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use stepfleet_asl::Payload;
use stepfleet_engine::{TaskRef, Timestamp};
use tokio::sync::Semaphore;

use crate::auth::actions::VIEW;
use crate::config;
use crate::partition::desk::stop_failure;
use crate::partition::message::Outcome;
use crate::service::Service;
use crate::service::error::{ApiError, ErrorCode};
use crate::token::{Grant, TokenKeys};

use strangers::Strangers;
use visit::Visit;

/// Below here no caller is asked for.
pub(crate) const PATH: &str = "/callbacks/";
/// Requests with a true URL at once; more are told to try again. Others cost one decryption and hold nothing.
const REQUESTS_MAX: usize = 64;
/// For the whole body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A failure's body: the longest error and cause, escaped.
const FAILURE_BYTES_MAX: usize = 256 << 10;
/// As `SendTaskFailure` has it. Characters.
const ERROR_CHARS_MAX: usize = 256;
const CAUSE_CHARS_MAX: usize = 32_768;
/// The error of a task that a person rejects.
const REJECTED: &str = "Rejected";

/// Makes URLs.
#[derive(Debug)]
pub(crate) struct Callbacks {
    base: String,
    expiry_ms: i64,
}

impl Callbacks {
    /// None without an address.
    pub(crate) fn of(config: &config::Callbacks) -> Option<Self> {
        let url = config.url.as_deref()?;
        Some(Self {
            base: format!("{}{PATH}", url.trim_end_matches('/')),
            expiry_ms: i64::from(config.expiry_hours) * 3_600_000,
        })
    }

    /// The URL of a task that is scheduled now.
    pub(crate) fn url(
        &self,
        keys: &TokenKeys,
        task: &TaskRef,
        namespace: &Arc<str>,
        now: Timestamp,
    ) -> Option<String> {
        let grant = Grant {
            task: *task,
            namespace: namespace.clone(),
            expires_at: Timestamp(now.0.saturating_add(self.expiry_ms)),
        };
        Some(format!("{}{}", self.base, keys.seal_grant(&grant)?))
    }
}

/// What serves the URLs.
struct Desk {
    service: Service,
    turns: Semaphore,
    strangers: Arc<Strangers>,
}

/// Why a request did nothing.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    status: StatusCode,
    text: &'static str,
}

type Answer = Result<&'static str, Refusal>;

/// `/callbacks/…`. It lets everybody in.
pub(crate) fn router(service: Service) -> Router {
    let desk = Desk {
        service,
        turns: Semaphore::new(REQUESTS_MAX),
        strangers: Arc::default(),
    };
    Router::new()
        .route("/callbacks/{grant}", get(show))
        .route("/callbacks/{grant}/success", post(succeed))
        .route("/callbacks/{grant}/failure", post(fail))
        .route("/callbacks/{grant}/heartbeat", post(heartbeat))
        .route("/callbacks/{grant}/approve", post(approve))
        .route("/callbacks/{grant}/reject", post(reject))
        .layer(map_response(page::guard))
        .with_state(Arc::new(desk))
}

async fn show(State(desk): State<Arc<Desk>>, visit: Visit) -> Response {
    match desk.show(&visit).await {
        Ok(page) => page,
        Err(refusal) => in_page(Err(refusal)),
    }
}

async fn succeed(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let bound = desk.payload_bytes_max();
    in_text(
        desk.complete(&visit, (&headers, body), bound, success)
            .await,
    )
}

async fn fail(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let given = (&headers, body);
    in_text(
        desk.complete(&visit, given, FAILURE_BYTES_MAX, failure)
            .await,
    )
}

async fn heartbeat(State(desk): State<Arc<Desk>>, visit: Visit) -> Response {
    in_text(desk.beat(&visit).await)
}

/// The first form of the page.
async fn approve(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let bound = desk.payload_bytes_max();
    let read = |body: &[u8]| {
        let output = field(body, "output");
        if output.len() > bound {
            return Err(TOO_LARGE);
        }
        success(output.as_bytes())
    };
    // A form may write each byte as three, and the field's name beside.
    let form_bound = bound.saturating_mul(3).saturating_add(64);
    let answer = desk.complete(&visit, (&headers, body), form_bound, read);
    in_page(answer.await)
}

/// The second form of the page.
async fn reject(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let read = |body: &[u8]| {
        let cause = Some(field(body, "cause")).filter(|cause| !cause.is_empty());
        Failed {
            error: Some(REJECTED.to_owned()),
            cause,
        }
        .outcome()
    };
    let answer = desk.complete(&visit, (&headers, body), FAILURE_BYTES_MAX, read);
    in_page(answer.await)
}

const UNKNOWN: Refusal = Refusal {
    status: StatusCode::NOT_FOUND,
    text: "There is no such callback.",
};
const OVER: Refusal = Refusal {
    status: StatusCode::GONE,
    text: "This callback is over: it was answered before, its task has ended, or the link has expired or was revoked.",
};
const TOO_LARGE: Refusal = Refusal {
    status: StatusCode::PAYLOAD_TOO_LARGE,
    text: "The answer is too large.",
};
const BUSY: Refusal = Refusal {
    status: StatusCode::TOO_MANY_REQUESTS,
    text: "Too many callbacks come at once; try again.",
};
const SLOW: Refusal = Refusal {
    status: StatusCode::REQUEST_TIMEOUT,
    text: "The answer did not arrive in time.",
};
const UNAVAILABLE: Refusal = Refusal {
    status: StatusCode::SERVICE_UNAVAILABLE,
    text: "The answer cannot be taken now; try again.",
};

const fn malformed(text: &'static str) -> Refusal {
    Refusal {
        status: StatusCode::BAD_REQUEST,
        text,
    }
}

impl Desk {
    fn payload_bytes_max(&self) -> usize {
        self.service.shared.limits.payload_bytes_max
    }

    fn open(&self, text: &str) -> Result<Grant, Refusal> {
        let shared = &self.service.shared;
        let grant = shared.tokens.open_grant(text).ok_or(UNKNOWN)?;
        if shared.clock.now() >= grant.expires_at || revoked::is_revoked(shared, text) {
            return Err(OVER);
        }
        Ok(grant)
    }

    async fn show(&self, visit: &Visit) -> Result<Response, Refusal> {
        self.told(visit, self.waits(visit).await)
    }

    async fn beat(&self, visit: &Visit) -> Answer {
        let beat = async {
            let grant = self.open(&visit.text)?;
            let _turn = self.turns.try_acquire().map_err(|_none| BUSY)?;
            self.report(visit, &grant, Outcome::Heartbeat(None)).await?;
            Ok("The task goes on waiting.")
        };
        self.told(visit, beat.await)
    }

    async fn complete(
        &self,
        visit: &Visit,
        (headers, body): (&HeaderMap, Body),
        bytes_max: usize,
        read: impl FnOnce(&[u8]) -> Result<Outcome, Refusal>,
    ) -> Answer {
        let complete = async {
            let grant = self.open(&visit.text)?;
            let _turn = self.turns.try_acquire().map_err(|_none| BUSY)?;
            let outcome = read(&whole(headers, body, bytes_max).await?)?;
            self.report(visit, &grant, outcome).await?;
            Ok("Done: the answer was taken.")
        };
        self.told(visit, complete.await)
    }

    async fn waits(&self, visit: &Visit) -> Result<Response, Refusal> {
        let grant = self.open(&visit.text)?;
        let _turn = self.turns.try_acquire().map_err(|_none| BUSY)?;
        let found = self.service.waiting_for(&grant).await.map_err(refused)?;
        let waits = found.ok_or(OVER)?;
        let caller = visit.caller(&self.service.shared.access, &grant);
        let seen = caller
            .permit
            .check_task(VIEW, &waits.machine_arn, &waits.execution_arn);
        seen.map_err(refused)?;
        Ok(page::question(&visit.text, &waits, grant.expires_at))
    }

    async fn report(&self, visit: &Visit, grant: &Grant, outcome: Outcome) -> Result<(), Refusal> {
        // Between its head and the end of its body.
        if revoked::is_revoked(&self.service.shared, &visit.text) {
            return Err(OVER);
        }
        let caller = visit.caller(&self.service.shared.access, grant);
        let reported = self.service.report(&caller, grant.task, outcome);
        reported.await.map_err(refused)
    }

    /// Lets the audit log know of what opened nothing; what did stands in it from where its task is known.
    fn told<T>(&self, visit: &Visit, answer: Result<T, Refusal>) -> Result<T, Refusal> {
        answer.inspect_err(|refusal| match refusal.status {
            StatusCode::NOT_FOUND => self.tell_of_stranger(visit, refusal),
            StatusCode::GONE => visit.refused(&self.service.shared.access, refusal),
            _ => {}
        })
    }

    fn tell_of_stranger(&self, visit: &Visit, refusal: &Refusal) {
        let shared = self.service.shared.clone();
        if !shared.access.audit.is_on() || !self.strangers.come() {
            return;
        }
        visit.refused(&shared.access, refusal);
        let strangers = self.strangers.clone();
        crate::task::spawn("callbacks that are none", async move {
            let count = strangers.followed(&shared).await;
            if count > 0 {
                visit::followed(&shared.access, count);
            }
        });
    }
}

async fn whole(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, Refusal> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(TOO_LARGE);
    }
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(TOO_LARGE),
        Ok(Err(_)) => Err(malformed("The answer broke off.")),
        Err(_) => Err(SLOW),
    }
}

/// An output; nothing is `{}`.
fn success(body: &[u8]) -> Result<Outcome, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_error| malformed("The output is no UTF-8."))?;
    let text = if text.trim().is_empty() { "{}" } else { text };
    let output = Payload::parse(text).map_err(|_error| malformed("The output is no JSON."))?;
    Ok(Outcome::Succeeded(output))
}

/// The body of `/failure`; nothing is a failure without a name.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    error: Option<String>,
    cause: Option<String>,
}

fn failure(body: &[u8]) -> Result<Outcome, Refusal> {
    let failed: Failed = if body.trim_ascii().is_empty() {
        Failed::default()
    } else {
        let wanted = malformed("A failure is JSON with the texts `error` and `cause`.");
        serde_json::from_slice(body).map_err(|_error| wanted)?
    };
    failed.outcome()
}

impl Failed {
    fn outcome(self) -> Result<Outcome, Refusal> {
        let is_longer = |text: &Option<String>, max: usize| {
            text.as_ref().is_some_and(|text| text.chars().count() > max)
        };
        if is_longer(&self.error, ERROR_CHARS_MAX) || is_longer(&self.cause, CAUSE_CHARS_MAX) {
            return Err(malformed(
                "`error` has at most 256 characters and `cause` 32768.",
            ));
        }
        Ok(Outcome::Failed(stop_failure(self.error, self.cause)))
    }
}

/// A field of a form.
fn field(body: &[u8], name: &str) -> String {
    form_urlencoded::parse(body)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Whatever else the coordinator says stays with its log.
fn refused(error: ApiError) -> Refusal {
    if matches!(
        error.code,
        ErrorCode::TaskTimedOut | ErrorCode::TaskDoesNotExist
    ) {
        return OVER;
    }
    tracing::warn!(code = error.code.as_str(), "a callback was not taken");
    UNAVAILABLE
}

fn in_text(answer: Answer) -> Response {
    match answer {
        Ok(text) => format!("{text}\n").into_response(),
        Err(Refusal { status, text }) => (status, format!("{text}\n")).into_response(),
    }
}

fn in_page(answer: Answer) -> Response {
    match answer {
        Ok(text) => page::word(StatusCode::OK, text),
        Err(Refusal { status, text }) => page::word(status, text),
    }
}
