//! The keys of one issuer: fetched, kept, and fetched again.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use stepfleet_engine::Timestamp;

use super::{PAUSE_MS, Refused};
use crate::config;
use crate::outbound::{Bounds, Outbound};

/// Keys that are older are fetched again before they are used, so that one that its issuer took back ends.
const FRESH_MS: i64 = 600_000;
/// So long they do while their issuer cannot be asked.
const STALE_MS: i64 = 6 * 3_600_000;
const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Keys of one issuer.
const KEYS_MAX: usize = 100;

#[derive(Debug)]
pub(super) struct Keys {
    issuer: String,
    jwks_url: Option<String>,
    outbound: Outbound,
    held: RwLock<Held>,
    /// Held by whoever fetches; others wait for that.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    keys: Arc<Vec<Key>>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
    /// Why the last attempt brought nothing.
    trouble: Option<String>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// None is any of its kind.
    algorithm: Option<KeyAlgorithm>,
    key: DecodingKey,
}

/// What an issuer says of itself.
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Keys {
    pub(super) fn new(settings: &config::Issuer, outbound: Outbound) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            jwks_url: settings.jwks_url.clone(),
            outbound,
            held: RwLock::default(),
            fetching: tokio::sync::Mutex::new(()),
        }
    }

    /// Keys that a token with this head may be signed by.
    pub(super) async fn of(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Vec<DecodingKey>, Refused> {
        let mut held = self.held();
        if !held.is_fresh(now) || held.find(id, algorithm).is_empty() {
            self.refresh(now).await;
            held = self.held();
        }
        let age = held.fetched_at.map(|at| now.0 - at.0);
        if age.is_none_or(|age| age > STALE_MS) {
            return Err(Refused::NoKeys(held.trouble.unwrap_or_default()));
        }
        let found = held.find(id, algorithm);
        if found.is_empty() {
            return Err(Refused::NoKey);
        }
        Ok(found)
    }

    fn held(&self) -> Held {
        self.held
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Fetches the keys, unless that was tried just now.
    async fn refresh(&self, now: Timestamp) {
        let _turn = self.fetching.lock().await;
        let tried_at = self.held().tried_at;
        if tried_at.is_some_and(|at| now.0 - at.0 < PAUSE_MS) {
            return;
        }
        let fetched = self.fetch().await;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.tried_at = Some(now);
        match fetched {
            Ok(keys) => {
                held.keys = Arc::new(keys);
                held.fetched_at = Some(now);
                held.trouble = None;
            }
            Err(why) => {
                tracing::warn!(issuer = %self.issuer, why, "the keys of an issuer could not be fetched");
                held.trouble = Some(why);
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let url = match &self.jwks_url {
            Some(url) => url.clone(),
            None => {
                let issuer = self.issuer.trim_end_matches('/');
                let url = format!("{issuer}/.well-known/openid-configuration");
                let found: Discovered = self.get(&url).await?;
                if found.issuer != self.issuer {
                    return Err(format!("{url} is about another issuer"));
                }
                found.jwks_uri
            }
        };
        let set: serde_json::Value = self.get(&url).await?;
        // A key of a kind that is not known must not hide the others.
        let keys = set.get("keys").and_then(serde_json::Value::as_array);
        let keys = keys.ok_or_else(|| format!("{url} has no keys"))?.iter();
        let keys = keys.take(KEYS_MAX).filter_map(|key| Key::of(key.clone()));
        Ok(keys.collect())
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let request = Request::get(url).header(header::ACCEPT, "application/json");
        let request = request
            .body(Full::<Bytes>::default())
            .map_err(|error| error.to_string())?;
        let bounds = Bounds {
            timeout: TIMEOUT,
            bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = self.outbound.exchange(None, request, bounds).await;
        let answer = answer.map_err(|trouble| format!("{url}: {trouble}"))?;
        if !answer.status.is_success() || answer.cut {
            return Err(format!(
                "{url} answered with status {}",
                answer.status.as_u16()
            ));
        }
        serde_json::from_slice(&answer.body).map_err(|error| format!("{url}: {error}"))
    }
}

impl Held {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.fetched_at.is_some_and(|at| now.0 - at.0 < FRESH_MS)
    }

    /// By its id where the token names one, which must be right then.
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let fits = |key: &&Key| {
            let named = id.is_none() || key.id.as_deref() == id;
            let same = key
                .algorithm
                .is_none_or(|wanted| wanted == KeyAlgorithm::from(algorithm));
            named && same && key.key.family() == algorithm.family()
        };
        self.keys
            .iter()
            .filter(fits)
            .map(|key| key.key.clone())
            .collect()
    }
}

impl Key {
    fn of(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let common = &jwk.common;
        if common
            .public_key_use
            .as_ref()
            .is_some_and(|of| *of != PublicKeyUse::Signature)
        {
            return None;
        }
        Some(Self {
            key: DecodingKey::from_jwk(&jwk).ok()?,
            id: common.key_id.clone(),
            algorithm: common.key_algorithm,
        })
    }
}
