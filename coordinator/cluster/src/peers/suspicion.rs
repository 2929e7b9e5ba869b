//! Who does not reach whom, told to all members by keys of etcd. A key goes with the lease of whoever put it, so that the dead
//! suspect nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use etcd_client::{DeleteOptions, PutOptions};
use stepfleet_store::etcd::{Etcd, EtcdError, Mirror};
use stepfleet_store::halves;

use crate::driver::Driver;
use crate::member::{Membership, process_of};

/// The suspicions of all members.
#[derive(Debug)]
pub struct Suspicions {
    etcd: Arc<Etcd>,
    membership: Arc<Membership>,
    mirror: Mirror,
}

impl Suspicions {
    /// Reads the keys below `<prefix>/suspect/`.
    pub async fn open(
        etcd: Arc<Etcd>,
        prefix: &str,
        membership: Arc<Membership>,
    ) -> Result<Self, EtcdError> {
        let mirror = Mirror::open(etcd.clone(), &format!("{prefix}/suspect/")).await?;
        Ok(Self {
            etcd,
            membership,
            mirror,
        })
    }

    /// Tells the driver which processes most members do not reach. Runs until it is dropped.
    pub async fn watch(&self, driver: &Driver) {
        tokio::select! {
            () = self.mirror.follow() => {}
            () = self.judge(driver) => {}
        }
    }

    /// This process does not reach that one.
    pub(super) async fn raise(&self, process: [u64; 2]) {
        let key = self.key(process);
        let Some(lease) = self
            .membership
            .lease()
            .filter(|_| self.mirror.get(&key).is_none())
        else {
            return;
        };
        let full = self.mirror.full(&key);
        let put = self.etcd.call(|mut client| {
            let (full, options) = (full.clone(), PutOptions::new().with_lease(lease));
            async move { client.put(full, "", Some(options)).await }
        });
        // Whoever cannot tell it cannot take anything either.
        match put.await {
            Ok(answer) => {
                let revision = answer.header().map_or(0, |header| header.revision());
                self.mirror.learn(&key, revision.cast_unsigned(), Some(b""));
            }
            Err(error) => tracing::debug!(%error, "a suspicion could not be told"),
        }
    }

    /// It does after all.
    pub(super) async fn withdraw(&self, process: [u64; 2]) {
        let key = self.key(process);
        if self.mirror.get(&key).is_none() {
            return;
        }
        let full = self.mirror.full(&key);
        let delete = self.etcd.call(|mut client| {
            let full = full.clone();
            async move { client.delete(full, None::<DeleteOptions>).await }
        });
        match delete.await {
            Ok(answer) => {
                let revision = answer.header().map_or(0, |header| header.revision());
                self.mirror.learn(&key, revision.cast_unsigned(), None);
            }
            Err(error) => tracing::debug!(%error, "a suspicion could not be withdrawn"),
        }
    }

    async fn judge(&self, driver: &Driver) {
        let (mut members, mut suspicions) = (self.membership.changes(), self.mirror.changes());
        loop {
            driver.silent(self.silent());
            tokio::select! {
                _ = members.changed() => {}
                _ = suspicions.changed() => {}
            }
        }
    }

    /// Processes that most of the others do not reach, and two at least: one alone may be the one that is cut off.
    fn silent(&self) -> BTreeSet<[u64; 2]> {
        let records = self.membership.members();
        let processes = records.iter().map(process_of);
        let ids: BTreeSet<String> = processes.map(hex).collect();
        let mut observers: BTreeMap<String, usize> = BTreeMap::new();
        for (key, _) in self.mirror.scan("") {
            if let Some((process, observer)) = key.split_once('/')
                && ids.contains(observer)
            {
                *observers.entry(process.to_owned()).or_insert(0) += 1;
            }
        }
        let others = ids.len().saturating_sub(1);
        let silent = observers
            .into_iter()
            .filter(|(_, count)| *count >= 2 && *count * 2 > others);
        silent.filter_map(|(process, _)| unhex(&process)).collect()
    }

    fn key(&self, process: [u64; 2]) -> String {
        let own = halves(self.membership.identity().incarnation);
        format!("{}/{}", hex(process), hex(own))
    }
}

fn hex([high, low]: [u64; 2]) -> String {
    format!("{high:016x}{low:016x}")
}

fn unhex(text: &str) -> Option<[u64; 2]> {
    u128::from_str_radix(text, 16).ok().map(halves)
}
