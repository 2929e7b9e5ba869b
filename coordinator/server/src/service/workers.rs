//! The fleet as an operator sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepfleet_engine::Timestamp;
use stepfleet_proto::v1::Order;

use super::Service;
use super::activities::{activity_missing, check_activity_arn};
use super::api::{ActivityStats, BuildStats, Caller, Page, PageRequest};
use super::error::{ApiError, ErrorCode};
use super::page;
use crate::fleet::{Known, Session};
use crate::metrics::RecentReport;

/// Labels of a worker or a requirement, and their sizes.
const LABELS_MAX: usize = 50;
const LABEL_KEY_CHARS_MAX: usize = 128;
pub(crate) const TEXT_CHARS_MAX: usize = 256;
/// Workers named in a refusal.
const NAMED_MAX: usize = 10;

/// Which workers are meant; an empty one means all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Session id or name.
    pub worker: Option<String>,
    /// ARN or bare name.
    pub activity: Option<String>,
    pub labels: BTreeMap<String, String>,
}

impl Selection {
    fn is_empty(&self) -> bool {
        self.worker.is_none() && self.activity.is_none() && self.labels.is_empty()
    }
}

impl Service {
    /// The workers of the caller's namespace that are meant, by name.
    pub(crate) fn select_workers(
        &self,
        caller: &Caller,
        selection: &Selection,
    ) -> Result<Vec<Known>, ApiError> {
        let activity = selection
            .activity
            .as_deref()
            .map(|activity| self.activity_arn(caller, activity))
            .transpose()?;
        let now = self.shared.clock.now();
        let mut workers = self.shared.fleet.known(&caller.namespace, now);
        workers.retain(|known| {
            let session = &known.session;
            let labels = &session.about.labels;
            let has = |(key, value): (&String, &String)| labels.get(key) == Some(value);
            let named =
                |worker: &String| *worker == *session.about.name || *worker == session_id(session);
            selection.labels.iter().all(has)
                && selection.worker.as_ref().is_none_or(named)
                && activity.as_ref().is_none_or(|arn| {
                    let served = |served: &crate::fleet::session::Served| *served.arn == **arn;
                    session.activities.iter().any(served)
                })
        });
        workers.sort_by_cached_key(cursor);
        Ok(workers)
    }

    pub(crate) fn list_workers(
        &self,
        caller: &Caller,
        selection: &Selection,
        request: &PageRequest,
    ) -> Result<Page<Known>, ApiError> {
        let arguments = format!("{}/{selection:?}", caller.namespace);
        let (limit, after) = page::open(request, "workers", &arguments)?;
        let mut workers = self.select_workers(caller, selection)?;
        workers.retain(|known| after.as_ref().is_none_or(|after| cursor(known) > *after));
        workers.truncate(limit + 1);
        Ok(page::close(workers, limit, "workers", &arguments, cursor))
    }

    /// The one worker of this session id, or of this name. One that is connected comes before those of its name that
    /// are not.
    pub(crate) fn worker(&self, caller: &Caller, worker: &str) -> Result<Known, ApiError> {
        let selection = Selection {
            worker: Some(worker.to_owned()),
            ..Selection::default()
        };
        let mut found = self.select_workers(caller, &selection)?;
        if found.iter().any(|known| known.gone_at.is_none()) {
            found.retain(|known| known.gone_at.is_none());
        } else {
            // Of those that are over, the last.
            found.sort_by_key(|known| known.gone_at);
            found.drain(..found.len().saturating_sub(1));
        }
        if found.len() > 1 {
            let ids = found
                .iter()
                .take(NAMED_MAX)
                .map(|known| session_id(&known.session));
            let ids = ids.collect::<Vec<_>>().join(", ");
            let message = format!(
                "{} workers are named '{worker}': name one by its session id: {ids}",
                found.len()
            );
            return Err(ApiError::new(ErrorCode::ValidationException, message));
        }
        found.pop().ok_or_else(|| {
            let message = format!("Worker not found: '{worker}'");
            ApiError::new(ErrorCode::ResourceNotFound, message)
        })
    }

    /// Tells the workers that are meant to drain, or to go on; as they are then.
    pub(crate) async fn order_workers(
        &self,
        caller: &Caller,
        selection: &Selection,
        order: Order,
    ) -> Result<Vec<Known>, ApiError> {
        if selection.is_empty() {
            let message = "name a worker, an activity or a label: none would mean the whole fleet";
            return Err(ApiError::new(ErrorCode::ValidationException, message));
        }
        let mut workers = self.select_workers(caller, selection)?;
        workers.retain(|known| known.gone_at.is_none());
        if workers.is_empty() {
            let message = "Worker not found: no worker that is connected is meant";
            return Err(ApiError::new(ErrorCode::ResourceNotFound, message));
        }
        for Known { session, .. } in &workers {
            let Some(session) = self.shared.tell(session, order).await? else {
                continue;
            };
            let (name, order) = (&session.about.name, order.as_str_name());
            tracing::info!(worker.name = %name, order, by = %caller.principal, "a worker was told");
            if order == Order::Resume.as_str_name() {
                self.shared.fleet.offer_slots(&session).await;
            }
        }
        Ok(workers)
    }

