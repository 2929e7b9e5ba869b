//! Callback URLs that count no more because somebody said so, though their attempts are open. A record is kept for each,
//! by a hash that opens nothing, until the URL would have expired anyway.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::PATH;
use crate::catalog::control_error;
use crate::catalog::records::{Versioned, write};
use crate::control::{ControlError, ControlStore as _};
use crate::service::error::{ApiError, ErrorCode};
use crate::shared::Shared;
use crate::token::Grant;

const PREFIX: &str = "callback-revoked/";
/// URLs of one account that are revoked and have not expired: control records are kept in memory.
const REVOKED_MAX: usize = 10_000;
/// Of a hash, enough to tell the URLs of one log apart.
const KNOWN_CHARS: usize = 16;
/// How often those are forgotten that have expired.
const EVERY: Duration = Duration::from_secs(600);

/// `callback-revoked/<hash of the URL's secret part>`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RevokedRecord {
    namespace: Arc<str>,
    /// Of the URL. Milliseconds since the epoch.
    expires_at: i64,
}

/// How the logs know a URL.
pub(crate) fn known_as(secret: &str) -> Arc<str> {
    let mut hash = hash(secret);
    hash.truncate(KNOWN_CHARS);
    hash.into()
}

/// The secret part of a URL: of its page, or of what is done below it.
pub(crate) fn secret_of(url: &str) -> Option<&str> {
    let (_, rest) = url.rsplit_once(PATH)?;
    rest.split(['/', '?', '#']).next()
}

/// Whether a URL was revoked. Control records are in memory, so that this costs no reading.
pub(super) fn is_revoked(shared: &Shared, secret: &str) -> bool {
    shared.control.get(&key(secret)).is_some()
}

/// Revokes a URL, durably. One that is revoked already stays so.
pub(crate) async fn revoke(shared: &Shared, secret: &str, grant: &Grant) -> Result<(), ApiError> {
    if is_revoked(shared, secret) {
        return Ok(());
    }
    let namespace = &grant.namespace;
    if count(shared, namespace)? >= REVOKED_MAX {
        let message = format!(
            "The limit of {REVOKED_MAX} revoked callback URLs is reached: each counts until it would have expired."
        );
        return Err(ApiError::new(
            ErrorCode::ServiceQuotaExceededException,
            message,
        ));
    }
    let record = RevokedRecord {
        namespace: namespace.clone(),
        expires_at: grant.expires_at.0,
    };
    let put = shared.control.put(key(secret), None, Some(write(&record)));
    match put.await {
        // Somebody else revoked it in the same moment.
        Ok(()) | Err(ControlError::Conflict) => Ok(()),
        Err(error @ ControlError::Store(_)) => Err(control_error(&error)),
    }
}

/// Forgets what has expired, from time to time until the process ends.
pub(crate) async fn forget_every(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = forget_expired(&shared).await {
            tracing::warn!(%error, "revoked callback URLs that have expired could not be forgotten");
        }
    }
}

pub(super) async fn forget_expired(shared: &Shared) -> Result<(), ApiError> {
    let now = shared.clock.now().0;
    for (key, entry) in shared.control.scan(PREFIX) {
        let expires_at = Versioned::<RevokedRecord>::read(&entry)?.record.expires_at;
        if expires_at > now {
            continue;
        }
        match shared.control.put(key, Some(entry.version), None).await {
            Ok(()) | Err(ControlError::Conflict) => {}
            Err(error @ ControlError::Store(_)) => return Err(control_error(&error)),
        }
    }
    Ok(())
}

fn hash(secret: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(secret.as_bytes()))
}

fn key(secret: &str) -> String {
    format!("{PREFIX}{}", hash(secret))
}

fn count(shared: &Shared, namespace: &str) -> Result<usize, ApiError> {
    let mut count = 0;
    for (_, entry) in shared.control.scan(PREFIX) {
        let record = Versioned::<RevokedRecord>::read(&entry)?.record;
        count += usize::from(*record.namespace == *namespace);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use stepfleet_engine::{Attempt, EventId, ExecutionId, KeyHash, TaskRef, Timestamp};

    use super::*;
    use crate::face::testing;

    fn grant(expires_at: Timestamp) -> Grant {
        Grant {
            task: TaskRef {
                hash: KeyHash(1),
                execution: ExecutionId(2),
                incarnation: 3,
                attempt: Attempt {
                    entry: EventId(4),
                    attempt: 0,
                    generation: 0,
                },
            },
            namespace: "000000000000".into(),
            expires_at,
        }
    }

    #[tokio::test]
    async fn what_has_expired_is_forgotten_and_nothing_else() {
        let (face, _drain) = testing::face().await;
        let shared = &face.service.shared;
        let now = shared.clock.now();
        let later = Timestamp(now.0 + 3_600_000);
        revoke(shared, "expired", &grant(now)).await.unwrap();
        revoke(shared, "good", &grant(later)).await.unwrap();
        assert!(is_revoked(shared, "expired"));
        forget_expired(shared).await.unwrap();
        assert!(is_revoked(shared, "good") && !is_revoked(shared, "expired"));
    }

    #[tokio::test]
    async fn an_account_that_has_revoked_too_many_is_told_and_others_go_on() {
        let (face, _drain) = testing::face().await;
        let shared = &face.service.shared;
        let grant = grant(Timestamp(i64::MAX));
        let record = RevokedRecord {
            namespace: grant.namespace.clone(),
            expires_at: grant.expires_at.0,
        };
        for n in 0..REVOKED_MAX {
            let put = shared
                .control
                .put(key(&n.to_string()), None, Some(write(&record)));
            put.await.unwrap();
        }
        let refused = revoke(shared, "another", &grant).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::ServiceQuotaExceededException);
        // What is revoked already stays so.
        revoke(shared, "1", &grant).await.unwrap();
        let other = Grant {
            namespace: "111111111111".into(),
            ..grant
        };
        revoke(shared, "another", &other).await.unwrap();
    }

    #[test]
    fn stored_records_of_this_release_are_read_for_ever() {
        let stored = br#"{"namespace":"000000000000","expires_at":1700000000123}"#;
        let record: RevokedRecord = serde_json::from_slice(stored).unwrap();
        let expect = RevokedRecord {
            namespace: "000000000000".into(),
            expires_at: 1_700_000_000_123,
        };
        assert_eq!(record, expect);
        assert_eq!(write(&record), stored);
        let hash = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        assert_eq!(key("foo"), format!("callback-revoked/{hash}"));
    }

    #[test]
    fn the_secret_part_of_a_url_is_found_wherever_a_proxy_has_put_it() {
        for (url, expect) in [
            ("https://h/callbacks/x", Some("x")),
            ("https://h:1/a/b/callbacks/x/approve", Some("x")),
            ("https://h/callbacks/y/callbacks/x?a=b", Some("x")),
            ("/callbacks/x#top", Some("x")),
            ("https://h/callbacks/", Some("")),
            ("https://h/callback/x", None),
            ("x", None),
        ] {
            assert_eq!(secret_of(url), expect, "{url}");
        }
    }
}
