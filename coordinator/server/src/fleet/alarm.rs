//! The alarm of activities that are needed and that nobody serves. An activity is *unserved* at once; the alarm begins
//! when that lasts longer than a worker may be away, so that a deployment of workers or a restart tells nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stepfleet_engine::Timestamp;

/// An activity that state machines name or tasks wait for, while no worker serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unserved {
    pub arn: Arc<str>,
    /// State machines may name what does not exist.
    pub exists: bool,
    pub queued: u64,
}

/// Since when each is unserved.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<BTreeMap<Arc<str>, Alarm>>);

#[derive(Clone, Copy, Debug)]
struct Alarm {
    since: Timestamp,
    begun: bool,
}

/// What changed since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub begun: Vec<Unserved>,
    /// With the milliseconds that it lasted.
    pub ended: Vec<(Arc<str>, i64)>,
    /// Alarms that are on now.
    pub count: u64,
}

impl Alarms {
    /// Compares with what is unserved now; an alarm begins after `after_ms`.
    pub(crate) fn look(&self, now: Timestamp, unserved: Vec<Unserved>, after_ms: i64) -> Changes {
        let mut alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *alarms);
        let mut changes = Changes::default();
        for activity in unserved {
            let mut alarm = before.remove(&activity.arn).unwrap_or(Alarm {
                since: now,
                begun: false,
            });
            let begins = !alarm.begun && now.0.saturating_sub(alarm.since.0) >= after_ms;
            alarm.begun |= begins;
            changes.count += u64::from(alarm.begun);
            alarms.insert(activity.arn.clone(), alarm);
            if begins {
                changes.begun.push(activity);
            }
        }
        let over = before.into_iter().filter(|(_, alarm)| alarm.begun);
        changes.ended = over
            .map(|(arn, alarm)| (arn, now.0.saturating_sub(alarm.since.0)))
            .collect();
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_begins_when_it_lasts_and_ends_once() {
        let alarms = Alarms::default();
        let activity = Unserved {
            arn: Arc::from("a"),
            exists: true,
            queued: 2,
        };
        let look = |at, unserved: bool| {
            let unserved = unserved.then(|| activity.clone()).into_iter().collect();
            alarms.look(Timestamp(at), unserved, 60)
        };
        assert_eq!(look(0, true), Changes::default());
        assert_eq!(look(30, false), Changes::default(), "it did not last");
        assert_eq!(look(40, true), Changes::default());
        let begun = look(100, true);
        assert_eq!((begun.begun.len(), begun.count), (1, 1));
        let goes_on = look(120, true);
        assert_eq!((goes_on.begun.len(), goes_on.count), (0, 1));
        let ended = look(150, false);
        assert_eq!(ended.ended, [(Arc::from("a"), 110)]);
        assert_eq!(look(160, false), Changes::default());
    }
}
