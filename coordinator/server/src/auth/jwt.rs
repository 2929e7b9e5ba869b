//! Tokens of identity providers (JWT, OpenID Connect): whose they are, and what that makes their owners here. Keys are
//! fetched from their issuers, kept for a while, and fetched again when a token names one that is not known, which
//! strangers can make happen no more often than [`PAUSE_MS`].

mod keys;
#[cfg(test)]
mod tests;
mod verifier;

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use stepfleet_engine::Timestamp;

use crate::clock::Clock;
use crate::config::{self, Config, is_account};
use crate::outbound::Outbound;

use keys::Keys;
use verifier::is_algorithm;

/// How far an issuer's clock may be from ours. Seconds.
const LEEWAY_S: i64 = 60;
/// A token is longer than this only by mistake. Bytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Between two requests for the keys of one issuer that tokens cause.
pub(super) const PAUSE_MS: i64 = 30_000;

/// The issuers that are believed.
#[derive(Debug)]
pub(crate) struct Issuers {
    issuers: Vec<Issuer>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Issuer {
    settings: config::Issuer,
    algorithms: Vec<Algorithm>,
    namespace: Arc<str>,
    keys: Keys,
}

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) principal: Arc<str>,
    pub(super) namespace: Arc<str>,
    pub(super) policies: Vec<String>,
    pub(super) expires_at: Timestamp,
}

/// Why a token is nobody's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("it is no token of an issuer that is believed")]
    Unknown,
    #[error("its algorithm is not one of its issuer's")]
    Algorithm,
    /// With the reason, which names addresses and is for our own log.
    #[error("the keys of its issuer cannot be had: {0}")]
    NoKeys(String),
    #[error("its issuer has no such key")]
    NoKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("it is not for this coordinator")]
    Audience,
    #[error("it has expired, or does not count yet")]
    Time,
    #[error("its claims are not what they must be: {0}")]
    Claims(&'static str),
}

impl Refused {
    /// What whoever sent it is told beside that it is not valid; nothing of a text that may be anything else.
    pub(super) fn told(&self) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::NoKeys(_) => Some("the keys of its issuer cannot be had now".to_owned()),
            Self::Algorithm
            | Self::NoKey
            | Self::Signature
            | Self::Audience
            | Self::Time
            | Self::Claims(_) => Some(self.to_string()),
        }
    }
}

impl Issuers {
    /// Those of a checked configuration.
    pub(crate) fn of(config: &Config, outbound: &Outbound, clock: Arc<dyn Clock>) -> Self {
        let issuers = config.auth.issuers.iter().map(|settings| Issuer {
            algorithms: algorithms(settings),
            namespace: config.namespace_of(settings.namespace.as_deref()).into(),
            keys: Keys::new(settings, outbound.clone()),
            settings: settings.clone(),
        });
        Self {
            issuers: issuers.collect(),
            clock,
        }
    }

    /// Whether a bearer's text may be such a token.
    pub(super) fn may_know(&self, token: &str) -> bool {
        !self.issuers.is_empty()
            && token.len() <= TOKEN_BYTES_MAX
            && token.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// The owner of a token.
    pub(super) async fn identify(&self, token: &str) -> Result<Identity, Refused> {
        verifier::install();
        let header = decode_header(token).map_err(|_| Refused::Unknown)?;
        // Unverified: it chooses whom to ask, and is verified with the rest.
        let claims: Map<String, Value> =
            jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| Refused::Unknown)?;
        let named = claims.get("iss").and_then(Value::as_str);
        let mut known = self
            .issuers
            .iter()
            .filter(|known| Some(&*known.settings.issuer) == named);
        let audience = |issuer: &&Issuer| has(claims.get("aud"), &issuer.settings.audience);
        let first = known.clone().next().ok_or(Refused::Unknown)?;
        let issuer = known.find(audience).unwrap_or(first);
        if !issuer.algorithms.contains(&header.alg) {
            return Err(Refused::Algorithm);
        }
        let now = self.clock.now();
        let keys = issuer
            .keys
            .of(header.kid.as_deref(), header.alg, now)
            .await?;
        let mut refused = Refused::NoKey;
        for key in keys {
            match decode::<Map<String, Value>>(token, &key, &signature_alone(header.alg)) {
                Ok(verified) => return issuer.identity(&verified.claims, now),
                Err(_) => refused = Refused::Signature,
            }
        }
        Err(refused)
    }
}

