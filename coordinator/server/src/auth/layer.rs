//! The middleware: looks at a request's head, before any body is read but that of a signed request whose key is known,
//! and answers refusals in the words of the protocol that the request speaks.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{Extensions, HeaderValue, Method, StatusCode, header};

use super::{Authenticator, Verdict};
use crate::aws;
use crate::callbacks;
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
    // A callback URL is a credential of its own, and checked where it is served.
    let path = request.uri().path();
    let is_callback = path.starts_with(callbacks::PATH) && !is_grpc(request.headers());
    if is_callback || OPEN_PATHS.contains(&path) {
        return next.run(request).await;
    }
    if is_aws(&request) && is_presigned(&request) {
        let message =
            "Presigned requests are not taken: send the signature in the Authorization header";
        return refusal(
            &request,
            &ApiError::new(ErrorCode::IncompleteSignature, message),
        );
    }
    let peer = request.extensions().get::<Peer>();
    match authenticator.authenticate(request.headers(), peer) {
        Ok(Verdict::Admitted(caller)) => {
            let caller = coming_from(caller, request.extensions());
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Ok(Verdict::IfIssued(token)) => match authenticator.identify(&token).await {
            Ok(caller) => {
                let caller = coming_from(caller, request.extensions());
                request.extensions_mut().insert(caller);
                next.run(request).await
            }
            Err(error) => {
                authenticator.refused(address(request.extensions()), &error);
                refusal(&request, &error)
            }
        },
        Ok(Verdict::IfSigned) if is_aws(&request) => signed(&authenticator, request, next).await,
        Ok(Verdict::IfSigned) => {
            let message = "AWS signatures are taken at `POST /` alone: send `Authorization: Bearer <API key>` or connect \
                           with a client certificate";
            let error = ApiError::new(ErrorCode::MissingAuthenticationTokenException, message);
            authenticator.refused(address(request.extensions()), &error);
            refusal(&request, &error)
        }
        Err(error) => {
            authenticator.refused(address(request.extensions()), &error);
            refusal(&request, &error)
        }
    }
}

/// Reads the body of a signed request, which its signature is about.
async fn signed(authenticator: &Authenticator, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let body = match aws::read(&head.headers, body, authenticator.request_bytes_max()).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    match authenticator.verify(&head, &body) {
        Ok(caller) => {
            let caller = coming_from(caller, &head.extensions);
            head.extensions.insert(caller);
            next.run(Request::from_parts(head, Body::from(body))).await
        }
        Err(error) => {
            authenticator.refused(address(&head.extensions), &error);
            aws::error_response(&error)
        }
    }
}

fn address(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get::<Peer>().map(|peer| peer.address)
}

fn coming_from(caller: Caller, extensions: &Extensions) -> Caller {
    Caller {
        permit: caller.permit.from(address(extensions)),
        ..caller
    }
}

fn is_aws(request: &Request) -> bool {
    request.method() == Method::POST && request.uri().path() == "/"
}

/// Signed in its query. No SDK sends this for an operation that is a POST.
fn is_presigned(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query
        .split('&')
        .any(|pair| pair.starts_with("X-Amz-Signature=") || pair.starts_with("X-Amz-Algorithm="))
}

/// The caller of a request that has passed [`require`].
///
/// # Errors
/// `MissingAuthenticationTokenException` when it has not: a route that was built without the middleware stays shut.
pub(crate) fn caller(extensions: &Extensions) -> Result<Caller, ApiError> {
    extensions.get::<Caller>().cloned().ok_or_else(|| {
        ApiError::new(
            ErrorCode::MissingAuthenticationTokenException,
            "Missing Authentication Token: this request has no caller",
        )
    })
}

fn refusal(request: &Request, error: &ApiError) -> Response {
    if is_grpc(request.headers()) {
        return crate::rpc::status(error).into_http::<Body>();
    }
    if is_aws(request) {
        return aws::error_response(error);
    }
    let mut response = (StatusCode::UNAUTHORIZED, format!("{}\n", error.message)).into_response();
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"stepfleet\""),
    );
    response
}
