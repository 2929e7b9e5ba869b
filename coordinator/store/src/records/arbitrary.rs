//! Strategies and samples of everything that records hold. A payload's text is a function of its id, as in an execution.

mod kinds;

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stepfleet_asl::Payload;
use stepfleet_asl::program::{ScopeId, StateId};
use stepfleet_engine::event::{Failure, Handle, TaskResource};
use stepfleet_engine::execution::{
    ActivityWork, EffectiveInput, Frame, Header, MapWork, ParallelWork, Phase, Progress, Redrive,
    Redrives, StateKind, Status, Stay, TaskStage, TaskWork, Unfinished, Work,
};
use stepfleet_engine::{
    Attempt, Data, Event, EventBody, EventId, EventSeq, Execution, ExecutionId, FrameId, KeyHash,
    PayloadId, SessionId, Timestamp, Variables, Worker,
};

use self::kinds::{kinds, statuses};
use super::listing::Summary;
use super::live::{Live, Offer};
use super::record::ControlChange;

/// Kinds of event body.
pub(crate) const BODIES: usize = 44;
/// Kinds of work, and of phases.
const WORKS: usize = 8;
const PHASES: usize = 4;

/// Material for one event or frame.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) payload: u32,
    pub(crate) at: i64,
    pub(crate) name: Arc<str>,
    pub(crate) text: Option<Arc<str>>,
    pub(crate) seconds: Option<u32>,
    pub(crate) session: Option<u128>,
    pub(crate) kind: StateKind,
    /// Names, and numbers of which the values are a function.
    pub(crate) variables: Vec<(Arc<str>, u32)>,
    /// Whether it has what came with redrives.
    pub(crate) redrives: bool,
    /// Whether tasks of integrations tell when they were scheduled.
    pub(crate) times: bool,
    /// Whether tasks told of their progress.
    pub(crate) progress: bool,
    /// Whether tasks of integrations have what came with connectors.
    pub(crate) connectors: bool,
}

pub(crate) fn data(id: u32) -> Data {
    let text = format!(
        "{{\"number\":{id},\"text\":\"{}\"}}",
        "é".repeat(usize::try_from(id % 90).unwrap())
    );
    Data {
        id: PayloadId(id),
        payload: Payload::trusted(text),
    }
}

fn text() -> impl Strategy<Value = Arc<str>> {
    "[ -~é]{0,12}".prop_map(Arc::from)
}

fn at() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), 1_700_000_000_000..1_800_000_000_000_i64]
}

pub(crate) fn parts() -> impl Strategy<Value = Parts> {
    let numbers = (any::<u32>(), 0..300_u32, 1..400_u32, at());
    let texts = (
        text(),
        option::of(text()),
        option::of(any::<u32>()),
        option::of(any::<u128>()),
        kinds(),
    );
    let variables = vec((text(), 1..400_u32), 0..3);
    (numbers, texts, variables, any::<(bool, bool, bool, bool)>()).prop_map(
        |(
            (a, b, payload, at),
            (name, text, seconds, session, kind),
            variables,
            (redrives, times, progress, connectors),
        )| Parts {
            a,
            b,
            payload,
            at,
            name,
            text,
            seconds,
            session,
            kind,
            variables,
            redrives,
            times,
            progress,
            connectors,
        },
    )
}

impl Parts {
    /// The same ones always.
    pub(crate) fn sample() -> Self {
        Self {
            a: 300,
            b: 7,
            payload: 2,
            at: 1_763_690_000_123,
            name: "arn:aws:states:us-east-1:000000000000:activity:pack".into(),
            text: Some("Error.Of Ünicode".into()),
            seconds: Some(3600),
            session: Some(0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10),
            kind: StateKind::Task,
            variables: Vec::new(),
            redrives: false,
            times: false,
            progress: false,
            connectors: false,
        }
    }

    fn failure(&self) -> Failure {
        Failure {
            error: self.text.clone(),
            cause: self.seconds.map(|_| Arc::clone(&self.name)),
        }
    }

    fn resource(&self) -> TaskResource {
        TaskResource {
            service: Arc::clone(&self.name),
            action: "send.waitForTaskToken".into(),
        }
    }

    fn worker(&self) -> Worker {
        Worker {
            name: self.text.clone(),
            session: self.session.map(SessionId),
        }
    }

