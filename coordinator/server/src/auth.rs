//! Who calls. Every request but the health checks passes `require` before its body is handled, and carries a `Caller`
//! from then on, with a permit that says what it may do. AWS signatures are verified where access keys are configured; a
//! signature is about the whole request, so that its body is read then.

mod access;
pub(crate) mod actions;
pub(crate) mod audit;
mod certificate;
pub(crate) mod credentials;
pub(crate) mod jwt;
mod layer;
mod permit;
mod policy;
pub(crate) mod records;
pub(crate) mod seal;
mod sigv4;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use sha2::{Digest as _, Sha256};
use stepfleet_engine::Timestamp;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use crate::clock::Clock;
use crate::config::{AccessKey, ApiKey, Certificates, Config, Rights, Secret};
use crate::net::Peer;
use crate::service::api::Caller;
use crate::service::error::{ApiError, ErrorCode};

pub(crate) use access::Access;
pub(crate) use certificate::principal_of;
pub(crate) use layer::{caller, require};
pub(crate) use permit::Permit;
pub(crate) use policy::{Decision, Policy};

use audit::Record;
use credentials::{API_KEY_PREFIX, Shown};
use jwt::Issuers;
use permit::Bound;
use sigv4::{Rules, Signed};

/// Principal of a caller who did not say who they are, where nobody has to.
const ANONYMOUS: &str = "anonymous";

const NEEDS_AUTHENTICATION: &str = "Missing Authentication Token: send `Authorization: Bearer <API key>` or connect with a client certificate";
const UNKNOWN_KEY: &str = "The security token included in the request is invalid.";
const NO_ACCESS_KEYS: &str = "This server has no access keys to verify AWS signatures by (auth.access_keys): connect \
     with a client certificate, or send `Authorization: Bearer <API key>` instead of a signature";
const BAD_SIGNATURE_HEADER: &str = "Authorization header requires 'Credential=<access key id>/<date>/<region>/<service>/aws4_request'";

/// Decides who calls. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// False takes everybody: allowed on loopback only, which `Config::check` sees to.
    required: bool,
    keys: Vec<Key>,
    access_keys: BTreeMap<String, SigningKey>,
    certificates: Vec<Certificates>,
    access: Arc<Access>,
    issuers: Option<Issuers>,
    namespace: Arc<str>,
    region: String,
    skew_minutes_max: u32,
    request_bytes_max: usize,
    clock: Arc<dyn Clock>,
}

/// What a request's head tells.
#[derive(Debug)]
pub(crate) enum Verdict {
    Admitted(Caller),
    /// Admitted if the whole request is what was signed.
    IfSigned,
    /// Admitted if an issuer has signed its token, for which keys may have to be fetched.
    IfIssued(String),
}

struct SigningKey {
    secret: Secret,
    caller: Caller,
}

struct Key {
    hash: [u8; 32],
    caller: Caller,
}

impl Authenticator {
    /// The rules of a checked configuration.
    pub(crate) fn new(config: &Config, access: Arc<Access>, clock: Arc<dyn Clock>) -> Self {
        let namespace: Arc<str> = config.arn.account.as_str().into();
        let caller = |principal: &str, rights: &Rights| {
            let own = rights.namespace.as_deref();
            let namespace = own.map_or_else(|| Arc::clone(&namespace), Arc::from);
            bound(&access, principal.into(), namespace, &rights.policies, None)
        };
        let key = |key: &ApiKey| {
            // `Config::check` has refused what is no hash.
            let hash = HEXLOWER_PERMISSIVE.decode(key.sha256.as_bytes()).ok()?;
            Some(Key {
                hash: hash.try_into().ok()?,
                caller: caller(&key.name, &key.rights),
            })
        };
        let access_key = |key: &AccessKey| {
            let signing = SigningKey {
                secret: key.secret.clone(),
                caller: caller(key.name.as_ref().unwrap_or(&key.id), &key.rights),
            };
            (key.id.clone(), signing)
        };
        let auth = &config.auth;
        Self {
            inner: Arc::new(Inner {
                required: config.authentication(),
                keys: auth.keys.iter().filter_map(key).collect(),
                access_keys: auth.all_access_keys().map(access_key).collect(),
                region: config.arn.region.clone(),
                skew_minutes_max: auth.skew_minutes_max,
                request_bytes_max: config.limits.request_bytes_max,
                certificates: auth.certificates.clone(),
                access,
                issuers: None,
                namespace,
                clock,
            }),
        }
    }

