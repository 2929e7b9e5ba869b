//! OAuth client credentials: a token is fetched once, used until shortly before it expires or until an endpoint refuses
//! it, and then fetched again. Requests that need one meanwhile wait for that one fetch.

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use serde::Deserialize;
use stepfleet_engine::Timestamp;
use stepfleet_engine::event::Failure;
use tokio::sync::Mutex;

use super::{Additions, ConnectionFault, Reader, basic_value, sensitive, unusable};
use crate::config::outbound::{self as settings, OAuthClientAuth, TokenMethod};
use crate::outbound::{Bounds, Client, Outbound, Trouble};

/// What a server of tokens may answer with.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// A token is not used in its last seconds, which a request may take to arrive.
const MARGIN_MS: i64 = 30_000;

/// Where tokens come from, and the one in use.
pub(super) struct OAuth {
    endpoint: Uri,
    method: Method,
    additions: Additions,
    token: Mutex<Option<Token>>,
}

/// A token, as the header that carries it.
#[derive(Clone)]
pub(crate) struct Token {
    pub(super) value: HeaderValue,
    expires: Option<Timestamp>,
}

/// Why there is no token. Nothing of what the server said is told: it may have repeated secrets.
pub(super) enum NoToken {
    /// The server refuses the client.
    Refused(http::StatusCode),
    /// It cannot be reached, or fails.
    Trouble(String),
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<serde_json::Value>,
}

impl NoToken {
    pub(super) fn of(&self, connection: &str) -> Failure {
        match self {
            Self::Refused(status) => unusable(
                "InvalidConnectionState",
                format!(
                    "The connection {connection} is not authorized: its authorization endpoint answered with status {}.",
                    status.as_u16()
                ),
            ),
            Self::Trouble(why) => unusable(
                "InternalError",
                format!(
                    "The authorization endpoint of the connection {connection} gave no token: {why}"
                ),
            ),
        }
    }
}

impl OAuth {
    pub(super) fn open(
        settings: &settings::OAuth,
        reader: &Reader<'_>,
    ) -> Result<Self, ConnectionFault> {
        let mut additions = reader.parameters(&settings.parameters)?;
        let secret = reader.text("oauth.client_secret", &settings.client_secret)?;
        let id = &settings.client_id;
        match settings.client_auth {
            OAuthClientAuth::Basic => {
                // The form encoding is RFC 6749's, 2.3.1.
                let encoded = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let value = basic_value(&encoded(id), &encoded(&secret));
                let header = reader.header("oauth", AUTHORIZATION.as_str(), &value)?;
                additions.headers.push(header);
            }
            OAuthClientAuth::Body => {
                additions.body.push(("client_id".to_owned(), id.clone()));
                additions.body.push(("client_secret".to_owned(), secret));
            }
        }
        if !additions.body.iter().any(|(name, _)| name == "grant_type") {
            let grant = ("grant_type".to_owned(), "client_credentials".to_owned());
            additions.body.insert(0, grant);
        }
        let endpoint = settings.endpoint.parse();
        Ok(Self {
            endpoint: endpoint.map_err(|_not_a_url| ConnectionFault::Header {
                connection: reader.connection.to_owned(),
                what: "oauth.endpoint",
            })?,
            method: match settings.method {
                TokenMethod::Get => Method::GET,
                TokenMethod::Post => Method::POST,
                TokenMethod::Put => Method::PUT,
            },
            additions,
            token: Mutex::new(None),
        })
    }

    /// The token in use, or another one.
    pub(super) async fn token(
        &self,
        outbound: &Outbound,
        client: Option<&Client>,
        now: &(dyn Fn() -> Timestamp + Sync),
    ) -> Result<Token, NoToken> {
        let mut held = self.token.lock().await;
        let is_good = |token: &&Token| token.expires.is_none_or(|at| now() < at);
        if let Some(token) = held.as_ref().filter(is_good) {
            return Ok(token.clone());
        }
        let asked_at = now();
        let token = self.fetch(outbound, client, asked_at).await?;
        *held = Some(token.clone());
        Ok(token)
    }

    /// Forgets a token, unless another one is in use by now.
    pub(super) async fn give_up(&self, token: &Token) {
        let mut held = self.token.lock().await;
        if held.as_ref().is_some_and(|held| held.value == token.value) {
            *held = None;
        }
    }

    async fn fetch(
        &self,
        outbound: &Outbound,
        client: Option<&Client>,
        asked_at: Timestamp,
    ) -> Result<Token, NoToken> {
        let bounds = Bounds {
            timeout: outbound.timeout(),
            bytes_max: ANSWER_BYTES_MAX,
        };
        let request = self.request().map_err(NoToken::Trouble)?;
        let answer = outbound.exchange(client, request, bounds).await;
        let answer = answer.map_err(|trouble: Trouble| NoToken::Trouble(trouble.to_string()))?;
        if answer.status.is_client_error() {
            return Err(NoToken::Refused(answer.status));
        }
        if !answer.status.is_success() {
            let status = answer.status.as_u16();
            return Err(NoToken::Trouble(format!(
                "it answered with status {status}"
            )));
        }
        let none = || NoToken::Trouble("its answer has no access_token".to_owned());
        let answer: Answer = serde_json::from_slice(&answer.body).map_err(|_| none())?;
        let value = sensitive(&format!("Bearer {}", answer.access_token)).ok_or_else(none)?;
        let expires = answer.expires_in.as_ref().and_then(seconds);
        Ok(Token {
            value,
            expires: expires.map(|seconds| {
                let ms = seconds.saturating_mul(1000);
                Timestamp(asked_at.0.saturating_add((ms - MARGIN_MS).max(ms / 2)))
            }),
        })
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let form = |fields: &[(String, String)]| {
            Serializer::new(String::new()).extend_pairs(fields).finish()
        };
        let mut query = form(&self.additions.query);
        let mut body = form(&self.additions.body);
        if self.method == Method::GET {
            let separator = if query.is_empty() { "" } else { "&" };
            query = format!("{query}{separator}{body}");
            body.clear();
        }
        let uri = with_query(&self.endpoint, &query)?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        if self.method != Method::GET {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(CONTENT_TYPE, form);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in &self.additions.headers {
            headers.insert(name, value.clone());
        }
        Ok(request)
    }
}

fn with_query(uri: &Uri, query: &str) -> Result<Uri, String> {
    if query.is_empty() {
        return Ok(uri.clone());
    }
    let separator = if uri.query().is_some() { '&' } else { '?' };
    format!("{uri}{separator}{query}")
        .parse()
        .map_err(|_too_long| "its URL cannot be made".to_owned())
}

/// A number of seconds, which some servers write as text.
fn seconds(value: &serde_json::Value) -> Option<i64> {
    let number = || value.as_str().and_then(|text| text.parse().ok());
    value
        .as_i64()
        .or_else(number)
        .filter(|seconds| *seconds > 0)
}
