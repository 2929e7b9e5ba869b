//! What happened with an activity's tasks in the last minutes, for a person who looks now. Unlike the series, every
//! activity has it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use stepfleet_engine::Timestamp;

const MINUTE_MS: i64 = 60_000;
/// Whole minutes that are kept besides the one that runs.
const MINUTES: i64 = 5;
/// Latencies are told apart by a quarter of an octave: 1 ms to 12 days.
const BUCKETS: usize = 120;

/// The last minutes of one activity.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<Minute>>);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// After so many milliseconds in the queue.
    Started(i64),
    /// From start to end took so many milliseconds.
    Ran(i64),
    Succeeded,
    Failed,
    TimedOut,
}

/// Sums over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecentReport {
    pub window_ms: u64,
    pub started: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub latency_p50_ms: u64,
    pub latency_p99_ms: u64,
    /// From start to end.
    pub run_p50_ms: u64,
    pub run_p99_ms: u64,
}

#[derive(Debug)]
struct Minute {
    number: i64,
    counts: [u64; 4],
    latencies: Box<[u32; BUCKETS]>,
    runs: Box<[u32; BUCKETS]>,
}

impl Recent {
    pub(crate) fn count(&self, at: Timestamp, what: Happened) {
        let number = at.0.div_euclid(MINUTE_MS);
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minutes.back().is_none_or(|last| last.number < number) {
            minutes.retain(|minute| minute.number >= number - MINUTES);
            minutes.push_back(Minute {
                number,
                counts: [0; 4],
                latencies: Box::new([0; BUCKETS]),
                runs: Box::new([0; BUCKETS]),
            });
        }
        // A clock that goes back counts into the newest minute.
        let Some(minute) = minutes.back_mut() else {
            return;
        };
        let index = match what {
            Happened::Started(waited_ms) => {
                minute.latencies[bucket(waited_ms)] += 1;
                0
            }
            Happened::Ran(took_ms) => {
                minute.runs[bucket(took_ms)] += 1;
                return;
            }
            Happened::Succeeded => 1,
            Happened::Failed => 2,
            Happened::TimedOut => 3,
        };
        minute.counts[index] += 1;
    }

    /// Sums up to `now`; nothing was counted before `since`.
    pub(crate) fn report(&self, now: Timestamp, since: Timestamp) -> RecentReport {
        let first = now.0.div_euclid(MINUTE_MS) - MINUTES;
        let from = since.0.max(first * MINUTE_MS);
        let mut counts = [0; 4];
        let mut latencies = [0_u64; BUCKETS];
        let mut runs = [0_u64; BUCKETS];
        let minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for minute in minutes.iter().filter(|minute| minute.number >= first) {
            for (sum, count) in counts.iter_mut().zip(minute.counts) {
                *sum += count;
            }
            for (sum, count) in latencies.iter_mut().zip(minute.latencies.iter()) {
                *sum += u64::from(*count);
            }
            for (sum, count) in runs.iter_mut().zip(minute.runs.iter()) {
                *sum += u64::from(*count);
            }
        }
        let [started, succeeded, failed, timed_out] = counts;
        RecentReport {
            window_ms: u64::try_from(now.0 - from).unwrap_or(0),
            started,
            succeeded,
            failed,
            timed_out,
            latency_p50_ms: quantile(&latencies, started, 50),
            latency_p99_ms: quantile(&latencies, started, 99),
            run_p50_ms: quantile(&runs, runs.iter().sum(), 50),
            run_p99_ms: quantile(&runs, runs.iter().sum(), 99),
        }
    }
}

/// Bucket 0 is below 1 ms; bucket n ends at 2^(n/4) ms.
fn bucket(ms: i64) -> usize {
    let ms = u64::try_from(ms).unwrap_or(0);
    (0..BUCKETS - 1)
        .find(|index| ms < bound(*index))
        .unwrap_or(BUCKETS - 1)
}

/// The first millisecond beyond a bucket.
fn bound(index: usize) -> u64 {
    // Quarters of an octave in thousandths.
    const QUARTERS: [u64; 4] = [1000, 1189, 1414, 1682];
    let octave = u32::try_from(index / 4).unwrap_or(u32::MAX);
    (QUARTERS[index % 4] << octave).div_ceil(1000)
}

/// The latency that so many percent do not exceed: the end of its bucket.
fn quantile(latencies: &[u64; BUCKETS], count: u64, percent: u64) -> u64 {
    let rank = (count * percent).div_ceil(100).max(1);
    let mut seen = 0;
    for (index, in_bucket) in latencies.iter().enumerate() {
        seen += in_bucket;
        if seen >= rank {
            return bound(index) - 1;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp(1_790_000_040_000 + second * 1000)
    }

    #[test]
    fn the_last_minutes_are_summed() {
        let recent = Recent::default();
        for waited_ms in 0..100 {
            recent.count(at(0), Happened::Started(waited_ms));
        }
        recent.count(at(70), Happened::Failed);
        recent.count(at(290), Happened::Succeeded);
        let report = recent.report(at(290), at(-60));
        assert_eq!(
            (report.started, report.succeeded, report.failed),
            (100, 1, 1)
        );
        assert_eq!(report.window_ms, 350_000);
        assert!(
            (49..=58).contains(&report.latency_p50_ms),
            "{}",
            report.latency_p50_ms
        );
        assert!(
            (98..=118).contains(&report.latency_p99_ms),
            "{}",
            report.latency_p99_ms
        );
    }

    #[test]
    fn what_is_older_is_forgotten() {
        let recent = Recent::default();
        recent.count(at(0), Happened::Started(3));
        assert_eq!(recent.report(at(359), at(0)).started, 1);
        let later = recent.report(at(360), at(0));
        assert_eq!((later.started, later.latency_p99_ms), (0, 0));
        assert_eq!(recent.report(at(2), at(0)).window_ms, 2000);
    }

    #[test]
    fn every_latency_has_a_bucket_that_ends_beyond_it() {
        for ms in [0, 1, 2, 3, 7, 999, 60_000, 86_400_000, i64::MAX] {
            let index = bucket(ms);
            assert!(
                bound(index) > u64::try_from(ms).unwrap() || index == BUCKETS - 1,
                "{ms}"
            );
        }
        assert_eq!(bucket(-5), 0);
    }
}
