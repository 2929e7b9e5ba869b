//! Strategies of what has a few values.

use proptest::prelude::*;
use stepfleet_engine::execution::{StateKind, Status};

pub(super) fn kinds() -> impl Strategy<Value = StateKind> {
    proptest::sample::select(vec![
        StateKind::Pass,
        StateKind::Task,
        StateKind::Choice,
        StateKind::Wait,
        StateKind::Succeed,
        StateKind::Fail,
        StateKind::Parallel,
        StateKind::Map,
    ])
}

pub(super) fn statuses() -> impl Strategy<Value = Status> {
    let all = vec![
        Status::Running,
        Status::Succeeded,
        Status::Failed,
        Status::TimedOut,
        Status::Aborted,
    ];
    proptest::sample::select(all)
}
