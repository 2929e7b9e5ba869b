//! The connections of the configuration: what is added to requests that name one. Their secrets are read at start, and
//! leave this module in requests alone: no error, log line or `Debug` text has them.

mod oauth;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use stepfleet_engine::Timestamp;
use stepfleet_engine::event::Failure;

use crate::config::outbound::{self as settings, Place, SecretText};
use crate::config::{Config, Secret};
use crate::outbound::address::is_one_of;
use crate::outbound::{Client, Outbound, TlsFault};
use oauth::OAuth;

pub(crate) use oauth::Token;

/// Reads an environment variable.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// All of them, by account and name.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    by_name: BTreeMap<(String, String), Arc<Connection>>,
    revealed: bool,
}

/// One connection.
pub(crate) struct Connection {
    name: String,
    id: Option<String>,
    hosts: Vec<String>,
    fixed: Additions,
    oauth: Option<OAuth>,
    client: Option<Client>,
}

/// What a connection adds to a request. Its values win over the request's own.
#[derive(Clone, Default)]
pub(crate) struct Additions {
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub query: Vec<(String, String)>,
    pub body: Vec<(String, String)>,
}

/// Why the connections cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionFault {
    #[error("{what} of `{connection}`: cannot read {}: {source}", path.display())]
    File {
        connection: String,
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{what} of `{connection}`: the environment variable {variable} is not set")]
    Variable {
        connection: String,
        what: &'static str,
        variable: String,
    },
    #[error("{what} of `{connection}` has characters that no header may have")]
    Header {
        connection: String,
        what: &'static str,
    },
    #[error("tls of `{connection}`: {fault}")]
    Tls { connection: String, fault: TlsFault },
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Additions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Additions")
    }
}

impl Connections {
    /// Reads what a checked configuration tells of.
    ///
    /// # Errors
    /// A secret cannot be read, or is nothing that a request can carry.
    pub(crate) fn open(
        config: &Config,
        outbound: &Outbound,
        environment: Environment<'_>,
    ) -> Result<Self, ConnectionFault> {
        let mut by_name = BTreeMap::new();
        for connection in config.all_connections() {
            let namespace = config.namespace_of(connection.namespace.as_deref());
            let key = (namespace.to_owned(), connection.name.clone());
            let opened = Connection::open(connection, outbound, environment)?;
            by_name.insert(key, Arc::new(opened));
        }
        Ok(Self {
            by_name,
            revealed: config.http.reveal_secrets,
        })
    }

    /// Whether tests of states may show what connections add.
    pub(crate) fn may_be_revealed(&self) -> bool {
        self.revealed
    }

    /// The connection that a task of this account names by its ARN.
    ///
    /// # Errors
    /// There is none, or it is another account's; as the task's failure.
    pub(crate) fn by_arn(&self, namespace: &str, arn: &str) -> Result<Arc<Connection>, Failure> {
        let Some((account, name, id)) = parse(arn) else {
            let why = format!("'{arn}' is not the ARN of a connection.");
            return Err(unusable("ResourceNotFound", why));
        };
        if account != namespace {
            let why = format!("The connection {arn} belongs to another account.");
            return Err(unusable("AccessDenied", why));
        }
        let found = self.by_name(namespace, name).filter(|connection| {
            let (ours, theirs) = (connection.id.as_deref(), id);
            ours.is_none() || theirs.is_none() || ours == theirs
        });
        found.ok_or_else(|| {
            let why = format!("The connection {arn} does not exist.");
            unusable("ResourceNotFound", why)
        })
    }

    /// The connection of an account by its name.
    pub(crate) fn by_name(&self, namespace: &str, name: &str) -> Option<Arc<Connection>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.by_name.get(&key).cloned()
    }
}

impl Connection {
    fn open(
        connection: &settings::Connection,
        outbound: &Outbound,
        environment: Environment<'_>,
    ) -> Result<Self, ConnectionFault> {
        let reader = Reader {
            connection: &connection.name,
            environment,
        };
        let mut fixed = reader.parameters(&connection.parameters)?;
        if let Some(key) = &connection.api_key {
            let value = reader.text("api_key.value", &key.value)?;
            let header = reader.header("api_key", &key.name, &value)?;
            fixed.headers.push(header);
        }
        if let Some(basic) = &connection.basic {
            let password = reader.text("basic.password", &basic.password)?;
            let value = basic_value(&basic.username, &password);
            let header = reader.header("basic", AUTHORIZATION.as_str(), &value)?;
            fixed.headers.push(header);
        }
        let oauth = connection.oauth.as_ref();
        let tls = connection.tls.as_ref();
        let client = tls.map(|tls| outbound.client_with(tls)).transpose();
        Ok(Self {
            name: connection.name.clone(),
            id: connection.id.clone(),
            hosts: connection.hosts.clone(),
            fixed,
            oauth: oauth.map(|oauth| OAuth::open(oauth, &reader)).transpose()?,
            client: client.map_err(|fault| ConnectionFault::Tls {
                connection: connection.name.clone(),
                fault,
            })?,
        })
    }