    /// Believes these issuers too. To be called before it is shared.
    pub(crate) fn believing(mut self, issuers: Issuers) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.issuers = Some(issuers);
        }
        self
    }

    /// The owner of a token that was judged [`Verdict::IfIssued`].
    ///
    /// # Errors
    /// `UnrecognizedClientException`.
    pub(crate) async fn identify(&self, token: &str) -> Result<Caller, ApiError> {
        let unknown = || refuse(ErrorCode::UnrecognizedClientException, UNKNOWN_KEY);
        let issuers = self.inner.issuers.as_ref().ok_or_else(unknown)?;
        let identity = issuers.identify(token).await.map_err(|why| {
            tracing::debug!(%why, "a token was refused");
            why.told().map_or_else(unknown, |why| {
                let message = format!("{}: {why}", UNKNOWN_KEY.trim_end_matches('.'));
                refuse(ErrorCode::UnrecognizedClientException, &message)
            })
        })?;
        let access = &self.inner.access;
        let (principal, namespace) = (identity.principal, identity.namespace);
        let until = Some(identity.expires_at);
        Ok(bound(
            access,
            principal,
            namespace,
            &identity.policies,
            until,
        ))
    }

    /// What a request's head tells. An API key or a signature wins over a client certificate, since it says more.
    ///
    /// # Errors
    /// `MissingAuthenticationTokenException`, `UnrecognizedClientException`, `InvalidSignatureException` or
    /// `IncompleteSignature`.
    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<Verdict, ApiError> {
        let authorization = Authorization::of(headers);
        let inner = &self.inner;
        match authorization {
            Authorization::Bearer(token) if inner.required => {
                let issued = inner
                    .issuers
                    .as_ref()
                    .filter(|issuers| issuers.may_know(token));
                if issued.is_some() && !token.starts_with(API_KEY_PREFIX) {
                    return Ok(Verdict::IfIssued(token.to_owned()));
                }
                let unknown = || refuse(ErrorCode::UnrecognizedClientException, UNKNOWN_KEY);
                return self.key(token).map(Verdict::Admitted).ok_or_else(unknown);
            }
            Authorization::Signature(signed) if self.verifies_signatures() => {
                self.signing_key(&signed)?;
                let rules = Rules {
                    region: &inner.region,
                    now: inner.clock.now(),
                    skew_minutes_max: inner.skew_minutes_max,
                };
                sigv4::check_head(&signed, headers, &rules)?;
                return Ok(Verdict::IfSigned);
            }
            Authorization::Absent
            | Authorization::Bearer(_)
            | Authorization::Signature(_)
            | Authorization::BrokenSignature
            | Authorization::Other => {}
        }
        if let Some(principal) = peer.and_then(|peer| peer.principal.as_ref()) {
            return Ok(Verdict::Admitted(self.certified(principal)));
        }
        if inner.required {
            return Err(authorization.refusal());
        }
        let principal: Arc<str> = match authorization {
            Authorization::Signature(signed) => signed.credential.access_key_id.into(),
            Authorization::BrokenSignature => {
                return Err(refuse(ErrorCode::IncompleteSignature, BAD_SIGNATURE_HEADER));
            }
            Authorization::Absent | Authorization::Bearer(_) | Authorization::Other => {
                ANONYMOUS.into()
            }
        };
        let caller = Caller::trusted(principal, Arc::clone(&inner.namespace));
        Ok(Verdict::Admitted(caller))
    }

    /// The caller of a whole request whose head was judged [`Verdict::IfSigned`].
    ///
    /// # Errors
    /// `InvalidSignatureException`.
    pub(crate) fn verify(&self, head: &Parts, body: &[u8]) -> Result<Caller, ApiError> {
        let Authorization::Signature(signed) = Authorization::of(&head.headers) else {
            return Err(refuse(ErrorCode::IncompleteSignature, BAD_SIGNATURE_HEADER));
        };
        let (secret, caller) = self.signing_key(&signed)?;
        sigv4::verify(&signed, head, body, &secret.0)?;
        Ok(caller)
    }

    /// Somebody was not let in.
    pub(crate) fn refused(&self, from: Option<SocketAddr>, error: &ApiError) {
        self.inner.access.audit.write(|at| Record {
            at,
            principal: "".into(),
            namespace: "".into(),
            credential: None,
            from,
            action: None,
            resource: None,
            execution: None,
            decision: "refused",
            reason: Some(reason(error)),
        });
    }

    /// The bound of a body that is read before it is known whose it is.
    pub(crate) fn request_bytes_max(&self) -> usize {
        self.inner.request_bytes_max
    }

    /// Whether there is anything to verify signatures by.
    fn verifies_signatures(&self) -> bool {
        let inner = &self.inner;
        let issued = inner.required && inner.access.credentials.has_access_keys();
        !inner.access_keys.is_empty() || issued
    }

    fn signing_key(&self, signed: &Signed<'_>) -> Result<(Secret, Caller), ApiError> {
        let (inner, id) = (&self.inner, signed.credential.access_key_id);
        if let Some(key) = inner.access_keys.get(id) {
            return Ok((key.secret.clone(), key.caller.clone()));
        }
        let issued = inner.access.credentials.access_key(id, inner.clock.now());
        let unknown = || refuse(ErrorCode::UnrecognizedClientException, UNKNOWN_KEY);
        let (secret, shown) = issued.ok_or_else(unknown)?;
        Ok((secret, self.owner(shown)))
    }

    /// The owner of a credential that was issued.
    fn owner(&self, shown: Shown) -> Caller {
        let inner = &self.inner;
        shown.issued.used(inner.clock.now());
        let record = &shown.issued.stored.record;
        let (principal, namespace) = (record.name.clone(), record.namespace.clone());
        let permit = Permit::of(Bound {
            access: Arc::clone(&inner.access),
            principal: principal.clone(),
            namespace: namespace.clone(),
            policies: record.policies.clone(),
            shown: Some(shown),
            until: None,
            url: None,
        });
        Caller {
            principal,
            namespace,
            permit,
        }
    }

    /// The owner of a client certificate.
    fn certified(&self, principal: &Arc<str>) -> Caller {
        let inner = &self.inner;
        let rules = &inner.certificates;
        let rule = rules
            .iter()
            .find(|rule| policy::matches(&rule.name, principal));
        let own = rule.and_then(|rule| rule.rights.namespace.as_deref());
        let namespace = own.map_or_else(|| Arc::clone(&inner.namespace), Arc::from);
        let policies = rule.map_or(&[][..], |rule| &rule.rights.policies);
        bound(
            &inner.access,
            Arc::clone(principal),
            namespace,
            policies,
            None,
        )
    }

    /// The caller of an API key. Of the configuration's it looks at every key whatever happens, so that the time tells
    /// nothing; issued ones carry what they are found by, and are compared once.
    fn key(&self, token: &str) -> Option<Caller> {
        let issued = &self.inner.access.credentials;
        if let Some(shown) = issued.api_key(token, self.inner.clock.now()) {
            return Some(self.owner(shown));
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = Choice::from(0);
        let mut index = 0_u32;
        for (position, key) in (0_u32..).zip(&self.inner.keys) {
            let same = key.hash.ct_eq(&hash);
            index.conditional_assign(&position, same);
            found |= same;
        }
        let index = usize::try_from(index).ok()?;
        bool::from(found)
            .then(|| self.inner.keys.get(index).map(|key| key.caller.clone()))
            .flatten()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

/// What the `Authorization` header says.
enum Authorization<'a> {
    Absent,
    Bearer(&'a str),
    Signature(Signed<'a>),
    BrokenSignature,
    Other,
}

impl<'a> Authorization<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Self::Absent;
        };
        let Ok(text) = value.to_str() else {
            return Self::Other;
        };
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            return Self::Bearer(rest.trim());
        }
        if !scheme.starts_with("AWS4-") {
            return Self::Other;
        }
        sigv4::parse(rest).map_or(Self::BrokenSignature, Self::Signature)
    }

    fn refusal(&self) -> ApiError {
        match self {
            Self::Absent | Self::Other => refuse(
                ErrorCode::MissingAuthenticationTokenException,
                NEEDS_AUTHENTICATION,
            ),
            Self::Bearer(_) => refuse(ErrorCode::UnrecognizedClientException, UNKNOWN_KEY),
            Self::Signature(_) => refuse(ErrorCode::UnrecognizedClientException, NO_ACCESS_KEYS),
            Self::BrokenSignature => refuse(ErrorCode::IncompleteSignature, BAD_SIGNATURE_HEADER),
        }
    }
}

/// A caller who may do what these policies allow.
fn bound(
    access: &Arc<Access>,
    principal: Arc<str>,
    namespace: Arc<str>,
    policies: &[String],
    until: Option<Timestamp>,
) -> Caller {
    Caller {
        permit: Permit::of(Bound {
            access: Arc::clone(access),
            principal: Arc::clone(&principal),
            namespace: Arc::clone(&namespace),
            policies: policies
                .iter()
                .map(|name| Arc::from(name.as_str()))
                .collect(),
            shown: None,
            until,
            url: None,
        }),
        principal,
        namespace,
    }
}

/// What the audit log says of a request that nobody made. The texts of others than tokens repeat what was sent.
fn reason(error: &ApiError) -> String {
    let code = error.code.as_str();
    if error.code == ErrorCode::UnrecognizedClientException {
        return format!("{code}: {}", error.message);
    }
    code.to_owned()
}

fn refuse(code: ErrorCode, message: &str) -> ApiError {
    ApiError::new(code, message)
}
