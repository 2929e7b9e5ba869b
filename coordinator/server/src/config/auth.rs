//! Settings of who may call, and what: keys, certificates, policies.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Who may call. Without keys and without client certificates everybody may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    #[serde(default)]
    pub keys: Vec<ApiKey>,
    /// Whose AWS signatures are right.
    #[serde(default)]
    pub access_keys: Vec<AccessKey>,
    /// A file with more of them, so that the rest of the configuration need not be secret.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub access_keys_file: Option<PathBuf>,
    /// What stood in that file.
    #[serde(skip)]
    pub access_keys_filed: Vec<AccessKey>,
    /// A file with the key that seals the secrets of issued access keys: 64 hexadecimal digits, and below them those that
    /// it replaces. Absent keeps the key in the data folder.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seal_key_file: Option<PathBuf>,
    /// What owners of client certificates may do: the first rule that takes a certificate's name counts.
    #[serde(default)]
    pub certificates: Vec<Certificates>,
    /// Identity providers whose tokens are believed.
    #[serde(default)]
    pub issuers: Vec<Issuer>,
    /// Policies for every account, beside the ready-made ones and those that are put by the command line.
    #[serde(default)]
    pub policies: Vec<Policy>,
    /// How far the time of a signed request may be from ours, either way.
    #[serde(default = "skew_minutes_max")]
    pub skew_minutes_max: u32,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            access_keys: Vec::new(),
            access_keys_file: None,
            access_keys_filed: Vec::new(),
            seal_key_file: None,
            certificates: Vec::new(),
            issuers: Vec::new(),
            policies: Vec::new(),
            skew_minutes_max: skew_minutes_max(),
        }
    }
}

impl Auth {
    /// The access keys, wherever they were written.
    pub(crate) fn all_access_keys(&self) -> impl Iterator<Item = &AccessKey> {
        self.access_keys.iter().chain(&self.access_keys_filed)
    }
}

/// As AWS has it.
fn skew_minutes_max() -> u32 {
    5
}

/// What the owner of a key or certificate may do, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rights {
    /// Names of policies. Without any it may do nothing.
    #[serde(default)]
    pub policies: Vec<String>,
    /// Account id of the ARNs that it may touch; absent is `arn.account`.
    #[serde(
        skip_serializing_if = "Option::is_none",
        default,
        deserialize_with = "super::sources::account_option"
    )]
    pub namespace: Option<String>,
}

/// An AWS access key: what SDKs sign with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessKey {
    /// `aws_access_key_id`.
    pub id: String,
    /// Whose it is, which two keys may say while one replaces the other; absent is the id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// `aws_secret_access_key`. A signature can be verified with the secret itself only.
    pub secret: Secret,
    #[serde(flatten)]
    pub rights: Rights,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

/// One API key, known by its hash alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKey {
    /// The principal that the key stands for.
    pub name: String,
    /// SHA-256 of the key, 64 hexadecimal digits. Keys are long and random, so a plain hash is enough.
    pub sha256: String,
    #[serde(flatten)]
    pub rights: Rights,
}

/// An identity provider whose tokens (JWT) are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    /// What its principals' names begin with: `<name>:<subject>`.
    pub name: String,
    /// `iss` of its tokens.
    pub issuer: String,
    /// One that `aud` of a token must have.
    pub audience: String,
    /// Where its keys are; absent asks `<issuer>/.well-known/openid-configuration`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jwks_url: Option<String>,
    #[serde(default = "issuer_algorithms")]
    pub algorithms: Vec<String>,
    #[serde(default = "principal_claim")]
    pub principal_claim: String,
    /// A claim that names policies.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policies_claim: Option<String>,
    /// Those that it may name; others count for nothing.
    #[serde(default)]
    pub policies_allowed: Vec<String>,
    /// Account id of the ARNs that its principals may touch; absent is `arn.account`.
    #[serde(
        skip_serializing_if = "Option::is_none",
        default,
        deserialize_with = "super::sources::account_option"
    )]
    pub namespace: Option<String>,
    /// Policies by what claims say.
    #[serde(default)]
    pub rules: Vec<IssuerRule>,
}

/// Whose claim is this value, or has it among others, has these policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerRule {
    pub claim: String,
    pub value: String,
    pub policies: Vec<String>,
}

fn issuer_algorithms() -> Vec<String> {
    vec!["RS256".to_owned(), "ES256".to_owned()]
}

fn principal_claim() -> String {
    "sub".to_owned()
}

/// Client certificates by their name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificates {
    /// The name that a certificate stands for, with `*` and `?`.
    pub name: String,
    #[serde(flatten)]
    pub rights: Rights,
}

/// A policy that stands in the configuration, or in a file that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    pub name: String,
    /// JSON text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub document: Option<String>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<PathBuf>,
}
