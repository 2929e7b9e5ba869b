//! Task tokens and the grants of callback URLs: sealed references to one attempt. Nothing inside is readable; a forged or foreign one dies here, before
//! anything is looked up. Sealing is deterministic: the same attempt always has the same token.

use std::fmt;
use std::sync::Arc;

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stepfleet_engine::{Attempt, EventId, ExecutionId, KeyHash, TaskRef, Timestamp};

const PLAIN_BYTES: usize = 38;
const GRANT_BYTES: usize = PLAIN_BYTES + 16;
const SEALED_BYTES_MAX: usize = 2 + GRANT_BYTES + 16;

/// What a sealed text is for. The purpose is sealed in, so that a text of one kind never opens as another.
#[derive(Clone, Copy)]
struct Kind {
    version: u8,
    purpose: &'static [u8],
}

const TASK: Kind = Kind {
    version: 1,
    purpose: b"",
};
const GRANT: Kind = Kind {
    version: 2,
    purpose: b"callback-url",
};

/// What a callback URL allows: to complete one attempt of this account until it expires. It is sealed apart from the
/// task token, which stays unknown to whoever sees a URL in a log, a history of a browser or a referrer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub task: TaskRef,
    pub namespace: Arc<str>,
    pub expires_at: Timestamp,
}

/// The keys of one cluster. Old keys stay able to open for the longest life of a task.
pub(crate) struct TokenKeys {
    cipher: Aes256GcmSiv,
    key_id: u8,
    cluster: [u8; 16],
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// Keys from 32 secret bytes, bound to one cluster id.
    pub(crate) fn new(key_id: u8, secret: &[u8; 32], cluster: [u8; 16]) -> Self {
        Self {
            cipher: Aes256GcmSiv::new(secret.into()),
            key_id,
            cluster,
        }
    }

    /// Seals a reference into URL-safe text.
    pub(crate) fn seal(&self, task: &TaskRef) -> String {
        self.seal_as(TASK, &encode(task))
    }

    /// Opens a token; `None` for anything that this cluster did not seal.
    pub(crate) fn open(&self, token: &str) -> Option<TaskRef> {
        decode(&self.open_as(TASK, token, PLAIN_BYTES)?)
    }

    /// Seals a grant into URL-safe text; `None` when its account is no number.
    pub(crate) fn seal_grant(&self, grant: &Grant) -> Option<String> {
        let account: u64 = grant.namespace.parse().ok()?;
        let mut plain = [0; GRANT_BYTES];
        plain[..PLAIN_BYTES].copy_from_slice(&encode(&grant.task));
        plain[PLAIN_BYTES..PLAIN_BYTES + 8].copy_from_slice(&account.to_be_bytes());
        plain[PLAIN_BYTES + 8..].copy_from_slice(&grant.expires_at.0.to_be_bytes());
        Some(self.seal_as(GRANT, &plain))
    }

    /// Opens a grant, even one that has expired; `None` for anything that this cluster did not seal as one.
    pub(crate) fn open_grant(&self, text: &str) -> Option<Grant> {
        let plain = self.open_as(GRANT, text, GRANT_BYTES)?;
        let number = |at: usize| plain.get(at..at + 8)?.try_into().ok();
        let account = u64::from_be_bytes(number(PLAIN_BYTES)?);
        Some(Grant {
            task: decode(&plain)?,
            namespace: format!("{account:012}").into(),
            expires_at: Timestamp(i64::from_be_bytes(number(PLAIN_BYTES + 8)?)),
        })
    }

