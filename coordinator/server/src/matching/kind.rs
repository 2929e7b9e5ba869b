//! What tells workers of an activity apart, and what a task wants of them: labels, and the build that a ramp sends it to.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepfleet_engine::ExecutionId;

use super::placement::{no_labels, satisfies};
use crate::fleet::Session;
use crate::fleet::session::Labels;

/// A share of the executions that goes to workers of one build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ramp {
    pub build: Arc<str>,
    pub percent: u32,
}

/// A kind of worker. In the order in which idle ones are used: those with the fewest labels first, so that workers that can
/// do what others cannot stay free for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub labels: Arc<Labels>,
    /// Empty when the worker does not tell; a poller has none.
    pub build: Arc<str>,
}

/// What waiting tasks of one lane ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    pub requires: Arc<Labels>,
    pub side: Side,
}

/// Which workers a ramp sends an execution to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// Without a ramp.
    Any,
    /// Those of the build.
    Build,
    /// The others.
    Others,
}

impl Kind {
    /// Of a caller of `GetActivityTask`.
    pub(crate) fn poller() -> Self {
        Self {
            labels: no_labels(),
            build: Arc::default(),
        }
    }

    pub(crate) fn of(session: &Session) -> Self {
        Self {
            labels: session.about.labels.clone(),
            build: session.about.build_id.clone(),
        }
    }

    pub(crate) fn serves(&self, asked: &Asked, ramp: Option<&Ramp>) -> bool {
        let is_of_build = ramp.is_some_and(|ramp| ramp.build == self.build);
        satisfies(&self.labels, &asked.requires)
            && match asked.side {
                Side::Any => true,
                Side::Build => is_of_build,
                Side::Others => !is_of_build,
            }
    }

    fn key(&self) -> (usize, &Labels, &str) {
        (self.labels.len(), &self.labels, &self.build)
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Ramp {
    /// Whether it sends any execution to workers of this build.
    pub(crate) fn admits(&self, build: &str) -> bool {
        match self.percent {
            0 => *self.build != *build,
            100.. => *self.build == *build,
            _ => true,
        }
    }
}

impl Side {
    /// The same for all tasks of an execution, and for as long as the share stays; a greater share adds to it.
    pub(super) fn of(execution: ExecutionId, ramp: Option<&Ramp>) -> Self {
        match ramp {
            None => Self::Any,
            Some(ramp) if percentile(execution) < u64::from(ramp.percent) => Self::Build,
            Some(_) => Self::Others,
        }
    }
}

/// Where an execution stands among all: 0 to 99.
fn percentile(execution: ExecutionId) -> u64 {
    let bytes = execution.0.to_be_bytes();
    // FNV-1a: ids may be alike in most of their bytes.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) % 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(percent: u32) -> Ramp {
        Ramp {
            build: "b2".into(),
            percent,
        }
    }

    #[test]
    fn a_share_is_of_about_so_many_executions_and_only_grows() {
        let mut before = Vec::new();
        for (percent, about) in [
            (0, 0..=0),
            (5, 400..=600),
            (50, 4800..=5200),
            (100, 10_000..=10_000),
        ] {
            let ramp = ramp(percent);
            let of_build = |id: &u128| Side::of(ExecutionId(*id), Some(&ramp)) == Side::Build;
            let chosen: Vec<u128> = (0..10_000).filter(of_build).collect();
            assert!(about.contains(&chosen.len()), "{percent}: {}", chosen.len());
            assert!(before.iter().all(|id| chosen.contains(id)), "{percent}");
            before = chosen;
        }
        assert_eq!(Side::of(ExecutionId(1), None), Side::Any);
    }

    #[test]
    fn a_worker_serves_the_side_of_its_build() {
        let kind = |build: &str| Kind {
            build: build.into(),
            ..Kind::poller()
        };
        let asked = |side| Asked {
            requires: no_labels(),
            side,
        };
        let ramp = ramp(50);
        for (build, side, serves) in [
            ("b2", Side::Build, true),
            ("b1", Side::Build, false),
            ("", Side::Build, false),
            ("b2", Side::Others, false),
            ("b1", Side::Others, true),
            ("", Side::Others, true),
            ("b1", Side::Any, true),
        ] {
            assert_eq!(
                kind(build).serves(&asked(side), Some(&ramp)),
                serves,
                "{build} {side:?}"
            );
        }
    }
}