    fn variables(&self) -> Variables {
        let variables = self.variables.iter();
        variables
            .map(|(name, number)| (Arc::clone(name), data(*number).payload))
            .collect()
    }

    pub(crate) fn header(&self) -> Arc<Header> {
        Arc::new(Header {
            id: ExecutionId(self.session.unwrap_or(77)),
            hash: KeyHash(self.a.to_le_bytes()[0].into()),
            namespace: "000000000000".into(),
            machine_name: Arc::clone(&self.name),
            machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:m".into(),
            execution_arn: "arn:aws:states:us-east-1:000000000000:execution:m:n".into(),
            name: Arc::clone(&self.name),
            incarnation: self.b,
            revision: u64::from(self.a),
            role_arn: "arn:aws:iam::000000000000:role/r".into(),
            trace_header: self.text.clone(),
            version_arn: self.seconds.map(|_| "v".into()),
            alias_arn: self.text.clone(),
            origin: self.session.map(|_| "parent".into()),
        })
    }

    /// A body of each kind.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
    pub(crate) fn body(&self, number: usize) -> EventBody {
        use EventBody as E;
        let (frame, child) = (FrameId(self.a), FrameId(self.b));
        let (name, index) = (Arc::clone(&self.name), self.b);
        let (failure, resource, data) = (self.failure(), self.resource(), data(self.payload));
        let (timeout_seconds, heartbeat_seconds) =
            (self.seconds, self.seconds.map(|seconds| seconds / 2));
        let (state, scope, kind, until) = (
            StateId(self.b),
            ScopeId(self.b),
            self.kind,
            Timestamp(self.at),
        );
        match number {
            0 => E::ExecutionStarted {
                header: self.header(),
                input: data,
                deadline: self.seconds.map(|_| until),
                keeps_frames: self.redrives,
            },
            1 => E::ExecutionSucceeded { output: data },
            2 => E::ExecutionFailed(failure),
            3 => E::ExecutionAborted(failure),
            4 => E::ExecutionTimedOut(failure),
            5 => E::StateEntered {
                frame,
                state,
                kind,
                name,
                input: data,
            },
            6 => E::StateExited {
                frame,
                kind,
                name,
                output: data,
                assigned: self.variables(),
                next: self.seconds.map(StateId),
            },
            7 => E::StateAborted { frame, kind },
            8 => E::ActivityScheduled {
                frame,
                activity: name,
                input: data,
                timeout_seconds,
                heartbeat_seconds,
            },
            9 => E::ActivityScheduleFailed { frame, failure },
            10 => E::ActivityStarted {
                frame,
                worker: self.worker(),
            },
            11 => E::ActivitySucceeded {
                frame,
                output: data,
            },
            12 => E::ActivityFailed { frame, failure },
            13 => E::ActivityTimedOut { frame, failure },
            14 => E::TaskScheduled {
                frame,
                resource,
                region: name,
                parameters: data,
                timeout_seconds,
                heartbeat_seconds,
            },
            15 => E::TaskStarted { frame, resource },
            16 => E::TaskStartFailed {
                frame,
                resource,
                failure,
            },
            17 => E::TaskSubmitted {
                frame,
                resource,
                output: data,
            },
            18 => E::TaskSubmitFailed {
                frame,
                resource,
                failure,
            },
            19 => E::TaskSucceeded {
                frame,
                resource,
                output: data,
            },
            20 => E::TaskFailed {
                frame,
                resource,
                failure,
            },
            21 => E::TaskTimedOut {
                frame,
                resource,
                failure,
            },
            22 => E::ParallelStateStarted {
                frame,
                branches: index,
            },
            23 => E::ParallelStateSucceeded { frame },
            24 => E::ParallelStateFailed { frame },
            25 => E::MapStateStarted {
                frame,
                items: data,
                length: index,
                max_concurrency: self.a,
            },
            26 => E::MapStateSucceeded { frame },
            27 => E::MapStateFailed { frame },
            28 => E::MapIterationStarted {
                frame,
                child,
                scope,
                name,
                index,
                input: data,
            },
            29 => E::MapIterationSucceeded { frame, name, index },
            30 => E::MapIterationFailed { frame, name, index },
            31 => E::MapIterationAborted { frame, name, index },
            32 => E::BranchStarted {
                frame,
                child,
                scope,
                index,
                input: data,
            },
            33 => E::BranchSucceeded {
                frame,
                child,
                index,
                output: data,
            },
            34 => E::WaitScheduled { frame, until },
            35 => E::RetryScheduled {
                frame,
                retrier: index,
                until,
            },
            36 => E::ActivityReoffered { frame },
            37 => E::ActivityRestarted {
                frame,
                worker: self.worker(),
            },
            38 => E::BranchFailed { frame, child },
            39 => E::EvaluationFailed {
                frame,
                location: "Output/result".into(),
                name,
                failure,
            },
            40 => E::ExecutionRedriven {
                count: self.a,
                deadline: self.seconds.map(|_| until),
                client_token: self.text.clone(),
                status: Status::TimedOut,
                closed_at: until,
            },
            41 => E::ProgressRecorded {
                frame,
                details: name,
                at: until,
            },
            42 => E::StartOffered {
                frame,
                activity: name,
                input: data,
                heartbeat_seconds,
            },
            _ => E::HandleGiven {
                frame,
                handle: self.handle(),
            },
        }
    }

