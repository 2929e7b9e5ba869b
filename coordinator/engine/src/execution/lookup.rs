//! Finding things in an execution: frames, attempts, payloads, work that is left.

use stepfleet_asl::Payload;

use crate::event::Data;
use crate::execution::{
    ActivityWork, Execution, Frame, Phase, Results, Status, Stay, TaskStage, TaskWork, Unfinished,
    Work,
};
use crate::ids::{Attempt, FrameId, PayloadId, Timestamp};
use crate::limits::PROGRESS_MS;

impl Execution {
    /// Whether it can still change.
    pub fn is_running(&self) -> bool {
        self.status == Status::Running
    }

    /// A live frame.
    pub fn frame(&self, id: FrameId) -> Option<&Frame> {
        self.position(id).and_then(|index| self.frames.get(index))
    }

    pub(crate) fn frame_mut(&mut self, id: FrameId) -> Option<&mut Frame> {
        self.position(id)
            .and_then(|index| self.frames.get_mut(index))
    }

    pub(crate) fn position(&self, id: FrameId) -> Option<usize> {
        self.frames.binary_search_by_key(&id, |frame| frame.id).ok()
    }

    /// Live frames directly below `parent`, ascending.
    pub(crate) fn children(&self, parent: FrameId) -> impl Iterator<Item = &Frame> {
        self.frames
            .iter()
            .filter(move |frame| frame.parent.is_some_and(|(id, _)| id == parent))
    }

    /// A variable as `frame` sees it: its own block's, else that of a block around it.
    pub fn variable(&self, frame: &Frame, name: &str) -> Option<&Payload> {
        let mut frame = self.frame(frame.id)?;
        loop {
            if let Some(value) = frame.variables.get(name) {
                return Some(value);
            }
            frame = self.frame(frame.parent?.0)?;
        }
    }

    /// The frame whose stay this attempt belongs to. Generations are not compared.
    pub fn holder(&self, attempt: Attempt) -> Option<&Frame> {
        self.frames.iter().find(|frame| {
            frame
                .stay()
                .is_some_and(|stay| stay.entry == attempt.entry && stay.attempt == attempt.attempt)
        })
    }

    /// The payload with this number, when the live state still reaches it. A decision refers to older payloads only
    /// through this, so a store can resolve references against the execution before the decision.
    pub fn payload(&self, id: PayloadId) -> Option<Data> {
        let own = [Some(&self.input), self.output.as_ref()];
        // Results are many, and what follows them is a payload of its own: they come last.
        let frames = || self.frames.iter().chain(&self.kept);
        own.into_iter()
            .flatten()
            .chain(frames().flat_map(Frame::current))
            .chain(frames().flat_map(Frame::results))
            .find(|data| data.id == id)
            .cloned()
    }
}

impl Frame {
    /// The stay in the current state, if the frame is inside one.
    pub fn stay(&self) -> Option<&Stay> {
        match &self.phase {
            Phase::Inside(stay) => Some(stay),
            Phase::Starting | Phase::Ready { .. } | Phase::Finished { .. } => None,
        }
    }

    pub(crate) fn stay_mut(&mut self) -> Option<&mut Stay> {
        match &mut self.phase {
            Phase::Inside(stay) => Some(stay),
            Phase::Starting | Phase::Ready { .. } | Phase::Finished { .. } => None,
        }
    }

    /// When time alone moves this frame on.
    pub fn due(&self) -> Option<Timestamp> {
        self.stay().and_then(|stay| stay.work.due())
    }

    /// See [`Stay::progress_due`].
    pub(crate) fn progress_due(&self) -> Option<Timestamp> {
        self.stay().and_then(Stay::progress_due)
    }

    /// Whether a bounded decision left this frame something to do at once.
    pub fn is_ready(&self) -> bool {
        match &self.phase {
            Phase::Starting | Phase::Ready { .. } => true,
            Phase::Inside(stay) => stay.work.is_ready(),
            Phase::Finished { .. } => true,
        }
    }

    /// The frame's input, and what its work was given or its end gave.
    fn current(&self) -> impl Iterator<Item = &Data> {
        let [other, start] = match &self.phase {
            Phase::Inside(stay) => [stay.given(), stay.work.start_given()],
            Phase::Finished { output } => [Some(output), None],
            Phase::Starting | Phase::Ready { .. } => [None, None],
        };
        std::iter::once(&self.input).chain(other).chain(start)
    }

    /// Results of children that have succeeded.
    fn results(&self) -> impl Iterator<Item = &Data> {
        self.stay()
            .and_then(Stay::results)
            .into_iter()
            .flat_map(Results::iter)
            .flatten()
    }
}

impl Stay {
    /// `State.RetryCount`.
    pub fn retry_count(&self) -> u32 {
        self.attempt.saturating_sub(self.first_attempt)
    }

    /// The attempt that is in flight here, if one is.
    pub fn open_attempt(&self) -> Option<Attempt> {
        let generation = match &self.work {
            Work::Activity(work) => work.generation,
            Work::Task(_) => 0,
            Work::Entered
            | Work::Waiting { .. }
            | Work::Backoff { .. }
            | Work::Parallel(_)
            | Work::Map(_)
            | Work::Over => return None,
        };
        Some(Attempt {
            entry: self.entry,
            attempt: self.attempt,
            generation,
        })
    }

