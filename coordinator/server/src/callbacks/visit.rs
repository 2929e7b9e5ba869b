//! Whoever comes with a callback URL: what they show, where from, and what the audit log is told of it. The log knows a
//! URL by a hash, so that its lines belong together and open nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use stepfleet_engine::Timestamp;

use super::{Refusal, revoked};
use crate::auth::audit::Record;
use crate::auth::{Access, Permit};
use crate::net::Peer;
use crate::service::api::Caller;
use crate::token::Grant;

/// Principal of whoever has a URL.
const PRINCIPAL: &str = "callback-url";

/// See the module.
#[derive(Debug)]
pub(super) struct Visit {
    /// The URL's secret part.
    pub(super) text: String,
    from: Option<SocketAddr>,
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|rejection| rejection.into_response())?;
        let from = parts.extensions.get::<Peer>().map(|peer| peer.address);
        Ok(Self { text, from })
    }
}

#[cfg(test)]
impl Visit {
    /// From nowhere.
    pub(super) fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            from: None,
        }
    }
}

impl Visit {
    /// Who this is to the rest of the coordinator.
    pub(super) fn caller(&self, access: &Arc<Access>, grant: &Grant) -> Caller {
        let namespace = grant.namespace.clone();
        let permit = Permit::by_url(access, PRINCIPAL.into(), namespace.clone(), self.known_as());
        Caller {
            permit: permit.from(self.from),
            ..Caller::trusted(PRINCIPAL, namespace)
        }
    }

    /// Writes down that a URL opened nothing.
    pub(super) fn refused(&self, access: &Access, refusal: &Refusal) {
        access.audit.write(|at| Record {
            credential: Some(self.known_as()),
            from: self.from,
            ..refusal_at(at, refusal.text.to_owned())
        });
    }

    fn known_as(&self) -> Arc<str> {
        revoked::known_as(&self.text)
    }
}

/// Writes down how many came with what is no URL, after one that has a line of its own.
pub(super) fn followed(access: &Access, count: u64) {
    let reason = format!("There are no such callbacks: {count} more within a minute.");
    access.audit.write(|at| refusal_at(at, reason));
}

fn refusal_at(at: Timestamp, reason: String) -> Record {
    Record {
        at,
        principal: PRINCIPAL.into(),
        namespace: "".into(),
        credential: None,
        from: None,
        action: None,
        resource: None,
        execution: None,
        decision: "refused",
        reason: Some(reason),
    }
}
