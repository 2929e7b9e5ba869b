//! What operators do to the queue of an activity: hold it back, let it go, empty it.

use std::sync::Arc;

use stepfleet_engine::Timestamp;
use tokio::sync::oneshot;

use super::Service;
use super::activities::{activity_missing, check_activity_arn};
use super::api::Caller;
use super::error::{ApiError, ErrorCode};
use super::workers::{TEXT_CHARS_MAX, check_labels};
use crate::catalog::records::{ActivityRecord, ActivitySettings, AwayMax};
use crate::fleet::session::Labels;
use crate::matching::kind::Ramp;
use crate::matching::sticky::{STICKY_MS_MAX, STICKY_WAIT_MS_MAX, StickySetting};
use crate::matching::{WEIGHT_MAX, Weights};
use crate::partition::desk::stop_failure;
use crate::partition::message::Withdraw;
use crate::partition::{Message, going_down};
use crate::shared::Shared;

/// The error of tasks that were purged.
pub(crate) const PURGED: &str = "Stepfleet.TaskPurged";
/// Their cause when none is given.
const PURGED_CAUSE: &str = "An operator purged the queue of the activity.";
/// Tasks of one call, and of one piece of it.
const PURGE_MAX: u64 = 10_000;
const PIECE: usize = 500;
/// Tasks a second.
const RATE_MAX: f64 = 1_000_000.0;
/// State machines with a weight.
const WEIGHTS_MAX: usize = 100;
/// As long as a task may take.
const AWAY_SECONDS_MAX: u32 = 99_999_999;

/// What is to change; the rest stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingsChange {
    pub paused: Option<bool>,
    pub requires: Option<Labels>,
    /// 0 is no bound.
    pub concurrency_max: Option<u32>,
    /// 0 is no bound.
    pub rate: Option<f64>,
    /// For 0 milliseconds is not at all.
    pub sticky: Option<StickySetting>,
    /// An empty build is none.
    pub ramp: Option<Ramp>,
    pub weights: Option<Weights>,
    pub away: Option<AwayMax>,
}

/// What a call has purged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purge {
    pub count: u64,
    pub more: bool,
    pub until: Timestamp,
}

impl Service {
    /// Changes what holds an activity's tasks back; the settings as they are then.
    pub(crate) async fn update_activity(
        &self,
        caller: &Caller,
        arn: &str,
        change: SettingsChange,
    ) -> Result<ActivitySettings, ApiError> {
        check_activity_arn(caller, arn)?;
        let activity = self.shared.catalog.activity(arn);
        let activity = activity.ok_or_else(|| activity_missing(arn))?;
        let settings = changed(activity.record.settings.clone(), change)?;
        let record = ActivityRecord {
            settings: settings.clone(),
            ..activity.record.clone()
        };
        let (version, by) = (activity.version, caller.principal.clone());
        self.change(move |shared| async move {
            let arn = record.arn.clone();
            let settings = record.settings.clone();
            shared.catalog.put_activity(record, Some(version)).await?;
            tracing::info!(activity.name = %arn, ?settings, %by, "an activity was changed");
            shared.configure(&arn);
            Ok(())
        })
        .await?;
        Ok(settings)
    }

    /// Fails tasks that wait in the queue of an activity.
    pub(crate) async fn purge_activity(
        &self,
        caller: &Caller,
        arn: &str,
        until: Option<Timestamp>,
        cause: Option<String>,
    ) -> Result<Purge, ApiError> {
        check_activity_arn(caller, arn)?;
        if !self.shared.catalog.activity_exists(arn) {
            return Err(activity_missing(arn));
        }
        let until = until.unwrap_or_else(|| self.shared.clock.now());
        let cause = cause.unwrap_or_else(|| PURGED_CAUSE.to_owned());
        let (arn, by) = (arn.to_owned(), caller.principal.clone());
        // What is taken out of the queue must reach its host, whatever becomes of this call.
        let purge = self.change(move |shared| async move {
            let purge = purge(&shared, &arn, until, &cause).await?;
            let count = purge.count;
            tracing::info!(activity.name = %arn, count, %by, "the queue of an activity was purged");
            Ok(purge)
        });
        purge.await
    }
}

impl Shared {
    /// Lets the queue of an activity follow its record; one that is gone holds nothing back.
    pub(crate) fn configure(&self, arn: &str) {
        let settings = self
            .catalog
            .activity(arn)
            .map(|activity| activity.record.settings.clone())
            .unwrap_or_default();
        let queue = self.matching.queue(arn);
        self.hand_out(queue.configure(settings, self.clock.now()));
    }
}