    /// The token of the start that a worker does, when one does it.
    pub fn start_attempt(&self) -> Option<Attempt> {
        let generation = self.work.task()?.start.as_ref()?.generation;
        Some(Attempt {
            entry: self.entry,
            attempt: self.attempt,
            generation,
        })
    }

    /// What workers are offered or do here: an activity task, or the start of an integration's task.
    pub fn offered(&self) -> Option<(Attempt, &ActivityWork)> {
        if let Some(work) = self.work.activity() {
            return Some((self.open_attempt()?, work));
        }
        let work = self.work.task()?;
        let is_begun = work.stage == TaskStage::Submitted;
        let start = work.start.as_deref().filter(|_| !is_begun)?;
        Some((self.start_attempt()?, start))
    }

    /// When its progress is to be recorded, if what was said last is not: at once, and then no sooner than
    /// [`PROGRESS_MS`] after the record before.
    pub(crate) fn progress_due(&self) -> Option<Timestamp> {
        let progress = self.progress.as_ref().filter(|it| !it.is_recorded)?;
        if !self.work.tells_progress() {
            return None;
        }
        let after = |recorded: Timestamp| recorded.plus_ms(PROGRESS_MS);
        Some(progress.recorded_at.map_or(progress.at, after))
    }

    fn given(&self) -> Option<&Data> {
        match self.unfinished.as_deref() {
            Some(Unfinished::Map(work)) => Some(&work.items),
            Some(Unfinished::Parallel(_)) | None => self.work.given(),
        }
    }

    fn results(&self) -> Option<&Results> {
        match self.unfinished.as_deref() {
            Some(Unfinished::Map(work)) => Some(&work.results),
            Some(Unfinished::Parallel(work)) => Some(&work.results),
            None => self.work.results(),
        }
    }
}

impl Work {
    /// The activity task, where it is one.
    pub fn activity(&self) -> Option<&ActivityWork> {
        match self {
            Self::Activity(work) => Some(work),
            Self::Task(_)
            | Self::Entered
            | Self::Waiting { .. }
            | Self::Backoff { .. }
            | Self::Parallel(_)
            | Self::Map(_)
            | Self::Over => None,
        }
    }

    /// The task of an integration, where it is one.
    pub fn task(&self) -> Option<&TaskWork> {
        match self {
            Self::Task(work) => Some(work),
            Self::Activity(_)
            | Self::Entered
            | Self::Waiting { .. }
            | Self::Backoff { .. }
            | Self::Parallel(_)
            | Self::Map(_)
            | Self::Over => None,
        }
    }

    /// When time alone ends this work.
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Activity(work) => earliest(work.deadline, work.heartbeat_deadline),
            Self::Task(work) => earliest(work.deadline, work.heartbeat_deadline),
            Self::Waiting { until } | Self::Backoff { until } => Some(*until),
            Self::Entered | Self::Parallel(_) | Self::Map(_) | Self::Over => None,
        }
    }

    /// Whether somebody has the task in hand.
    fn tells_progress(&self) -> bool {
        match self.activity() {
            Some(work) => work.started_at.is_some(),
            None => self.task().is_some(),
        }
    }

    /// Whether it goes on by itself: iterations may begin, or all children had succeeded when the execution was closed.
    fn is_ready(&self) -> bool {
        match self {
            Self::Map(work) => work.has_room() || work.results.is_complete(),
            Self::Parallel(work) => work.results.is_complete(),
            Self::Entered
            | Self::Activity(_)
            | Self::Task(_)
            | Self::Waiting { .. }
            | Self::Backoff { .. }
            | Self::Over => false,
        }
    }

    fn given(&self) -> Option<&Data> {
        match self {
            Self::Activity(work) => Some(&work.input),
            Self::Task(work) => Some(&work.parameters),
            Self::Map(work) => Some(&work.items),
            Self::Entered
            | Self::Waiting { .. }
            | Self::Backoff { .. }
            | Self::Parallel(_)
            | Self::Over => None,
        }
    }

    /// What the worker is given that begins the task.
    fn start_given(&self) -> Option<&Data> {
        let start = self.task()?.start.as_ref();
        start.map(|start| &start.input)
    }

    fn results(&self) -> Option<&Results> {
        match self {
            Self::Parallel(work) => Some(&work.results),
            Self::Map(work) => Some(&work.results),
            Self::Entered
            | Self::Activity(_)
            | Self::Task(_)
            | Self::Waiting { .. }
            | Self::Backoff { .. }
            | Self::Over => None,
        }
    }
}

impl crate::execution::MapWork {
    /// Whether another iteration may begin now.
    pub fn has_room(&self) -> bool {
        let length = u32::try_from(self.results.len()).unwrap_or(u32::MAX);
        self.started < length && self.started.saturating_sub(self.finished) < self.max_concurrency
    }
}

/// The earlier of two times that may be absent.
pub(crate) fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (Some(time), None) | (None, Some(time)) => Some(time),
        (None, None) => None,
    }
}