    fn handle(&self) -> Handle {
        Handle {
            text: Arc::clone(&self.name),
            place: self.text.clone().unwrap_or_default(),
        }
    }

    fn activity(&self) -> ActivityWork {
        let until = Timestamp(self.at);
        ActivityWork {
            activity: Arc::clone(&self.name),
            input: data(self.payload),
            generation: self.b,
            scheduled_at: until,
            started_at: self.session.map(|_| until),
            worker: self.worker(),
            deadline: self.seconds.map(|_| until),
            heartbeat_seconds: self.seconds,
            heartbeat_deadline: self.session.map(|_| until),
        }
    }

    fn work(&self, number: usize) -> Work {
        let until = Timestamp(self.at);
        let (deadline, heartbeat_seconds) = (self.seconds.map(|_| until), self.seconds);
        let heartbeat_deadline = self.session.map(|_| until);
        let results = || {
            (0..self.b % 5)
                .map(|index| (index % 2 == 0).then(|| data(self.payload + index)))
                .collect()
        };
        match number {
            0 => Work::Entered,
            1 => Work::Activity(self.activity()),
            2 => Work::Task(TaskWork {
                resource: self.resource(),
                parameters: data(self.payload),
                stage: [
                    TaskStage::Scheduled,
                    TaskStage::Started,
                    TaskStage::Submitted,
                ][usize::try_from(self.b % 3).unwrap()],
                scheduled_at: self.times.then_some(until),
                deadline,
                heartbeat_seconds,
                heartbeat_deadline,
                start: self.connectors.then(|| Box::new(self.activity())),
                handle: self.connectors.then(|| Box::new(self.handle())),
            }),
            3 => Work::Waiting { until },
            4 => Work::Backoff { until },
            5 => Work::Parallel(ParallelWork {
                results: results(),
                started: self.b,
            }),
            6 => Work::Map(MapWork {
                items: data(self.payload),
                max_concurrency: self.b,
                started: self.a,
                finished: self.b,
                results: results(),
                input: EffectiveInput::default(),
            }),
            _ => Work::Over,
        }
    }

    fn said(&self) -> Progress {
        Progress {
            details: Arc::clone(&self.name),
            at: Timestamp(self.at),
            recorded_at: self.seconds.map(|_| Timestamp(self.at).plus_ms(-7)),
            is_recorded: self.b.is_multiple_of(2),
        }
    }

    pub(crate) fn frame(&self, phase: usize, work: usize) -> Frame {
        let stay = || Stay {
            state: StateId(self.b),
            kind: self.kind,
            name: Arc::clone(&self.name),
            entry: EventId(u64::from(self.a)),
            entered_at: Timestamp(self.at),
            attempt: self.b,
            first_attempt: if self.redrives { self.a } else { 0 },
            retries: (0..self.b % 4).collect(),
            work: self.work(work),
            unfinished: None,
            progress: self.progress.then(|| Box::new(self.said())),
        };
        Frame {
            id: FrameId(self.a),
            parent: self.seconds.map(|index| (FrameId(self.b), index)),
            scope: ScopeId(self.b),
            last_event: EventId(u64::from(self.b)),
            input: data(self.payload + 1),
            variables: self.variables(),
            phase: match phase {
                0 => Phase::Starting,
                1 => Phase::Ready {
                    state: StateId(self.b),
                },
                2 => Phase::Inside(Box::new(stay())),
                _ => Phase::Finished {
                    output: data(self.payload),
                },
            },
        }
    }