    /// The client whose TLS is this connection's.
    pub(crate) fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    /// Refuses to send secrets to a host that is none of the connection's.
    ///
    /// # Errors
    /// As the task's failure.
    pub(crate) fn check_host(&self, host: &str) -> Result<(), Failure> {
        if self.hosts.is_empty() || is_one_of(&self.hosts, host) {
            return Ok(());
        }
        let why = format!("The connection {} is not for the host {host}.", self.name);
        Err(unusable("AccessDenied", why))
    }

    /// What is added to a request now; a token is fetched when there is none. It is told beside, so that it can be
    /// given up.
    ///
    /// # Errors
    /// No token is to be had; as the task's failure.
    pub(crate) async fn additions(
        &self,
        outbound: &Outbound,
        now: &(dyn Fn() -> Timestamp + Sync),
    ) -> Result<(Additions, Option<Token>), Failure> {
        let mut additions = self.fixed.clone();
        let Some(oauth) = &self.oauth else {
            return Ok((additions, None));
        };
        let token = oauth
            .token(outbound, self.client(), now)
            .await
            .map_err(|error| error.of(&self.name))?;
        additions.headers.push((AUTHORIZATION, token.value.clone()));
        Ok((additions, Some(token)))
    }

    /// A token was refused: the next request gets another one.
    pub(crate) async fn give_up(&self, token: &Token) {
        if let Some(oauth) = &self.oauth {
            oauth.give_up(token).await;
        }
    }
}

/// Reads secrets, and names them in faults.
struct Reader<'a> {
    connection: &'a str,
    environment: Environment<'a>,
}

impl Reader<'_> {
    fn text(&self, what: &'static str, secret: &SecretText) -> Result<String, ConnectionFault> {
        let connection = || self.connection.to_owned();
        match secret {
            SecretText::Text(Secret(text)) => Ok(text.clone()),
            SecretText::File(place) => std::fs::read_to_string(&place.file)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|source| ConnectionFault::File {
                    connection: connection(),
                    what,
                    path: place.file.clone(),
                    source,
                }),
            SecretText::Env(place) => {
                (self.environment)(&place.env).ok_or_else(|| ConnectionFault::Variable {
                    connection: connection(),
                    what,
                    variable: place.env.clone(),
                })
            }
        }
    }

    fn header(
        &self,
        what: &'static str,
        name: &str,
        value: &str,
    ) -> Result<(HeaderName, HeaderValue), ConnectionFault> {
        let fault = || ConnectionFault::Header {
            connection: self.connection.to_owned(),
            what,
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| fault())?;
        Ok((name, sensitive(value).ok_or_else(fault)?))
    }

    fn parameters(&self, parameters: &[settings::Parameter]) -> Result<Additions, ConnectionFault> {
        let mut additions = Additions::default();
        for parameter in parameters {
            let value = self.text("a parameter", &parameter.value)?;
            match parameter.place {
                Place::Header => {
                    let header = self.header("a parameter", &parameter.name, &value)?;
                    additions.headers.push(header);
                }
                Place::Query => additions.query.push((parameter.name.clone(), value)),
                Place::Body => additions.body.push((parameter.name.clone(), value)),
            }
        }
        Ok(additions)
    }
}

/// A failure that AWS has for connections.
fn unusable(kind: &str, why: String) -> Failure {
    Failure {
        error: Some(format!("Events.ConnectionResource.{kind}").into()),
        cause: Some(why.into()),
    }
}

/// A header's value that libraries do not show either.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn basic_value(username: &str, password: &str) -> String {
    format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{password}"))
    )
}

/// Account, name and id of `arn:<partition>:events:<region>:<account>:connection/<name>[/<id>]`.
fn parse(arn: &str) -> Option<(&str, &str, Option<&str>)> {
    let mut parts = arn.splitn(6, ':');
    let (prefix, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (_region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let name = resource.strip_prefix("connection/")?;
    if prefix != "arn" || service != "events" || name.is_empty() {
        return None;
    }
    Some(match name.split_once('/') {
        Some((name, id)) => (account, name, Some(id)),
        None => (account, name, None),
    })
}
