//! Who calls. Every request but the health checks passes `require` before its body is read, and carries a `Caller`
//! from then on. What a caller may do within its namespace is not decided here. AWS signatures are read and not
//! verified: where authentication is on, a signed request needs a client certificate, or a Bearer key in its place.

mod certificate;
mod layer;
mod sigv4;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use crate::config::Config;
use crate::net::Peer;
use crate::service::api::Caller;
use crate::service::error::{ApiError, ErrorCode};

pub(crate) use certificate::principal_of;
pub(crate) use layer::{caller, require};
pub(crate) use sigv4::{Credential, parse_credential};

/// Principal of a caller who did not say who they are, where nobody has to.
const ANONYMOUS: &str = "anonymous";

const NEEDS_AUTHENTICATION: &str = "Missing Authentication Token: send `Authorization: Bearer <API key>` or connect with a client certificate";
const UNKNOWN_KEY: &str = "The security token included in the request is invalid.";
const SIGNATURES_UNSUPPORTED: &str = "This server does not verify AWS request signatures in this release: connect with \
     a client certificate (tls.client_auth), or send `Authorization: Bearer <API key>` instead of a signature";
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
    namespace: Arc<str>,
}

struct Key {
    hash: [u8; 32],
    caller: Caller,
}

impl Authenticator {
    /// The rules of a checked configuration.
    pub(crate) fn new(config: &Config) -> Self {
        let namespace: Arc<str> = config.arn.account.as_str().into();
        let keys = config
            .auth
            .keys
            .iter()
            .filter_map(|key| {
                let namespace = key
                    .namespace
                    .as_deref()
                    .map_or_else(|| Arc::clone(&namespace), Arc::from);
                let caller = Caller {
                    principal: key.name.as_str().into(),
                    namespace,
                };
                Some(Key {
                    hash: unhex(&key.sha256)?,
                    caller,
                })
            })
            .collect();
        Self {
            inner: Arc::new(Inner {
                required: config.authentication(),
                keys,
                namespace,
            }),
        }
    }

    /// The caller behind a request's head. An API key wins over a client certificate, since it says more.
    ///
    /// # Errors
    /// `MissingAuthenticationToken`, `UnrecognizedClientException` or `IncompleteSignature`.
    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<Caller, ApiError> {
        let authorization = Authorization::of(headers);
        if let Authorization::Bearer(token) = authorization
            && self.inner.required
        {
            return self
                .key(token)
                .ok_or_else(|| refuse(ErrorCode::UnrecognizedClientException, UNKNOWN_KEY));
        }
        if let Some(principal) = peer.and_then(|peer| peer.principal.as_ref()) {
            return Ok(self.caller(principal));
        }
        if self.inner.required {
            return Err(authorization.refusal());
        }
        match authorization {
            Authorization::Signature(credential) => {
                Ok(self.caller(&credential.access_key_id.into()))
            }
            Authorization::BrokenSignature => {
                Err(refuse(ErrorCode::IncompleteSignature, BAD_SIGNATURE_HEADER))
            }
            Authorization::Absent | Authorization::Bearer(_) | Authorization::Other => {
                Ok(self.caller(&ANONYMOUS.into()))
            }
        }
    }

    fn caller(&self, principal: &Arc<str>) -> Caller {
        Caller {
            principal: Arc::clone(principal),
            namespace: Arc::clone(&self.inner.namespace),
        }
    }

    /// The caller of an API key. Looks at every key whatever happens, so that the time tells nothing.
    fn key(&self, token: &str) -> Option<Caller> {
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
    Signature(Credential<'a>),
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
        parse_credential(rest).map_or(Self::BrokenSignature, Self::Signature)
    }

    fn refusal(&self) -> ApiError {
        match self {
            Self::Absent | Self::Other => {
                refuse(ErrorCode::MissingAuthenticationToken, NEEDS_AUTHENTICATION)
            }
            Self::Bearer(_) => refuse(ErrorCode::UnrecognizedClientException, UNKNOWN_KEY),
            Self::Signature(_) => refuse(
                ErrorCode::UnrecognizedClientException,
                SIGNATURES_UNSUPPORTED,
            ),
            Self::BrokenSignature => refuse(ErrorCode::IncompleteSignature, BAD_SIGNATURE_HEADER),
        }
    }
}

fn refuse(code: ErrorCode, message: &str) -> ApiError {
    ApiError::new(code, message)
}

/// 32 bytes of hexadecimal digits; `None` for anything else, which `Config::check` has refused.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}
