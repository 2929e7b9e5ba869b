//! Spans: one for each stay in a state, told when it ends, and one for the whole execution, told when it closes. What
//! is open began in an earlier decision and stands in the execution, so nothing is kept for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepfleet_engine::event::Failure;
use stepfleet_engine::execution::{Execution, Frame, Header, StateKind, Status};
use stepfleet_engine::{EventBody, EventId, FrameId, Timestamp};

use super::Decided;
use super::trace::Trace;

/// A span that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(super) trace_id: u128,
    pub(super) id: u64,
    pub(super) parent: Option<u64>,
    pub(super) header: Arc<Header>,
    /// None of the execution itself.
    pub(super) state: Option<(Arc<str>, StateKind)>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) status: SpanStatus,
    pub(super) redrive_count: u32,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SpanStatus {
    Good,
    Failed(Failure),
    Aborted,
}

/// A stay that has not ended.
#[derive(Clone, Debug)]
struct Open {
    entry: EventId,
    name: Arc<str>,
    kind: StateKind,
    since: Timestamp,
}

/// One decision's way through the spans.
struct Walk<'a> {
    trace: Trace,
    before: Option<&'a Execution>,
    decided: &'a Decided<'a>,
    /// Entered in this decision.
    entered: BTreeMap<FrameId, Open>,
    /// Begun in this decision, with the frames that wait for them.
    parents: BTreeMap<FrameId, FrameId>,
    failures: BTreeMap<FrameId, Failure>,
    /// Left in this decision.
    left: BTreeMap<FrameId, EventId>,
    spans: Vec<Span>,
}

/// The spans that a decision ends.
pub(super) fn ended(trace: Trace, decided: &Decided<'_>) -> Vec<Span> {
    let mut walk = Walk {
        trace,
        before: decided.before,
        decided,
        entered: BTreeMap::new(),
        parents: BTreeMap::new(),
        failures: BTreeMap::new(),
        left: BTreeMap::new(),
        spans: Vec::new(),
    };
    let mut id = decided.last_event;
    for event in decided.events {
        if event.body.is_public() {
            id = EventId(id.0 + 1);
        }
        walk.take(id, &event.body);
    }
    walk.spans
}

