//! One execution under test: its clock, its inputs, and the invariants that hold after every decision.

use std::collections::BTreeSet;
use std::sync::Arc;

use stepfleet_asl::definition::{self, MachineType, Options};
use stepfleet_asl::resource::Pattern;
use stepfleet_asl::{Patience, Payload, Program};
use stepfleet_engine::event::Failure;
use stepfleet_engine::execution::{Header, Phase, Status, TaskStage, Work};
use stepfleet_engine::limits::{DECISION_TRANSITIONS_MAX, Limits};
use stepfleet_engine::{
    Attempt, Command, Decision, Env, Event, EventBody, EventId, Execution, ExecutionId, Input,
    KeyHash, Rejection, Timestamp, apply, decide, next_deadline, outstanding, project, start,
};

use crate::services::TestServices;

/// 2026-01-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600_000);

pub(crate) struct World {
    pub(crate) program: Program,
    pub(crate) execution: Execution,
    pub(crate) now: Timestamp,
    pub(crate) limits: Limits,
    pub(crate) log: Vec<(Timestamp, Event)>,
    accepted: BTreeSet<Attempt>,
    /// Attempts that were open once, and are no more.
    pub(crate) over: BTreeSet<Attempt>,
    entropy: u64,
}

pub(crate) fn compile(definition: &str) -> Program {
    let options = Options {
        machine_type: MachineType::Standard,
        served: &|_| true,
        connects: &|it| &*it.service == "acme",
    };
    definition::compile(definition, &options)
        .unwrap_or_else(|findings| panic!("{findings:#?}\n{definition}"))
}

pub(crate) fn header() -> Header {
    Header {
        id: ExecutionId(1),
        hash: KeyHash(7),
        namespace: "111111111111".into(),
        machine_name: "<ArnPart_0idx>".into(),
        machine_arn: "arn:<partition>:states:<region>:111111111111:stateMachine:<ArnPart_0idx>".into(),
        execution_arn:
            "arn:<partition>:states:<region>:111111111111:execution:<ArnPart_0idx>:<ExecArnPart_0idx>"
                .into(),
        name: "<ExecArnPart_0idx>".into(),
        incarnation: 0,
        revision: 1,
        role_arn: "snf_role_arn".into(),
        trace_header: None,
        version_arn: None,
        alias_arn: None,
        origin: None,
    }
}

impl World {
    /// Starts an execution of `program`.
    pub(crate) fn start(program: Program, input: &str, limits: Limits) -> (Self, Decision) {
        let input = Payload::parse(input).expect("the script's input is JSON");
        let env = Env {
            now: START,
            entropy: 1,
            services: &TestServices,
            limits: &limits,
            patience: Patience::Full,
        };
        let decision = start(&program, Arc::new(header()), input, &env);
        let mut world = Self {
            program,
            execution: Execution::from_started(START, &decision.events[0]).unwrap(),
            now: START,
            limits,
            log: vec![(START, decision.events[0].clone())],
            accepted: BTreeSet::new(),
            over: BTreeSet::new(),
            entropy: 1,
        };
        let mut rest = decision.clone();
        rest.events.remove(0);
        world.take(&rest);
        (world, decision)
    }

    pub(crate) fn feed(&mut self, input: Input) -> Result<Decision, Rejection> {
        self.entropy += 1;
        let env = Env {
            now: self.now,
            entropy: self.entropy,
            services: &TestServices,
            limits: &self.limits,
            patience: Patience::Full,
        };
        let before = self.execution.clone();
        let result = decide(&self.program, &self.execution, &env, input.clone());
        assert_eq!(
            before, self.execution,
            "decide never writes the execution that it reads"
        );
        let decision = result?;
        if let Input::Succeeded { attempt, .. } | Input::Failed { attempt, .. } = &input {
            assert!(
                self.accepted.insert(*attempt),
                "{attempt:?} was accepted twice"
            );
        }
        self.take(&decision);
        Ok(decision)
    }