    pub(crate) fn execution(&self, status: Status, frames: Vec<Frame>) -> Execution {
        Execution {
            header: self.header(),
            status,
            started_at: Timestamp(self.at),
            closed_at: (status != Status::Running).then_some(Timestamp(self.at / 2)),
            input: data(self.payload),
            output: (status == Status::Succeeded).then(|| data(self.b + 1)),
            failure: (status == Status::Failed).then(|| self.failure()),
            deadline: self.seconds.map(|_| Timestamp(self.at)),
            last_event: EventId(u64::from(self.a)),
            last_seq: EventSeq(u64::from(self.a) + 3),
            last_payload: PayloadId(self.payload),
            next_frame: FrameId(self.b),
            frames: frames.into(),
            keeps_frames: self.redrives,
            kept: if self.redrives {
                (5..8).map(|work| self.kept(work)).collect()
            } else {
                Vec::new()
            },
            redrives: self.redrives.then(|| {
                Box::new(Redrives {
                    count: self.a,
                    at: Timestamp(self.at),
                    by_token: self.by_token(),
                })
            }),
        }
    }

    /// A frame whose work is over, with what it had got to.
    fn kept(&self, work: usize) -> Frame {
        let mut frame = self.frame(2, 7);
        if let Phase::Inside(stay) = &mut frame.phase {
            stay.unfinished = match self.work(work) {
                Work::Parallel(work) => Some(Box::new(Unfinished::Parallel(work))),
                Work::Map(work) => Some(Box::new(Unfinished::Map(work))),
                Work::Entered
                | Work::Activity(_)
                | Work::Task(_)
                | Work::Waiting { .. }
                | Work::Backoff { .. }
                | Work::Over => None,
            };
        }
        frame
    }

    fn by_token(&self) -> Vec<Redrive> {
        let tokens = self.text.iter().chain([&self.name]);
        tokens
            .map(|client_token| Redrive {
                client_token: client_token.clone(),
                at: Timestamp(self.at).plus_ms(-1),
            })
            .collect()
    }
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    (parts(), 0..BODIES).prop_map(|(parts, body)| Event {
        previous: EventId(u64::from(parts.a)),
        body: parts.body(body),
    })
}

pub(crate) fn execution() -> impl Strategy<Value = Execution> {
    let frame =
        (parts(), 0..PHASES, 0..WORKS).prop_map(|(parts, phase, work)| parts.frame(phase, work));
    (parts(), statuses(), vec(frame, 0..4))
        .prop_map(|(parts, status, frames)| parts.execution(status, frames))
}

pub(crate) fn summary() -> impl Strategy<Value = Summary> {
    (parts(), statuses(), any::<u128>()).prop_map(|(parts, status, id)| {
        let summary = Summary::of(&parts.execution(status, Vec::new()));
        Summary {
            id: ExecutionId(id),
            namespace: "1".into(),
            machine_name: "m".into(),
            ..summary
        }
    })
}

pub(crate) fn live() -> impl Strategy<Value = Live> {
    let offer = parts().prop_map(|parts| Offer {
        activity: Arc::clone(&parts.name),
        attempt: Attempt {
            entry: EventId(u64::from(parts.a)),
            attempt: parts.b,
            generation: parts.payload,
        },
        scheduled_at: Timestamp(parts.at),
        placement: (parts.a % 2 == 0).then(|| Arc::clone(&parts.name)),
    });
    let times = (option::of(at()), at(), option::of(at()));
    (any::<u16>(), times, vec(offer, 0..4), text(), any::<bool>()).prop_map(
        |(hash, (deadline, runs_since, callback_since), offers, machine_arn, held_by_session)| {
            Live {
                hash: KeyHash(hash),
                deadline: deadline.map(Timestamp),
                offers,
                machine_arn,
                runs_since: Timestamp(runs_since),
                callback_since: callback_since.map(Timestamp),
                held_by_session,
            }
        },
    )
}

pub(crate) fn control_change() -> impl Strategy<Value = ControlChange> {
    let value = option::of(vec(any::<u8>(), 0..300));
    (vec(any::<u8>(), 0..20), any::<u64>(), value).prop_map(|(key, version, value)| ControlChange {
        key,
        version,
        value,
    })
}