    /// The queue of an activity, who serves it, and what happened in the last minutes.
    pub(crate) fn activity_stats(
        &self,
        caller: &Caller,
        arn: &str,
    ) -> Result<ActivityStats, ApiError> {
        check_activity_arn(caller, arn)?;
        let activity = self.shared.catalog.activity(arn);
        let activity = activity.ok_or_else(|| activity_missing(arn))?;
        let now = self.shared.clock.now();
        let queue = self.shared.matching.queue(arn).report();
        let mut stats = ActivityStats {
            arn: arn.to_owned(),
            queued: queue.queued,
            oldest_age_ms: age_ms(queue.oldest, now),
            pollers: queue.pollers,
            recent: self.shared.metrics.recent(arn, now, self.shared.started_at),
            unserved: self.shared.is_unserved(arn),
            settings: activity.record.settings.clone(),
            in_hand: queue.in_hand,
            unplaceable: self.shared.unplaceable(arn),
            sticky: queue.sticky,
            ..ActivityStats::default()
        };
        let mut by_build: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for session in self.shared.fleet.sessions() {
            if !session.serves() {
                continue;
            }
            let held = session.held_by_activity();
            for (index, served) in (0_u32..).zip(&session.activities) {
                if *served.arn == *arn {
                    stats.workers += 1;
                    stats.slots += u64::from(session.slots(index));
                    *by_build.entry(session.about.build_id.clone()).or_insert(0) += 1;
                    stats.slots_used += u64::from(held.get(&index).copied().unwrap_or(0));
                }
            }
        }
        let shared = &self.shared;
        stats.builds = builds(shared.metrics.builds(arn, now, shared.started_at), by_build);
        Ok(stats)
    }

    /// The ARN that an ARN or a bare name means.
    fn activity_arn(&self, caller: &Caller, activity: &str) -> Result<String, ApiError> {
        if activity.starts_with("arn:") {
            check_activity_arn(caller, activity)?;
            return Ok(activity.to_owned());
        }
        Ok(self.shared.arns.activity(&caller.namespace, activity))
    }
}

/// Builds by name: those that did something lately, and those that serve.
fn builds(
    recent: Vec<(Arc<str>, RecentReport)>,
    serving: BTreeMap<Arc<str>, u64>,
) -> Vec<BuildStats> {
    let mut all: BTreeMap<Arc<str>, BuildStats> = BTreeMap::new();
    let entry = |build: &Arc<str>, recent, workers| BuildStats {
        build: build.clone(),
        workers,
        recent,
    };
    for (build, recent) in recent {
        all.insert(build.clone(), entry(&build, recent, 0));
    }
    for (build, workers) in serving {
        if !build.is_empty() {
            let none = || entry(&build, RecentReport::default(), 0);
            all.entry(build.clone()).or_insert_with(none).workers = workers;
        }
    }
    all.into_values().collect()
}

/// How old the oldest of a queue is.
pub(crate) fn age_ms(oldest: Option<Timestamp>, now: Timestamp) -> u64 {
    oldest.map_or(0, |oldest| u64::try_from(now.0 - oldest.0).unwrap_or(0))
}

/// Refuses labels that are too many or too long.
pub(crate) fn check_labels<'a>(
    mut labels: impl ExactSizeIterator<Item = (&'a String, &'a String)>,
) -> Result<(), ApiError> {
    let refuse = |message: &str| Err(ApiError::new(ErrorCode::ValidationException, message));
    if labels.len() > LABELS_MAX {
        return refuse("there are at most 50 labels");
    }
    let longer = |text: &str, max: usize| text.chars().count() > max;
    if labels.any(|(key, value)| {
        key.is_empty() || longer(key, LABEL_KEY_CHARS_MAX) || longer(value, TEXT_CHARS_MAX)
    }) {
        return refuse("a label has a key of 1 to 128 and a value of at most 256 characters");
    }
    Ok(())
}

/// As the worker drew it.
pub(crate) fn session_id(session: &Session) -> String {
    crate::entropy::hyphenated(uuid::Uuid::from_u128(session.id.0))
}

/// The place in the list: names may repeat, sessions do not.
fn cursor(known: &Known) -> String {
    format!(
        "{}/{}",
        known.session.about.name,
        session_id(&known.session)
    )
}