    /// Feeds `Continue` as long as the execution asks for it.
    pub(crate) fn settle(&mut self) {
        while outstanding(&self.execution).contains(&Command::Continue) {
            self.feed(Input::Continue)
                .expect("Continue is never rejected");
        }
    }

    /// Moves the clock to the next deadline, if there is one, and ticks.
    pub(crate) fn pass_time(&mut self) -> Option<Decision> {
        let deadline = next_deadline(&self.execution)?;
        self.now = self.now.max(deadline);
        Some(self.feed(Input::Tick).expect("Tick is never rejected"))
    }

    fn take(&mut self, decision: &Decision) {
        self.references_are_found(&decision.events);
        let open_before = self.attempts();
        for event in &decision.events {
            assert!(self.execution.admits(&event.body), "{event:?} does not fit");
            apply(&mut self.execution, self.now, event);
            self.log.push((self.now, event.clone()));
        }
        assert_eq!(
            self.execution, decision.execution,
            "applying the events gives the execution"
        );
        self.is_alive();
        self.frames_are_in_order();
        self.variables_are_of_one_block();
        self.attempts_open_once(&open_before);
        is_bounded(decision);
    }

    /// An event refers to a payload that is not new in this decision only when the execution before it holds it.
    fn references_are_found(&self, events: &[Event]) {
        let floor = self.execution.last_payload;
        for data in events.iter().filter_map(|event| event.body.data()) {
            if data.id <= floor {
                assert_eq!(
                    self.execution.payload(data.id).as_ref(),
                    Some(data),
                    "a reference to a payload that is not reachable: {data:?}"
                );
            }
        }
    }

    /// A live execution has something outstanding, a deadline, or an attempt in somebody's hands.
    fn is_alive(&self) {
        if !self.execution.is_running() {
            assert!(self.execution.frames.is_empty());
            let failed = self.execution.status != Status::Succeeded;
            assert_eq!(failed, !self.execution.kept.is_empty());
            assert_eq!(outstanding(&self.execution), vec![Command::Closed]);
            return;
        }
        let held = self
            .execution
            .frames
            .iter()
            .filter_map(|frame| frame.stay())
            .any(|stay| match &stay.work {
                Work::Activity(work) => work.started_at.is_some(),
                Work::Task(work) => {
                    let begins = work
                        .start
                        .as_ref()
                        .is_some_and(|it| it.started_at.is_some());
                    work.stage == TaskStage::Submitted || begins
                }
                Work::Entered
                | Work::Waiting { .. }
                | Work::Backoff { .. }
                | Work::Parallel(_)
                | Work::Map(_)
                | Work::Over => false,
            });
        assert!(
            held || !outstanding(&self.execution).is_empty()
                || next_deadline(&self.execution).is_some(),
            "nothing will ever move {:?}",
            self.execution
        );
    }

    /// A frame begins without variables, and holds none that a frame around it holds.
    fn variables_are_of_one_block(&self) {
        for frame in &self.execution.frames {
            if frame.parent.is_some() && matches!(frame.phase, Phase::Starting) {
                assert!(frame.variables.is_empty(), "{frame:?} begins with some");
            }
            let around = frame.parent.and_then(|(id, _)| self.execution.frame(id));
            for (name, value) in frame.variables.iter() {
                assert_eq!(self.execution.variable(frame, name), Some(value));
                let outer = around.and_then(|around| self.execution.variable(around, name));
                assert_eq!(outer, None, "{name} is assigned around {frame:?}");
            }
        }
    }

    /// No token of the past opens anything: an attempt that is over stays over, whatever is retried or redriven.
    fn attempts_open_once(&mut self, open_before: &[Attempt]) {
        let open = self.attempts();
        for attempt in &open {
            assert!(!self.over.contains(attempt), "{attempt:?} opens again");
        }
        let ended = open_before.iter().filter(|attempt| !open.contains(attempt));
        self.over.extend(ended);
    }

