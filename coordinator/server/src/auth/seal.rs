//! How secrets of access keys are stored: sealed with AES-256-GCM-SIV, by a key that the configuration names a file for
//! (`auth.seal_key_file`), so that neither the data folder nor a backup of it is enough to sign with them. Without such
//! a file the key is drawn from the one that seals task tokens, which is in the data folder: that keeps secrets out of
//! sight, and not from whoever has the folder.

use std::fmt;
use std::path::Path;

use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use anyhow::{Context as _, ensure};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest as _, Sha256};

use super::records::{CredentialRecord, Proof};

/// Says what a key or its name is derived for.
const FOR_SECRETS: &[u8] = b"stepfleet: secrets of access keys";
const FOR_NAMES: &[u8] = b"stepfleet: name of a key";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// Of what a key's name is.
const NAME_BYTES: usize = 4;

/// The keys that open what is stored; the first seals.
#[derive(Debug)]
pub(crate) struct Seal {
    keys: Vec<Key>,
}

struct Key {
    /// Stands before what it has sealed.
    name: String,
    cipher: Aes256GcmSiv,
}

/// Whose secret it is. Sealed in, so that one that is moved to another credential opens nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) secret_id: &'a str,
}

impl Seal {
    /// The keys of the configuration's file, and the one that is always there.
    ///
    /// # Errors
    /// The file cannot be read, or holds no key.
    pub(crate) fn of(file: Option<&Path>, token_secret: &[u8]) -> anyhow::Result<Self> {
        let mut keys = match file {
            Some(path) => {
                read(path).with_context(|| format!("auth.seal_key_file: {}", path.display()))?
            }
            None => Vec::new(),
        };
        let own = Sha256::new()
            .chain_update(FOR_SECRETS)
            .chain_update(token_secret);
        keys.push(Key::new(&own.finalize().into()));
        Ok(Self { keys })
    }

    /// What is stored of a secret.
    pub(crate) fn seal(&self, owner: Owner<'_>, secret: &str, random: [u8; 16]) -> Proof {
        let key = self.keys.first().expect("the last key is always there");
        let nonce = &random[..NONCE_BYTES];
        let message = Payload {
            msg: secret.as_bytes(),
            aad: &owner.bound(),
        };
        let sealed = key.cipher.encrypt(Nonce::from_slice(nonce), message);
        let sealed = sealed.expect("a secret is far below the cipher's bound");
        let text = BASE64URL_NOPAD.encode(&[nonce, &sealed].concat());
        Proof::Sealed(format!("{}.{text}", key.name))
    }

    /// The secret of an access key; none of what was sealed by a key that is not there.
    pub(crate) fn open(&self, owner: Owner<'_>, proof: &Proof) -> Option<String> {
        let sealed = match proof {
            Proof::Sha256(_) => return None,
            Proof::Secret(secret) => return Some(secret.clone()),
            Proof::Sealed(sealed) => sealed,
        };
        let (name, text) = sealed.split_once('.')?;
        let key = self.keys.iter().find(|key| key.name == name)?;
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let message = Payload {
            msg: sealed,
            aad: &owner.bound(),
        };
        let secret = key.cipher.decrypt(Nonce::from_slice(nonce), message).ok()?;
        String::from_utf8(secret).ok()
    }

    /// The same record with every secret sealed by the first key; none if it is so already.
    ///
    /// # Errors
    /// A secret was sealed by a key that is not there.
    pub(crate) fn renewed(
        &self,
        record: &CredentialRecord,
        random: impl Fn() -> [u8; 16],
    ) -> anyhow::Result<Option<CredentialRecord>> {
        let mut renewed = record.clone();
        let mut changed = false;
        for secret in &mut renewed.secrets {
            if matches!(secret.proof, Proof::Sha256(_)) || self.is_by_first(&secret.proof) {
                continue;
            }
            let owner = Owner::of(record, &secret.id);
            let open = self.open(owner, &secret.proof).with_context(|| {
                format!(
                    "the secret of the access key {} (credential {}) was sealed by a key that is not in auth.seal_key_file: \
                     name the file again, or write that key below the new one",
                    secret.id, record.name
                )
            })?;
            secret.proof = self.seal(owner, &open, random());
            changed = true;
        }
        Ok(changed.then_some(renewed))
    }