impl Walk<'_> {
    fn take(&mut self, id: EventId, body: &EventBody) {
        if let EventBody::StateEntered {
            frame, kind, name, ..
        } = body
        {
            let open = Open {
                entry: id,
                name: name.clone(),
                kind: *kind,
                since: self.decided.at,
            };
            self.left.remove(frame);
            self.entered.insert(*frame, open);
        } else if let EventBody::StateExited { frame, .. } = body {
            let failure = self.failures.remove(frame);
            let status = failure.map_or(SpanStatus::Good, SpanStatus::Failed);
            self.leave(*frame, status);
        } else if let EventBody::StateAborted { frame, .. } = body {
            let failure = self.failures.remove(frame);
            let status = failure.map_or(SpanStatus::Aborted, SpanStatus::Failed);
            self.leave(*frame, status);
        } else if let EventBody::BranchFailed { child, .. } = body {
            let failure = self.failures.remove(child).unwrap_or_default();
            self.leave(*child, SpanStatus::Failed(failure));
        } else if let EventBody::RetryScheduled { frame, .. } = body {
            self.failures.remove(frame);
        } else if let EventBody::BranchStarted { frame, child, .. }
        | EventBody::MapIterationStarted { frame, child, .. } = body
        {
            self.parents.insert(*child, *frame);
        } else if let Some((frame, failure)) = failed(body) {
            self.failures.insert(frame, failure.clone());
        } else if body.closes() {
            self.close(body);
        }
    }

    /// A stay has ended, unless it is known to have.
    fn leave(&mut self, frame: FrameId, status: SpanStatus) {
        let Some(open) = self.open(frame) else {
            return;
        };
        let parent = self.parent(frame).unwrap_or(self.trace.root());
        self.entered.remove(&frame);
        self.left.insert(frame, open.entry);
        let execution = self.decided.execution;
        let runs_since = execution.runs_since();
        self.spans.push(Span {
            trace_id: self.trace.id,
            id: self.trace.span(open.entry),
            parent: Some(parent),
            header: execution.header.clone(),
            state: Some((open.name, open.kind)),
            from: open.since.max(runs_since),
            to: self.decided.at,
            status,
            redrive_count: execution.redrive_count(),
        });
    }

    /// What is open ends with the execution; what failed has failed it.
    fn close(&mut self, body: &EventBody) {
        let failure = end(body);
        let before = self.before.into_iter().flat_map(|before| &before.frames);
        let before = before.filter(|frame| frame.stay().is_some());
        let mut open: Vec<FrameId> = before.map(|frame| frame.id).collect();
        open.extend(self.entered.keys());
        // Inner ones first.
        open.sort_unstable_by(|one, other| other.cmp(one));
        open.dedup();
        let aborted = matches!(body, EventBody::ExecutionAborted(_));
        for frame in open {
            let own = self.failures.remove(&frame);
            let status = match own.or_else(|| failure.cloned()) {
                Some(failure) if !aborted => SpanStatus::Failed(failure),
                Some(_) | None => SpanStatus::Aborted,
            };
            self.leave(frame, status);
        }
        let execution = self.decided.execution;
        self.spans.push(Span {
            trace_id: self.trace.id,
            id: self.trace.root(),
            parent: self.trace.before_redrive().or(self.trace.parent),
            header: execution.header.clone(),
            state: None,
            from: execution.runs_since(),
            to: self.decided.at,
            status: match (execution.status, failure) {
                (Status::Aborted, _) => SpanStatus::Aborted,
                (_, Some(failure)) => SpanStatus::Failed(failure.clone()),
                (_, None) => SpanStatus::Good,
            },
            redrive_count: execution.redrive_count(),
        });
    }

    fn open(&self, frame: FrameId) -> Option<Open> {
        if self.left.contains_key(&frame) {
            return None;
        }
        if let Some(open) = self.entered.get(&frame) {
            return Some(open.clone());
        }
        let stay = self.before?.frame(frame)?.stay()?;
        Some(Open {
            entry: stay.entry,
            name: stay.name.clone(),
            kind: stay.kind,
            since: stay.entered_at,
        })
    }

    /// The span of the state that contains a frame.
    fn parent(&self, frame: FrameId) -> Option<u64> {
        let above = |execution: &Execution| execution.frame(frame).and_then(|frame| frame.parent);
        let known = self.parents.get(&frame).copied();
        let before = || self.before.and_then(above).map(|(parent, _)| parent);
        let parent = known.or_else(before)?;
        let entered = self.entered.get(&parent).map(|open| open.entry);
        let left = || self.left.get(&parent).copied();
        let stays = || {
            let stay = self.before?.frame(parent).and_then(Frame::stay)?;
            Some(stay.entry)
        };
        let entry = entered.or_else(left).or_else(stays)?;
        Some(self.trace.span(entry))
    }
}

/// A failure of what a state does. Whether it is the end of the state is told by what follows.
fn failed(body: &EventBody) -> Option<(FrameId, &Failure)> {
    if let EventBody::ActivityScheduleFailed { frame, failure }
    | EventBody::ActivityFailed { frame, failure }
    | EventBody::ActivityTimedOut { frame, failure }
    | EventBody::TaskStartFailed { frame, failure, .. }
    | EventBody::TaskSubmitFailed { frame, failure, .. }
    | EventBody::TaskFailed { frame, failure, .. }
    | EventBody::TaskTimedOut { frame, failure, .. }
    | EventBody::EvaluationFailed { frame, failure, .. } = body
    {
        Some((*frame, failure))
    } else {
        None
    }
}

/// Why an execution closes.
fn end(body: &EventBody) -> Option<&Failure> {
    if let EventBody::ExecutionFailed(failure)
    | EventBody::ExecutionTimedOut(failure)
    | EventBody::ExecutionAborted(failure) = body
    {
        Some(failure)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