async fn purge(
    shared: &Arc<Shared>,
    arn: &str,
    until: Timestamp,
    cause: &str,
) -> Result<Purge, ApiError> {
    let queue = shared.matching.queue(arn);
    let (mut count, mut taken) = (0, 0);
    while taken < PURGE_MAX {
        let piece = queue.take_older(until, PIECE);
        if piece.is_empty() {
            break;
        }
        taken += piece.len() as u64;
        let mut answers = Vec::with_capacity(piece.len());
        for offer in piece {
            let (answer, receiver) = oneshot::channel();
            let withdraw = Withdraw {
                hash: offer.hash,
                execution: offer.execution,
                attempt: offer.attempt,
                failure: stop_failure(Some(PURGED.to_owned()), Some(cause.to_owned())),
                answer: Some(answer),
            };
            let host = shared.partitions().host(offer.hash);
            host.send_admitted(Message::Withdraw(Box::new(withdraw)))
                .await;
            answers.push(receiver);
        }
        for answer in answers {
            // One that was over in the meantime is none that was purged.
            count += u64::from(answer.await.map_err(|_gone| going_down())?.is_ok());
        }
    }
    let more = taken >= PURGE_MAX;
    Ok(Purge { count, more, until })
}

fn changed(
    mut settings: ActivitySettings,
    change: SettingsChange,
) -> Result<ActivitySettings, ApiError> {
    if let Some(paused) = change.paused {
        settings.paused = paused;
    }
    if let Some(requires) = change.requires {
        check_labels(requires.iter())?;
        settings.requires = Arc::new(requires);
    }
    if let Some(max) = change.concurrency_max {
        settings.concurrency_max = (max > 0).then_some(max);
    }
    if let Some(rate) = change.rate {
        settings.rate_per_1000_s = thousandths(rate)?;
    }
    if let Some(sticky) = change.sticky {
        settings.sticky = kept(sticky)?;
    }
    if let Some(ramp) = change.ramp {
        settings.ramp = ramped(ramp)?;
    }
    if let Some(weights) = change.weights {
        check_weights(&weights)?;
        settings.weights = Arc::new(weights);
    }
    if let Some(away) = change.away {
        if matches!(away, AwayMax::Seconds(seconds) if seconds > AWAY_SECONDS_MAX) {
            let message = format!("`away_max` is at most {AWAY_SECONDS_MAX} seconds");
            return Err(ApiError::new(ErrorCode::ValidationException, message));
        }
        settings.away = away;
    }
    Ok(settings)
}

/// None for a setting that takes it back.
fn kept(sticky: StickySetting) -> Result<Option<StickySetting>, ApiError> {
    let (for_ms, wait_ms) = (sticky.for_ms, sticky.wait_ms);
    if !(0..=STICKY_MS_MAX).contains(&for_ms) || !(0..=STICKY_WAIT_MS_MAX).contains(&wait_ms) {
        let message = format!(
            "`sticky` keeps for 0 to {STICKY_MS_MAX} and waits for 0 to {STICKY_WAIT_MS_MAX} milliseconds"
        );
        return Err(ApiError::new(ErrorCode::ValidationException, message));
    }
    Ok((for_ms > 0).then_some(sticky))
}

/// None for a ramp that takes it back.
fn ramped(ramp: Ramp) -> Result<Option<Ramp>, ApiError> {
    let refuse = |message: &str| Err(ApiError::new(ErrorCode::ValidationException, message));
    if ramp.build.is_empty() && ramp.percent > 0 {
        return refuse("`ramp` needs the build id of the workers that it is for");
    }
    if ramp.percent > 100 {
        return refuse("the `percent` of a ramp is 0 to 100");
    }
    if ramp.build.chars().count() > TEXT_CHARS_MAX {
        return refuse("a build id has at most 256 characters");
    }
    Ok((!ramp.build.is_empty()).then_some(ramp))
}

fn check_weights(weights: &Weights) -> Result<(), ApiError> {
    let refuse = |message: String| Err(ApiError::new(ErrorCode::ValidationException, message));
    if weights.len() > WEIGHTS_MAX {
        return refuse(format!(
            "an activity has weights for at most {WEIGHTS_MAX} state machines"
        ));
    }
    for (arn, weight) in weights {
        if !(1..=WEIGHT_MAX).contains(weight) {
            return refuse(format!("a weight is 1 to {WEIGHT_MAX}, not {weight}"));
        }
        if !arn.contains(":stateMachine:") {
            return refuse(format!(
                "weights are for ARNs of state machines, not '{arn}'"
            ));
        }
    }
    Ok(())
}

/// Thousandths of a rate; none for 0.
pub(crate) fn thousandths(rate: f64) -> Result<Option<u64>, ApiError> {
    if rate == 0.0 {
        return Ok(None);
    }
    if !(0.001..=RATE_MAX).contains(&rate) {
        let message = format!("`max_rate` is 0, or 0.001 to {RATE_MAX} tasks a second, not {rate}");
        return Err(ApiError::new(ErrorCode::ValidationException, message));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was just found to be in range"
    )]
    let thousandths = (rate * 1000.0).round() as u64;
    Ok(Some(thousandths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_kept_in_thousandths_or_refused() {
        assert_eq!(thousandths(0.0).unwrap(), None);
        assert_eq!(thousandths(0.25).unwrap(), Some(250));
        assert_eq!(thousandths(1e6).unwrap(), Some(1_000_000_000));
        for rate in [-1.0, 0.0001, 1.1e6, f64::NAN, f64::INFINITY] {
            assert!(thousandths(rate).is_err(), "{rate}");
        }
    }
}
