//! The middleware: looks at a request's head alone, before any body is read, and answers refusals in the words of the
//! protocol that the request speaks.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{Extensions, HeaderValue, Method, StatusCode, header};

use super::Authenticator;
use crate::net::{Peer, is_grpc};
use crate::service::api::Caller;
use crate::service::error::{ApiError, ErrorCode};

/// Paths that orchestrators ask without credentials. They tell nothing but "alive" and "ready".
const OPEN_PATHS: [&str; 4] = [
    "/livez",
    "/readyz",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
];

/// Puts the [`Caller`] into the request, or answers with the refusal.
pub(crate) async fn require(
    State(authenticator): State<Authenticator>,
    mut request: Request,
    next: Next,
) -> Response {
    if OPEN_PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>();
    match authenticator.authenticate(request.headers(), peer) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => refusal(&request, &error),
    }
}

/// The caller of a request that has passed [`require`].
///
/// # Errors
/// `MissingAuthenticationToken` when it has not: a route that was built without the middleware stays shut.
pub(crate) fn caller(extensions: &Extensions) -> Result<Caller, ApiError> {
    extensions.get::<Caller>().cloned().ok_or_else(|| {
        ApiError::new(
            ErrorCode::MissingAuthenticationToken,
            "Missing Authentication Token: this request has no caller",
        )
    })
}

fn refusal(request: &Request, error: &ApiError) -> Response {
    if is_grpc(request.headers()) {
        return crate::rpc::status(error).into_http::<Body>();
    }
    if request.method() == Method::POST && request.uri().path() == "/" {
        return crate::aws::error_response(error);
    }
    let mut response = (StatusCode::UNAUTHORIZED, format!("{}\n", error.message)).into_response();
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"stepfleet\""),
    );
    response
}
