//! One port, two kinds of requests: what says `application/grpc` goes to the gRPC services, everything else to the
//! web routes. Paths cannot decide, because each side answers unknown paths in its own words.

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, header};
use tower::ServiceExt as _;

/// One router over both.
pub(crate) fn dispatch(grpc: Router, web: Router) -> Router {
    Router::new().fallback(move |request: Request| {
        let router = if is_grpc(request.headers()) {
            grpc.clone()
        } else {
            web.clone()
        };
        answer(router, request)
    })
}

/// Whether a request speaks gRPC, by its content type.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

async fn answer(router: Router, request: Request) -> Response {
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