    fn is_by_first(&self, proof: &Proof) -> bool {
        let Proof::Sealed(sealed) = proof else {
            return false;
        };
        let by = sealed.split_once('.').map(|(name, _)| name);
        by.is_some() && by == self.keys.first().map(|key| key.name.as_str())
    }
}

impl<'a> Owner<'a> {
    pub(crate) fn of(record: &'a CredentialRecord, secret_id: &'a str) -> Self {
        Self {
            namespace: &record.namespace,
            name: &record.name,
            secret_id,
        }
    }

    fn bound(self) -> Vec<u8> {
        // No part has a slash.
        format!("{}/{}/{}", self.namespace, self.name, self.secret_id).into_bytes()
    }
}

impl Key {
    fn new(secret: &[u8; KEY_BYTES]) -> Self {
        let name = Sha256::new().chain_update(FOR_NAMES).chain_update(secret);
        Self {
            name: HEXLOWER.encode(&name.finalize()[..NAME_BYTES]),
            cipher: Aes256GcmSiv::new(secret.into()),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// One key a line, the newest first.
fn read(path: &Path) -> anyhow::Result<Vec<Key>> {
    let text = std::fs::read_to_string(path)?;
    let lines = text.lines().map(str::trim);
    let keys: Option<Vec<Key>> = lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let bytes = HEXLOWER_PERMISSIVE.decode(line.as_bytes()).ok()?;
            Some(Key::new(&bytes.try_into().ok()?))
        })
        .collect();
    // Nothing of what the file says is told.
    let keys = keys.context("a line is no key of 64 hexadecimal digits (openssl rand -hex 32)")?;
    ensure!(
        !keys.is_empty(),
        "it holds no key (openssl rand -hex 32 makes one)"
    );
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'_> = Owner {
        namespace: "000000000000",
        name: "shop",
        secret_id: "SFAK1",
    };

    fn record(proof: Proof) -> CredentialRecord {
        let text = serde_json::json!({
            "namespace": OWNER.namespace, "name": OWNER.name, "kind": "access-key", "policies": [], "created_at": 1,
            "issued_by": "admin", "secrets": [{"id": OWNER.secret_id, "proof": proof}],
        });
        serde_json::from_value(text).unwrap()
    }

    fn seal(lines: &[&str]) -> Seal {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        Seal::of(Some(file.path()), &[7; 32]).unwrap()
    }

    #[test]
    fn a_sealed_secret_opens_for_its_owner_alone() {
        let seal = Seal::of(None, &[7; 32]).unwrap();
        let sealed = seal.seal(OWNER, "secret", [1; 16]);
        assert!(!serde_json::to_string(&sealed).unwrap().contains("secret\""));
        assert_eq!(seal.open(OWNER, &sealed).as_deref(), Some("secret"));
        let other = Owner {
            name: "other",
            ..OWNER
        };
        assert_eq!(seal.open(other, &sealed), None);
        let elsewhere = Seal::of(None, &[8; 32]).unwrap();
        assert_eq!(elsewhere.open(OWNER, &sealed), None);
    }

    #[test]
    fn what_was_stored_before_is_sealed_by_the_newest_key() {
        let (first, second) = ("1".repeat(64), "2".repeat(64));
        let own = Seal::of(None, &[7; 32]).unwrap();
        let by_file = seal(&[&first]);
        let by_both = seal(&[&second, "", &first]);
        let mut known = record(Proof::Secret("secret".to_owned()));
        for newer in [&own, &by_file, &by_both] {
            let renewed = newer.renewed(&known, || [3; 16]).unwrap().unwrap();
            assert!(newer.renewed(&renewed, || [3; 16]).unwrap().is_none());
            let opened = newer.open(OWNER, &renewed.secrets[0].proof);
            assert_eq!(opened.as_deref(), Some("secret"));
            known = renewed;
        }
        let gone = by_file.renewed(&known, || [3; 16]).unwrap_err().to_string();
        assert!(
            gone.contains("SFAK1") && gone.contains("seal_key_file"),
            "{gone}"
        );
    }

    #[test]
    fn a_file_without_keys_is_refused_and_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, expect) in [
            ("", "holds no key"),
            ("cafe\n", "no key of 64"),
            ("secret", "no key of 64"),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let error = format!("{:#}", Seal::of(Some(file.path()), &[7; 32]).unwrap_err());
            assert!(error.contains(expect) && !error.contains("cafe"), "{error}");
        }
    }
}
