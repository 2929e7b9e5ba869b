//! The credentials that were issued, by name and by what requests show. Read-mostly: each request with one looks here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use stepfleet_engine::Timestamp;
use subtle::ConstantTimeEq as _;

use super::records::{CredentialRecord, Proof};
use super::seal::{Owner, Seal};
use crate::catalog::records::Versioned;
use crate::config::Secret;

/// What API keys begin with, so that people and scanners know one when they see it.
pub(crate) const API_KEY_PREFIX: &str = "stepfleet_";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    inner: RwLock<Inner>,
    /// Known once the store is open, before anything is served.
    seal: OnceLock<Seal>,
}

#[derive(Debug, Default)]
struct Inner {
    by_name: BTreeMap<(Arc<str>, Arc<str>), Arc<Issued>>,
    by_key: BTreeMap<String, Arc<Issued>>,
}

/// One credential.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) stored: Versioned<CredentialRecord>,
    /// Milliseconds; 0 is never.
    used_at: AtomicI64,
}

/// A secret that somebody has shown to have.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) issued: Arc<Issued>,
    pub(crate) key_id: Arc<str>,
}

impl Credentials {
    /// Seals and opens by this from now on.
    pub(crate) fn set_seal(&self, seal: Seal) {
        // Set once, when the store is opened.
        let _is_set = self.seal.set(seal);
    }

    /// What seals secrets; none before the store is open.
    pub(crate) fn seal(&self) -> Option<&Seal> {
        self.seal.get()
    }

    /// Takes a record in, in the place of an older one.
    pub(super) fn put(&self, stored: Versioned<CredentialRecord>) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let name = (stored.record.namespace.clone(), stored.record.name.clone());
        let before = inner.by_name.get(&name).cloned();
        if before
            .as_ref()
            .is_some_and(|before| before.stored.version >= stored.version)
        {
            return;
        }
        let used_at = before
            .as_ref()
            .and_then(|before| before.used_at())
            .map(|at| at.0);
        let used_at = used_at.max(stored.record.used_at).unwrap_or(0);
        for secret in before
            .iter()
            .flat_map(|before| &before.stored.record.secrets)
        {
            inner.by_key.remove(&secret.id);
        }
        let issued = Arc::new(Issued {
            stored,
            used_at: AtomicI64::new(used_at),
        });
        for secret in &issued.stored.record.secrets {
            inner.by_key.insert(secret.id.clone(), issued.clone());
        }
        inner.by_name.insert(name, issued);
    }

    /// Forgets one.
    pub(super) fn remove(&self, issued: &Issued) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let record = &issued.stored.record;
        inner
            .by_name
            .remove(&(record.namespace.clone(), record.name.clone()));
        for secret in &record.secrets {
            inner.by_key.remove(&secret.id);
        }
    }

    pub(crate) fn named(&self, namespace: &str, name: &str) -> Option<Arc<Issued>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::from(namespace), Arc::from(name));
        inner.by_name.get(&key).cloned()
    }

    /// All of a namespace, by name.
    pub(crate) fn of(&self, namespace: &str) -> Vec<Arc<Issued>> {
        let mut all = self.all();
        all.retain(|issued| &*issued.stored.record.namespace == namespace);
        all
    }

    pub(crate) fn all(&self) -> Vec<Arc<Issued>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.by_name.values().cloned().collect()
    }

    /// The owner of an API key, if it is good now.
    pub(super) fn api_key(&self, token: &str, now: Timestamp) -> Option<Shown> {
        let (id, _) = token.strip_prefix(API_KEY_PREFIX)?.split_once('_')?;
        let shown = self.shown(id, now)?;
        let Proof::Sha256(expect) = shown.proof()? else {
            return None;
        };
        let hash = HEXLOWER.encode(&Sha256::digest(token.as_bytes()));
        bool::from(hash.as_bytes().ct_eq(expect.as_bytes())).then_some(shown)
    }

    /// The owner and the secret of an access key, if it is good now.
    pub(super) fn access_key(&self, id: &str, now: Timestamp) -> Option<(Secret, Shown)> {
        let shown = self.shown(id, now)?;
        let owner = Owner::of(&shown.issued.stored.record, &shown.key_id);
        let secret = self.seal.get()?.open(owner, shown.proof()?)?;
        Some((Secret(secret), shown))
    }

    /// Whether there is any access key.
    pub(super) fn has_access_keys(&self) -> bool {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let secrets = inner
            .by_name
            .values()
            .flat_map(|issued| &issued.stored.record.secrets);
        secrets
            .into_iter()
            .any(|secret| matches!(secret.proof, Proof::Secret(_) | Proof::Sealed(_)))
    }

    /// When what was shown once ends: never, or then; none when it has ended.
    pub(super) fn end_of(&self, shown: &Shown, now: Timestamp) -> Option<Option<Timestamp>> {
        let record = &shown.issued.stored.record;
        let current = self.named(&record.namespace, &record.name)?;
        let end = current.stored.record.secret_ends_at(&shown.key_id)?;
        end.is_none_or(|end| end > now).then_some(end)
    }

    fn shown(&self, id: &str, now: Timestamp) -> Option<Shown> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let issued = inner.by_key.get(id)?.clone();
        drop(inner);
        let end = issued.stored.record.secret_ends_at(id)?;
        let key_id = Arc::from(id);
        end.is_none_or(|end| end > now)
            .then_some(Shown { issued, key_id })
    }
}

impl Shown {
    fn proof(&self) -> Option<&Proof> {
        let secrets = &self.issued.stored.record.secrets;
        let secret = secrets.iter().find(|secret| secret.id == *self.key_id)?;
        Some(&secret.proof)
    }
}

impl Issued {
    /// It was used.
    pub(super) fn used(&self, now: Timestamp) {
        self.used_at.store(now.0, Ordering::Relaxed);
    }

    /// When it was used last, as far as this process knows.
    pub(crate) fn used_at(&self) -> Option<Timestamp> {
        let at = self.used_at.load(Ordering::Relaxed);
        (at != 0).then_some(Timestamp(at))
    }
}
