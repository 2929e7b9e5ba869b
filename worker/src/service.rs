//! What a service manager is told, if one has started the worker: systemd's `sd_notify`.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::warn;

/// It serves, or tries to: a coordinator that is away is waited for, and is no reason to hold up a machine's start.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is being read again; [`ready`] ends it.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "the service manager cannot be told of the reload"),
    }
}

pub(crate) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

pub(crate) fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// The worker is alive.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often it is to say so; half of what the manager allows.
pub(crate) fn watchdog() -> Option<Interval> {
    let allowed = sd_notify::watchdog_enabled()?;
    let every = (allowed / 2).max(Duration::from_millis(1));
    let mut interval = interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(interval)
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager cannot be told");
    }
}
