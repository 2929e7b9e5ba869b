//! Everything below a prefix of etcd, in memory. It follows by a watch, which may come late, twice or not at all: so it is a
//! hint of what is there, and whoever decides by it does so by a write with conditions.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use etcd_client::{Event, EventType, GetOptions, KeyValue, WatchOptions, WatchStream};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::Etcd;
use super::error::EtcdError;

/// How often everything is read again, whatever the watch told.
const LIST_EVERY: Duration = Duration::from_secs(30);
/// How often it is asked whether the watched member is still the one that answers.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pause before a watch that broke is begun again.
const PAUSE: Duration = Duration::from_millis(100);
/// Keys that are read at once.
const PAGE_KEYS: i64 = 1000;
/// Bytes of a page or of a message of a watch at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The revision at which etcd last changed the key.
    pub version: u64,
    /// Its value.
    pub value: Arc<[u8]>,
}

/// A prefix in memory. Keys are told without it.
#[derive(Debug)]
pub struct Mirror {
    etcd: Arc<Etcd>,
    prefix: String,
    state: RwLock<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    kept: BTreeMap<String, Kept>,
    /// Revisions at which keys were deleted, until a list is newer: what comes late must not bring them back.
    gone: BTreeMap<String, u64>,
}

/// A page of keys, and the revision that it shows.
struct Page {
    kvs: Vec<KeyValue>,
    more: bool,
    revision: i64,
}

impl Mirror {
    /// Reads everything below a prefix, which ends with a slash.
    pub async fn open(etcd: Arc<Etcd>, prefix: &str) -> Result<Self, EtcdError> {
        let mirror = Self {
            etcd,
            prefix: prefix.to_owned(),
            state: RwLock::default(),
            changes: watch::Sender::new(0),
        };
        mirror.list(None).await?;
        Ok(mirror)
    }

    /// Follows what is changed. Runs until it is dropped.
    pub async fn follow(&self) {
        loop {
            if let Err(error) = self.follow_once().await {
                tracing::debug!(prefix = %self.prefix, %error, "watch of etcd ended");
            }
            sleep(PAUSE).await;
        }
    }

    /// What a key holds, as far as is known here.
    pub fn get(&self, key: &str) -> Option<Kept> {
        self.read().kept.get(key).cloned()
    }