impl Issuer {
    /// Who the owner of these claims is here.
    fn identity(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Identity, Refused> {
        let settings = &self.settings;
        if claims.get("iss").and_then(Value::as_str) != Some(settings.issuer.as_str()) {
            return Err(Refused::Unknown);
        }
        if !has(claims.get("aud"), &settings.audience) {
            return Err(Refused::Audience);
        }
        let expires_s = seconds(claims.get("exp")).ok_or(Refused::Claims("`exp` is missing"))?;
        let now_s = now.0 / 1000;
        if expires_s.saturating_add(LEEWAY_S) <= now_s {
            return Err(Refused::Time);
        }
        if let Some(from) = claims.get("nbf") {
            let from = seconds(Some(from)).ok_or(Refused::Claims("`nbf` is no number"))?;
            if from > now_s + LEEWAY_S {
                return Err(Refused::Time);
            }
        }
        let subject = claims
            .get(&settings.principal_claim)
            .and_then(Value::as_str);
        let subject = subject.filter(|subject| !subject.is_empty() && subject.len() <= 256);
        let subject = subject.ok_or(Refused::Claims("the claim of the principal is missing"))?;
        Ok(Identity {
            principal: format!("{}:{subject}", settings.name).into(),
            namespace: self.namespace.clone(),
            policies: self.policies(claims),
            expires_at: Timestamp(expires_s.saturating_add(LEEWAY_S).saturating_mul(1000)),
        })
    }

    /// Those that a claim names, as far as the issuer may give them, and those of the rules that hold.
    fn policies(&self, claims: &Map<String, Value>) -> Vec<String> {
        let settings = &self.settings;
        let named = settings
            .policies_claim
            .as_deref()
            .and_then(|claim| claims.get(claim));
        let allowed = settings
            .policies_allowed
            .iter()
            .filter(|name| has(named, name));
        let mut policies: Vec<String> = allowed.cloned().collect();
        for rule in &settings.rules {
            if has(claims.get(&rule.claim), &rule.value) {
                policies.extend(rule.policies.iter().cloned());
            }
        }
        policies.sort();
        policies.dedup();
        policies
    }
}

/// Only the signature is judged by the library: time is judged by our own clock, and the rest beside it.
fn signature_alone(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

/// Whether a claim is this text, or a list with it; also words in one text, as scopes are.
fn has(claim: Option<&Value>, wanted: &str) -> bool {
    match claim {
        Some(Value::String(text)) => text == wanted || text.split(' ').any(|word| word == wanted),
        Some(Value::Array(items)) => items.iter().any(|item| item.as_str() == Some(wanted)),
        Some(Value::Bool(truth)) => wanted == if *truth { "true" } else { "false" },
        Some(Value::Null | Value::Number(_) | Value::Object(_)) | None => false,
    }
}

fn seconds(claim: Option<&Value>) -> Option<i64> {
    let claim = claim?;
    let whole = claim.as_i64();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "beyond what an i64 holds it saturates, which is as far away"
    )]
    let part = || claim.as_f64().map(|seconds| seconds as i64);
    whole.or_else(part)
}

fn algorithms(settings: &config::Issuer) -> Vec<Algorithm> {
    let known = settings.algorithms.iter();
    known.filter_map(|name| verifier::algorithm(name)).collect()
}

/// What a configured issuer must be like.
pub(crate) fn check(issuer: &config::Issuer, faults: &mut Vec<String>) {
    let whose = format!("auth.issuers: `{}`", issuer.name);
    for name in issuer.algorithms.iter().filter(|name| !is_algorithm(name)) {
        faults.push(format!(
            "{whose}: the algorithm `{name}` is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"
        ));
    }
    if issuer.algorithms.is_empty() {
        faults.push(format!("{whose}: algorithms are missing"));
    }
    if issuer.audience.is_empty() {
        faults.push(format!(
            "{whose}: audience is missing: tokens for others would be taken"
        ));
    }
    if let Some(namespace) = &issuer.namespace
        && !is_account(namespace)
    {
        faults.push(format!(
            "{whose}: namespace `{namespace}` is not twelve digits"
        ));
    }
    let urls = [Some(&issuer.issuer), issuer.jwks_url.as_ref()];
    for url in urls.into_iter().flatten() {
        let parsed: Option<http::Uri> = url.parse().ok();
        let scheme = parsed.as_ref().and_then(http::Uri::scheme_str);
        if !matches!(scheme, Some("https" | "http")) {
            faults.push(format!("{whose}: `{url}` is no URL"));
        }
    }
    if issuer.policies_claim.is_some() == issuer.policies_allowed.is_empty() {
        faults.push(format!(
            "{whose}: policies_claim and policies_allowed (which policies it may give) belong together"
        ));
    }
    if issuer.policies_claim.is_none() && issuer.rules.is_empty() {
        faults.push(format!(
            "{whose}: its tokens may do nothing: write policies_claim and policies_allowed, or [[auth.issuers.rules]]"
        ));
    }
}
