//! Credentials and policies as they are stored, below `credential/<namespace>/<name>` and `policy/<namespace>/<name>`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepfleet_engine::Timestamp;

/// What a credential's secret is, and how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    ApiKey,
    AccessKey,
}

/// A credential that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CredentialRecord {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub kind: Kind,
    pub policies: Vec<Arc<str>>,
    pub created_at: i64,
    /// The principal that issued it.
    pub issued_by: Arc<str>,
    #[serde(default)]
    pub expires_at: Option<i64>,
    #[serde(default)]
    pub revoked_at: Option<i64>,
    /// As it was written down last, which happens from time to time.
    #[serde(default)]
    pub used_at: Option<i64>,
    /// The newest, and before it what it replaces.
    pub secrets: Vec<SecretRecord>,
}

/// One secret of a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretRecord {
    /// By which it is found; no secret.
    pub id: String,
    pub proof: Proof,
    /// When another replaces it; the newest has no end of its own.
    #[serde(default)]
    pub until: Option<i64>,
}

/// What a secret is held against.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Proof {
    /// SHA-256 of an API key, hexadecimal.
    Sha256(String),
    /// The secret of an access key: a signature can be verified with nothing else. Stored so by the first releases.
    Secret(String),
    /// The same, by which key it is sealed and how.
    Sealed(String),
}

/// A policy that was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    /// As it was written.
    pub document: String,
    pub updated_at: i64,
}

impl CredentialRecord {
    pub(crate) fn key(&self) -> String {
        credential_key(&self.namespace, &self.name)
    }

    /// When it ends or has ended as a whole, if it does.
    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        let ends = [self.expires_at, self.revoked_at];
        ends.into_iter().flatten().min().map(Timestamp)
    }

    /// When one of its secrets ends, if it does; none for a secret that it does not have.
    pub(crate) fn secret_ends_at(&self, id: &str) -> Option<Option<Timestamp>> {
        let secret = self.secrets.iter().find(|secret| secret.id == id)?;
        let ends = [self.ends_at(), secret.until.map(Timestamp)];
        Some(ends.into_iter().flatten().min())
    }
}

pub(crate) fn credential_key(namespace: &str, name: &str) -> String {
    format!("credential/{namespace}/{name}")
}

pub(crate) fn policy_key(namespace: &str, name: &str) -> String {
    format!("policy/{namespace}/{name}")
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