    fn seal_as(&self, kind: Kind, plain: &[u8]) -> String {
        // Every message is unique and the mode resists nonce reuse, so a constant nonce makes sealing deterministic
        // and tokens short; equal tokens only ever mean equal attempts.
        let sealed = self
            .cipher
            .encrypt(
                Nonce::from_slice(&[0; 12]),
                Payload {
                    msg: plain,
                    aad: &self.bound_to(kind),
                },
            )
            .expect("these bytes are far below the cipher's bound");
        let mut bytes = Vec::with_capacity(2 + sealed.len());
        bytes.extend_from_slice(&[kind.version, self.key_id]);
        bytes.extend_from_slice(&sealed);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn open_as(&self, kind: Kind, text: &str, plain_bytes: usize) -> Option<Vec<u8>> {
        let mut bytes = [0; SEALED_BYTES_MAX + 2];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        if length != 2 + plain_bytes + 16 || bytes[0] != kind.version || bytes[1] != self.key_id {
            return None;
        }
        let sealed = Payload {
            msg: bytes.get(2..length)?,
            aad: &self.bound_to(kind),
        };
        self.cipher
            .decrypt(Nonce::from_slice(&[0; 12]), sealed)
            .ok()
    }

    fn bound_to(&self, kind: Kind) -> Vec<u8> {
        [&self.cluster, kind.purpose].concat()
    }
}

fn encode(task: &TaskRef) -> [u8; PLAIN_BYTES] {
    let mut plain = [0; PLAIN_BYTES];
    plain[..2].copy_from_slice(&task.hash.0.to_be_bytes());
    plain[2..18].copy_from_slice(&task.execution.0.to_be_bytes());
    plain[18..22].copy_from_slice(&task.incarnation.to_be_bytes());
    plain[22..30].copy_from_slice(&task.attempt.entry.0.to_be_bytes());
    plain[30..34].copy_from_slice(&task.attempt.attempt.to_be_bytes());
    plain[34..38].copy_from_slice(&task.attempt.generation.to_be_bytes());
    plain
}

fn decode(plain: &[u8]) -> Option<TaskRef> {
    let array4 = |at: usize| {
        plain
            .get(at..at + 4)?
            .try_into()
            .ok()
            .map(u32::from_be_bytes)
    };
    Some(TaskRef {
        hash: KeyHash(u16::from_be_bytes(plain.get(..2)?.try_into().ok()?)),
        execution: ExecutionId(u128::from_be_bytes(plain.get(2..18)?.try_into().ok()?)),
        incarnation: array4(18)?,
        attempt: Attempt {
            entry: EventId(u64::from_be_bytes(plain.get(22..30)?.try_into().ok()?)),
            attempt: array4(30)?,
            generation: array4(34)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> TaskRef {
        TaskRef {
            hash: KeyHash(513),
            execution: ExecutionId(7 << 100 | 5),
            incarnation: 1_700_000_000,
            attempt: Attempt {
                entry: EventId(4),
                attempt: 2,
                generation: 1,
            },
        }
    }

    #[test]
    fn a_sealed_token_opens_to_the_same_attempt() {
        let keys = TokenKeys::new(1, &[7; 32], [9; 16]);
        assert_eq!(keys.open(&keys.seal(&task())), Some(task()));
        assert_eq!(keys.seal(&task()), keys.seal(&task()));
    }

    #[test]
    fn every_changed_character_is_refused() {
        let keys = TokenKeys::new(1, &[7; 32], [9; 16]);
        let token = keys.seal(&task());
        for at in 0..token.len() - 1 {
            let mut forged: Vec<u8> = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                keys.open(std::str::from_utf8(&forged).unwrap()),
                None,
                "position {at}"
            );
        }
    }

    #[test]
    fn tokens_of_another_cluster_or_key_are_refused() {
        let token = TokenKeys::new(1, &[7; 32], [9; 16]).seal(&task());
        assert_eq!(TokenKeys::new(1, &[7; 32], [8; 16]).open(&token), None);
        assert_eq!(TokenKeys::new(1, &[6; 32], [9; 16]).open(&token), None);
        for garbage in ["", "x", "not a token", &"A".repeat(2048), &token[1..]] {
            assert_eq!(TokenKeys::new(1, &[7; 32], [9; 16]).open(garbage), None);
        }
    }

    #[test]
    fn a_grant_is_no_token_and_a_token_no_grant() {
        let keys = TokenKeys::new(1, &[7; 32], [9; 16]);
        let grant = Grant {
            task: task(),
            namespace: "000000000042".into(),
            expires_at: Timestamp(1_700_000_000_123),
        };
        let text = keys.seal_grant(&grant).unwrap();
        assert_eq!(keys.open_grant(&text), Some(grant.clone()));
        assert_eq!(keys.open(&text), None);
        assert_eq!(keys.open_grant(&keys.seal(&task())), None);
        for at in 0..text.len() {
            let mut forged: Vec<u8> = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = std::str::from_utf8(&forged).unwrap();
            assert_eq!(keys.open_grant(forged), None, "position {at}");
        }
        let other = TokenKeys::new(1, &[7; 32], [8; 16]);
        assert_eq!(other.open_grant(&text), None);
        // Not even with its first byte made that of the other kind, and cut to its length.
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        bytes[0] = 1;
        bytes.truncate(2 + PLAIN_BYTES + 16);
        assert_eq!(keys.open(&URL_SAFE_NO_PAD.encode(bytes)), None);
    }
}
