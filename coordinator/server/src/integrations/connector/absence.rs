//! Work at a place that no worker attends. Nobody else can tell of it, so its task ends as lost when that lasts for as long
//! as workers of the connector may be away. A worker that comes back later learns that nobody waits, and stops the work.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use stepfleet_engine::Timestamp;
use tokio::time::sleep;

use super::{Call, Connected};
use crate::catalog::records::AwayMax;
use crate::fleet::place::Attendance;

/// The longest time until it is looked again how long workers may be away, which can be changed.
const LOOK_MAX: Duration = Duration::from_secs(60);

/// Ends when the work counts as lost, with the cause. Never for work that is at no place.
pub(super) async fn lost(call: &Call, connected: &Connected) -> Arc<str> {
    let place = &connected.handle.place;
    if place.is_empty() {
        return pending().await;
    }
    let (shared, connector) = (&call.shared, &connected.connector);
    let mut departures = shared.fleet.departures();
    let mut absence = Absence::default();
    loop {
        departures.mark_unchanged();
        if shared.stop.is_cancelled() {
            // It is this process that goes.
            return pending().await;
        }
        let now = shared.clock.now();
        let attendance = shared.fleet.attendance(connector, place);
        if !absence.note(attendance, now) {
            // The fleet outlives every call.
            let _gone = departures.changed().await;
            continue;
        }
        let away_ms = match shared.away_max(connector) {
            AwayMax::Session => Some(shared.session_ttl_ms),
            AwayMax::Seconds(seconds) => Some(i64::from(seconds) * 1000),
            AwayMax::Unbounded => None,
        };
        let rest = away_ms.map(|away_ms| absence.rest(away_ms, now));
        if rest.is_some_and(|rest| rest.is_zero()) {
            return absence.cause(connected);
        }
        sleep(rest.map_or(LOOK_MAX, |rest| rest.min(LOOK_MAX))).await;
    }
}

/// Since when nobody is there, and who was.
#[derive(Debug, Default)]
struct Absence {
    since: Option<Timestamp>,
    worker: Option<Arc<str>>,
}

impl Absence {
    /// Whether nobody is there now. The time of workers that were there before a restart begins with that.
    fn note(&mut self, attendance: Attendance, now: Timestamp) -> bool {
        match attendance {
            Attendance::Here => *self = Self::default(),
            Attendance::Last { worker, heard_at } => {
                self.since = self.since.max(Some(heard_at));
                self.worker = Some(worker);
            }
            Attendance::Unknown => self.since = self.since.or(Some(now)),
        }
        self.since.is_some()
    }

    fn rest(&self, away_ms: i64, now: Timestamp) -> Duration {
        let until = self.since.unwrap_or(now).plus_ms(away_ms);
        Duration::from_millis(u64::try_from(until.0.saturating_sub(now.0)).unwrap_or(0))
    }

    fn cause(&self, connected: &Connected) -> Arc<str> {
        let handle = &connected.handle;
        let (place, text) = (&handle.place, &handle.text);
        let worker = match &self.worker {
            Some(worker) => format!("The worker '{worker}'"),
            None => "The worker".to_owned(),
        };
        format!("{worker} that has the work {text} of this task at '{place}' was lost.").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(heard_at: i64) -> Attendance {
        Attendance::Last {
            worker: "w".into(),
            heard_at: Timestamp(heard_at),
        }
    }

    #[test]
    fn an_absence_counts_from_who_was_there_last_and_ends_with_whoever_comes() {
        let rest = |absence: &Absence, now| absence.rest(60, Timestamp(now)).as_millis();
        let mut absence = Absence::default();
        assert!(absence.note(last(100), Timestamp(115)));
        assert_eq!(rest(&absence, 115), 45);
        assert_eq!(rest(&absence, 200), 0);
        // It was back for a moment.
        assert!(absence.note(last(150), Timestamp(160)));
        assert_eq!(rest(&absence, 160), 50);
        // What the fleet has forgotten since does not begin anew.
        assert!(absence.note(Attendance::Unknown, Timestamp(190)));
        assert_eq!(rest(&absence, 190), 20);
        assert!(!absence.note(Attendance::Here, Timestamp(195)));
        assert!(absence.note(Attendance::Unknown, Timestamp(200)));
        assert_eq!(rest(&absence, 200), 60);
    }
}
