//! The endpoints for people and orchestrators: liveness, readiness, metrics, and a text at `/` that says what this
//! port speaks.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{Extensions, StatusCode, Uri, header};
use stepfleet_proto::Subject;
use tokio::sync::watch;

use crate::auth::{self, actions};
use crate::metrics::Metrics;
use crate::service::error::ApiError;

const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// AWS's names have no suffixes, which OpenMetrics asks for.
const AWS_METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether requests are worth sending here. Cheap to clone; anyone may set it.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    sender: Arc<watch::Sender<Ready>>,
}

/// What `/readyz` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    Yes,
    /// Recovery goes on, or a drain has begun: the text says which.
    No(&'static str),
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// Not ready: starting.
    pub(crate) fn new() -> Self {
        Self {
            sender: Arc::new(watch::Sender::new(Ready::No("starting"))),
        }
    }

    /// From now on.
    pub(crate) fn set(&self, ready: Ready) {
        self.sender.send_replace(ready);
    }

    /// Now.
    pub(crate) fn get(&self) -> Ready {
        self.sender.borrow().clone()
    }
}

#[derive(Clone)]
struct Endpoints {
    readiness: Readiness,
    metrics: Metrics,
}

/// `GET /`, `/livez`, `/readyz` and `/metrics`.
pub(crate) fn router(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/", get(root))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(render_metrics))
        .fallback(unknown)
        .with_state(Endpoints { readiness, metrics })
}

async fn root() -> String {
    format!(
        "This is Stepfleet {}.\n\n\
         This port speaks:\n\
         - the AWS Step Functions API: POST / (set the endpoint URL of any AWS SDK, the AWS CLI or Terraform to this \
         address)\n\
         - gRPC: the services of stepfleet.v1, with health and reflection\n\
         - GET /livez, /readyz and /metrics\n\n\
         Try: aws stepfunctions list-state-machines --endpoint-url <this address>\n",
        env!("CARGO_PKG_VERSION")
    )
}

async fn live() -> &'static str {
    "ok\n"
}

async fn ready(State(endpoints): State<Endpoints>) -> Response {
    match endpoints.readiness.get() {
        Ready::Yes => "ok\n".into_response(),
        Ready::No(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {why}\n"),
        )
            .into_response(),
    }
}

async fn render_metrics(
    State(endpoints): State<Endpoints>,
    uri: Uri,
    extensions: Extensions,
) -> Response {
    if let Err(refusal) = may_see_metrics(&extensions) {
        return (StatusCode::FORBIDDEN, format!("{}\n", refusal.message)).into_response();
    }
    let metrics = &endpoints.metrics;
    let (content_type, text) = match uri.query().unwrap_or_default() {
        "names=aws" => (AWS_METRICS_CONTENT_TYPE, metrics.render_aws()),
        "" | "names=prometheus" => (METRICS_CONTENT_TYPE, metrics.render()),
        _ => {
            let text = "the one parameter is `names`, `prometheus` or `aws`\n";
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}

/// They are about all accounts.
fn may_see_metrics(extensions: &Extensions) -> Result<(), ApiError> {
    let permit = auth::caller(extensions)?.permit;
    let kind = "coordinator";
    permit.check(actions::METRICS, Subject::All { kind })?;
    permit.check_operator("/metrics")
}

async fn unknown() -> Response {
    (
        StatusCode::NOT_FOUND,
        "nothing is served here; GET / says what is\n",
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::face::testing;

    async fn get(router: &Router, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_follows_what_was_set() {
        let readiness = Readiness::new();
        let router = router(readiness.clone(), Metrics::default());
        assert_eq!(get(&router, "/livez").await, (200, "ok\n".to_owned()));
        assert_eq!(
            get(&router, "/readyz").await,
            (503, "not ready: starting\n".to_owned())
        );
        readiness.set(Ready::Yes);
        assert_eq!(get(&router, "/readyz").await, (200, "ok\n".to_owned()));
        readiness.set(Ready::No("draining"));
        assert_eq!(
            get(&router, "/readyz").await,
            (503, "not ready: draining\n".to_owned())
        );
    }

    #[tokio::test]
    async fn the_root_says_what_this_is() {
        let router = testing::admitting(router(Readiness::new(), Metrics::default()));
        let (status, text) = get(&router, "/").await;
        assert!(
            status == 200 && text.starts_with("This is Stepfleet"),
            "{text}"
        );
        assert_eq!(get(&router, "/nothing").await.0, 404);
        assert!(get(&router, "/metrics").await.1.ends_with("# EOF\n"));
        let (status, text) = get(&router, "/metrics?names=aws").await;
        assert_eq!(status, 200);
        assert!(text.contains("\nOpenExecutionCount 0\n"), "{text}");
        assert_eq!(get(&router, "/metrics?names=other").await.0, 400);
    }
}