    /// Keys that begin with `prefix`, in order.
    pub fn scan(&self, prefix: &str) -> Vec<(String, Kept)> {
        let state = self.read();
        let from = state.kept.range(prefix.to_owned()..);
        from.take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, kept)| (key.clone(), kept.clone()))
            .collect()
    }

    /// What a key holds in etcd now.
    pub async fn refresh(&self, key: &str) -> Result<Option<Kept>, EtcdError> {
        let page = self.page(self.full(key), GetOptions::new()).await?;
        match page.kvs.first() {
            Some(kv) => self.learn(key, version_of(kv), Some(kv.value())),
            None => self.learn(key, page.revision.cast_unsigned(), None),
        }
        Ok(self.get(key))
    }

    /// Takes note of a change that was seen elsewhere: by whoever made it.
    pub fn learn(&self, key: &str, version: u64, value: Option<&[u8]>) {
        if self.write().apply(key, version, value) {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Counts changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The key as etcd has it.
    pub fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    async fn follow_once(&self) -> Result<(), EtcdError> {
        let mut since = self.list(None).await?;
        let (mut stream, mut member) = self.watch(since).await?;
        let (mut lists, mut looks) = (ticks(LIST_EVERY), ticks(LOOK_EVERY));
        loop {
            tokio::select! {
                message = stream.message() => {
                    let Some(message) = message? else {
                        return Ok(());
                    };
                    if message.canceled() {
                        return Err(EtcdError::Unknown(message.cancel_reason().to_owned()));
                    }
                    message.events().iter().for_each(|event| self.told(event));
                    // Not the header's: that is the member's, and may be ahead of what it has told.
                    let told = message.events().iter().filter_map(|event| Some(event.kv()?.mod_revision()));
                    since = told.fold(since, i64::max);
                }
                _ = lists.tick() => {
                    let before = *self.changes.borrow();
                    let listed = self.list(Some(since)).await?;
                    if *self.changes.borrow() != before {
                        tracing::debug!(prefix = %self.prefix, "the list told what the watch did not yet");
                        return Ok(());
                    }
                    // What is older is not asked for again, so that it may be compacted.
                    since = listed.max(since);
                }
                _ = looks.tick() => {
                    // The member of this watch may hang, and the watch with it.
                    if self.etcd.pinned() != member {
                        (stream, member) = self.watch(since).await?;
                    }
                }
            }
        }
    }

    async fn watch(&self, since: i64) -> Result<(WatchStream, String), EtcdError> {
        let member = self.etcd.pinned().to_owned();
        let stream = self.etcd.call(|client| {
            let options = WatchOptions::new()
                .with_prefix()
                .with_start_revision(since + 1);
            let mut watch = client
                .watch_client()
                .max_decoding_message_size(ANSWER_BYTES_MAX);
            let prefix = self.prefix.clone();
            async move { watch.watch(prefix, Some(options)).await }
        });
        Ok((stream.await?, member))
    }

    /// Reads everything again; answers the revision that was read. `told` is how far a watch has come that goes on.
    async fn list(&self, told: Option<i64>) -> Result<i64, EtcdError> {
        let end = end_of(&self.prefix);
        let (mut from, mut revision) = (self.prefix.clone().into_bytes(), 0);
        let mut limit = PAGE_KEYS;
        let mut listed = BTreeMap::new();
        loop {
            let options = GetOptions::new().with_range(end.clone());
            // All pages show one moment.
            let options = options.with_limit(limit).with_revision(revision);
            let page = match self.page(from.clone(), options).await {
                Err(EtcdError::TooLarge(_)) if limit > 1 => {
                    limit /= 2;
                    continue;
                }
                page => page?,
            };
            if revision == 0 {
                revision = page.revision;
            }
            from = page.kvs.last().map(after).unwrap_or_default();
            listed.extend(page.kvs.into_iter().filter_map(|kv| {
                let key = self.short(&kv)?;
                Some((key, kv))
            }));
            if !page.more {
                break;
            }
        }
        let mut state = self.write();
        let mut changed = false;
        let seen = revision.cast_unsigned();
        let is_gone =
            |(key, kept): &(&String, &Kept)| !listed.contains_key(*key) && kept.version <= seen;
        let gone: Vec<String> = state
            .kept
            .iter()
            .filter(is_gone)
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            changed |= state.apply(&key, seen, None);
        }
        // What a watch that goes on has still to tell must not bring back what is gone.
        let past = told.unwrap_or(revision).cast_unsigned();
        state.gone.retain(|_, version| *version > past);
        for (key, kv) in &listed {
            changed |= state.apply(key, version_of(kv), Some(kv.value()));
        }
        drop(state);
        if changed {
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(revision)
    }

    async fn page(&self, key: impl Into<Vec<u8>>, options: GetOptions) -> Result<Page, EtcdError> {
        let key = key.into();
        let answer = self.etcd.call(|client| {
            let mut kv = client
                .kv_client()
                .max_decoding_message_size(ANSWER_BYTES_MAX);
            let (key, options) = (key.clone(), options.clone());
            async move { kv.get(key, Some(options)).await }
        });
        let mut answer = answer.await?;
        Ok(Page {
            more: answer.more(),
            revision: answer.header().map_or(0, |header| header.revision()),
            kvs: answer.take_kvs(),
        })
    }

    fn told(&self, event: &Event) {
        let Some((kv, key)) = event.kv().and_then(|kv| Some((kv, self.short(kv)?))) else {
            return;
        };
        match event.event_type() {
            EventType::Put => self.learn(&key, version_of(kv), Some(kv.value())),
            EventType::Delete => self.learn(&key, version_of(kv), None),
        }
    }

    fn short(&self, kv: &KeyValue) -> Option<String> {
        let key = kv.key_str().ok()?;
        key.strip_prefix(&self.prefix).map(str::to_owned)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether this was news.
    fn apply(&mut self, key: &str, version: u64, value: Option<&[u8]>) -> bool {
        let known = self.kept.get(key).map(|kept| kept.version);
        let gone = self.gone.get(key).copied();
        if known.max(gone).is_some_and(|known| known >= version) {
            return false;
        }
        let Some(value) = value else {
            self.gone.insert(key.to_owned(), version);
            return self.kept.remove(key).is_some();
        };
        self.gone.remove(key);
        let kept = Kept {
            version,
            value: value.into(),
        };
        self.kept.insert(key.to_owned(), kept);
        true
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once otherwise.
    ticks.reset();
    ticks
}

fn version_of(kv: &KeyValue) -> u64 {
    kv.mod_revision().cast_unsigned()
}

/// The first key behind one.
fn after(kv: &KeyValue) -> Vec<u8> {
    let mut key = kv.key().to_vec();
    key.push(0);
    key
}

/// The first key behind all that begin with a prefix; it ends with a slash.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
