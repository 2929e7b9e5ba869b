//! What tasks may call outside: how HTTP requests are made and to whom, connections, functions.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Secret, sources};

/// How tasks call HTTP endpoints, and which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    /// Whether loopback, private, link-local and other addresses that are nobody's on the Internet may be called.
    pub private_addresses: bool,
    /// Private addresses that may be called all the same: `10.1.0.0/16`.
    pub allow_addresses: Vec<IpNet>,
    /// Addresses that may never be called.
    pub deny_addresses: Vec<IpNet>,
    /// The only hosts that may be called, when there are any: `api.example.com`, `*.example.com`.
    pub allow_hosts: Vec<String>,
    /// Hosts that may never be called.
    pub deny_hosts: Vec<String>,
    /// Whether `http://` endpoints may be called.
    pub plain: bool,
    /// Certificates to believe beside those of the system. PEM.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ca: Option<PathBuf>,
    /// How long a request may take whose task has no `TimeoutSeconds`. Seconds.
    pub timeout_s: u64,
    /// Requests at once; more of them wait.
    pub requests_max: u32,
    /// Whether `TestState` shows what connections add to requests to callers who ask for it (`revealSecrets`).
    pub reveal_secrets: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            private_addresses: false,
            allow_addresses: Vec::new(),
            deny_addresses: Vec::new(),
            allow_hosts: Vec::new(),
            deny_hosts: Vec::new(),
            plain: false,
            ca: None,
            timeout_s: 60,
            requests_max: 1000,
            reveal_secrets: false,
        }
    }
}

/// What an `arn:aws:events:…:connection/<name>/<id>` stands for: what is added to requests that name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connection {
    pub name: String,
    /// The last part of its ARN; absent, any will do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// Account id whose executions may use it; absent is `arn.account`.
    #[serde(
        skip_serializing_if = "Option::is_none",
        default,
        deserialize_with = "sources::account_option"
    )]
    pub namespace: Option<String>,
    /// The only hosts that its secrets are sent to, when there are any.
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub api_key: Option<ApiKeyHeader>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub basic: Option<Basic>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oauth: Option<OAuth>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tls: Option<ConnectionTls>,
    #[serde(default)]
    pub parameters: Vec<Parameter>,
}

/// A header with a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyHeader {
    pub name: String,
    pub value: SecretText,
}

/// HTTP's basic authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Basic {
    pub username: String,
    pub password: SecretText,
}

/// OAuth client credentials (RFC 6749, 4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OAuth {
    /// Where tokens are fetched.
    pub endpoint: String,
    #[serde(default)]
    pub method: TokenMethod,
    pub client_id: String,
    pub client_secret: SecretText,
    /// Where id and secret stand in the request for a token.
    #[serde(default)]
    pub client_auth: OAuthClientAuth,
    /// Added to the request for a token.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum TokenMethod {
    Get,
    #[default]
    Post,
    Put,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OAuthClientAuth {
    /// The `Authorization` header.
    #[default]
    Basic,
    /// `client_id` and `client_secret` beside the grant type.
    Body,
}

/// TLS to the endpoints of a connection. PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionTls {
    /// The only certificates to believe.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ca: Option<PathBuf>,
    /// Shown to servers that ask for one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<PathBuf>,
}

/// One header, query parameter or member of the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameter {
    #[serde(rename = "in")]
    pub place: Place,
    pub name: String,
    pub value: SecretText,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    Header,
    Query,
    Body,
}

/// A secret, or where it stands. Read when the coordinator starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a text, { file = \"…\" } or { env = \"…\" } was expected"
)]
pub(crate) enum SecretText {
    Text(Secret),
    /// The file's text, without the line's end.
    File(InFile),
    /// An environment variable of the coordinator.
    Env(InEnv),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InFile {
    pub file: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InEnv {
    pub env: String,
}

/// What a Lambda function is here: an activity or an HTTP endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Function {
    /// `name`, or `name:qualifier` for one version or alias alone.
    pub name: String,
    /// Account id whose executions may call it; absent is `arn.account`.
    #[serde(
        skip_serializing_if = "Option::is_none",
        default,
        deserialize_with = "sources::account_option"
    )]
    pub namespace: Option<String>,
    /// Name of an activity of the same account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub activity: Option<String>,
    /// URL that the payload is posted to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub endpoint: Option<String>,
    /// Name of a connection for the endpoint.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub connection: Option<String>,
}
