//! The page behind a callback URL. Two forms, no script, nothing from elsewhere. It shows names alone: parameters may
//! hold what is not meant for whoever a link is passed on to.

use std::sync::LazyLock;

use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};
use stepfleet_asl::time::format_timestamp;
use stepfleet_engine::Timestamp;

use crate::service::tasks::Waits;

const STYLE: &str = "body{font-family:sans-serif;max-width:40em;margin:3em auto;padding:0 1em}\
textarea,input{width:100%;box-sizing:border-box;margin:.3em 0}form{margin:2em 0}";

/// Only the style above counts, and forms lead back here alone.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("base64 and plain words make a header")
});

/// Keeps what is below a callback URL out of caches, frames, referrers and indexes.
pub(super) async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::HeaderName::from_static("x-robots-tag"),
            "noindex, nofollow",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// The question. Its forms name the URL's last part, so that they lead right behind a proxy that adds a path.
pub(super) fn question(grant: &str, waits: &Waits, expires_at: Timestamp) -> Response {
    let (grant, until) = (escape(grant), format_timestamp(expires_at.0));
    let [machine, execution, state] =
        [&waits.machine, &waits.execution, &waits.state].map(|name| escape(name));
    let body = format!(
        "<h1>{state}</h1>\n\
         <p>The execution <b>{execution}</b> of <b>{machine}</b> waits for an answer. It can be given once, until {until}.</p>\n\
         <form method=\"post\" action=\"{grant}/approve\">\n\
         <label>Output (JSON, may stay empty)<textarea name=\"output\" rows=\"4\"></textarea></label>\n\
         <button>Approve</button>\n</form>\n\
         <form method=\"post\" action=\"{grant}/reject\">\n\
         <label>Reason (may stay empty)<input name=\"cause\"></label>\n\
         <button>Reject</button>\n</form>\n"
    );
    page(StatusCode::OK, &state, &body)
}

/// One sentence.
pub(super) fn word(status: StatusCode, text: &str) -> Response {
    page(status, "Callback", &format!("<p>{}</p>\n", escape(text)))
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n{body}</html>\n"
    );
    (status, Html(text)).into_response()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