    fn frames_are_in_order(&self) {
        // A redrive goes on with everything by the next decision.
        let redriven = matches!(
            self.log.last(),
            Some((_, event)) if matches!(event.body, EventBody::ExecutionRedriven { .. })
        );
        let (frames, kept) = (&self.execution.frames, &self.execution.kept);
        assert!(frames.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert!(kept.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert!(
            kept.is_empty() || frames.is_empty(),
            "kept while running: {kept:?}"
        );
        for frame in frames {
            assert!(
                redriven || !matches!(frame.phase, Phase::Finished { .. }),
                "{frame:?} ended between decisions"
            );
            if let Some(stay) = frame.stay() {
                assert!(
                    !matches!(stay.work, Work::Over | Work::Entered),
                    "{frame:?} hangs"
                );
                assert_eq!(stay.unfinished, None, "{frame:?} goes on");
            }
        }
    }

    /// Replays the whole log and compares; history ids have no gaps and name earlier events.
    pub(crate) fn check_replay(&self) {
        assert_eq!(
            self.replayed(),
            self.execution,
            "replaying the events gives the execution"
        );
    }

    /// As after a restart: the execution is what its events say, and nothing else is remembered.
    pub(crate) fn restore(&mut self) {
        self.execution = self.replayed();
    }

    fn replayed(&self) -> Execution {
        let (at, first) = &self.log[0];
        let mut replayed = Execution::from_started(*at, first).unwrap();
        let mut last = EventId(1);
        for (at, event) in &self.log[1..] {
            apply(&mut replayed, *at, event);
            if event.body.is_public() {
                last.0 += 1;
                let shown =
                    project(event, replayed.last_event, *at).expect("public events are shown");
                assert_eq!(shown.id, last);
                assert!(shown.previous < shown.id);
            } else {
                assert!(project(event, replayed.last_event, *at).is_none());
            }
        }
        replayed
    }

    /// Every attempt that a worker may be given or may hold now.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.execution
            .frames
            .iter()
            .filter_map(|frame| frame.stay())
            .flat_map(|stay| {
                let own = stay.open_attempt();
                let start = stay.start_attempt().filter(|_| match &stay.work {
                    Work::Task(work) => {
                        let waits = work.resource.pattern() == Pattern::RunJob;
                        work.stage != TaskStage::Submitted || waits
                    }
                    Work::Entered
                    | Work::Activity(_)
                    | Work::Waiting { .. }
                    | Work::Backoff { .. }
                    | Work::Parallel(_)
                    | Work::Map(_)
                    | Work::Over => false,
                });
                own.into_iter().chain(start)
            })
            .collect()
    }
}

pub(crate) fn failure(error: Option<&str>, cause: Option<&str>) -> Failure {
    Failure {
        error: error.map(Into::into),
        cause: cause.map(Into::into),
    }
}

/// No decision holds its partition for long, and its commands agree with what is outstanding.
fn is_bounded(decision: &Decision) {
    let transitions = decision.events.iter().filter(|event| {
        matches!(
            event.body,
            EventBody::StateEntered { .. } | EventBody::MapIterationStarted { .. }
        )
    });
    assert!(transitions.count() <= usize::try_from(DECISION_TRANSITIONS_MAX).unwrap());
    let outstanding = outstanding(&decision.execution);
    for command in &decision.commands {
        let is_known = match command {
            Command::Cancel { attempt } => {
                decision.execution.holder(*attempt).is_none_or(|frame| {
                    frame.stay().and_then(|stay| stay.open_attempt()) != Some(*attempt)
                })
            }
            // What is left may also be due, which the next tick finds.
            Command::Continue => true,
            Command::Offer { .. } | Command::StartTask { .. } | Command::Closed => {
                outstanding.contains(command)
            }
        };
        assert!(is_known, "{command:?} is not outstanding");
    }
}
