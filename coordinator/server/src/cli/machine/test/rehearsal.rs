//! A whole machine on a clock that moves by itself: whenever nothing can go on, it moves to the next deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stepfleet_asl::program::Kind;
use stepfleet_asl::resource::{Integration, Pattern, Resource};
use stepfleet_asl::{Patience, Payload, Program};
use stepfleet_engine::event::Failure;
use stepfleet_engine::execution::{Frame, Header, Status, Work};
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{
    Attempt, Decision, Env, EventBody, Execution, ExecutionId, Input, KeyHash, Served, Services,
    TaskRef, Timestamp, Worker, decide, next_deadline, start,
};

use super::case::{Answer, Case};
use super::verdict::Seen;

const ACCOUNT: &str = "arn:aws:states:us-east-1:000000000000";

/// An installation where every activity exists and everything is served.
struct Everything;

impl Services for Everything {
    fn token(&self, task: &TaskRef) -> String {
        format!("token-{}-{}", task.attempt.entry.0, task.attempt.attempt)
    }

    fn callback_url(&self, task: &TaskRef, _: &Header, _: Timestamp) -> Option<String> {
        Some(format!(
            "https://stepfleet.invalid/callbacks/{}",
            self.token(task)
        ))
    }

    fn activity_exists(&self, _: &str) -> bool {
        true
    }

    fn served(&self, integration: &Integration) -> Served {
        match integration.pattern {
            Pattern::Callback => Served::Waits,
            Pattern::RequestResponse | Pattern::RunJob => Served::Starts,
        }
    }

    fn region(&self) -> Arc<str> {
        "us-east-1".into()
    }

    fn serves(&self, _: &Resource) -> bool {
        true
    }
}

/// An execution on its way.
struct Rehearsal<'a> {
    case: &'a Case,
    program: &'a Program,
    limits: Limits,
    now: Timestamp,
    /// Decisions so far; each draws from entropy of its own.
    decisions: u64,
    execution: Execution,
    states: Vec<String>,
    /// How many attempts at each state's task were answered.
    answered: BTreeMap<Arc<str>, usize>,
    /// Attempts that nobody answers.
    left_alone: BTreeSet<Attempt>,
    /// What the execution failed with.
    failure: Failure,
}

/// Refuses answers of states that are no tasks.
pub(super) fn check(case: &Case, program: &Program) -> Result<(), String> {
    for name in case.tasks.keys() {
        let state = program.states.iter().find(|state| *state.name == **name);
        match state.map(|state| &state.kind) {
            Some(Kind::Task(_)) => {}
            Some(_) => return Err(format!("tasks.{name}: the state is not a Task")),
            None => return Err(format!("tasks.{name}: the definition has no such state")),
        }
    }
    Ok(())
}

pub(super) fn run(case: &Case, program: &Program, now_ms: i64) -> Result<Seen, String> {
    let input = Payload::parse(case.input()).map_err(|error| format!("input: {error}"))?;
    let (limits, now) = (Limits::default(), Timestamp(now_ms));
    let begun = start(program, header(now), input, &env(&limits, now, 0));
    let mut rehearsal = Rehearsal {
        case,
        program,
        limits,
        now,
        decisions: 0,
        execution: begun.execution.clone(),
        states: Vec::new(),
        answered: BTreeMap::new(),
        left_alone: BTreeSet::new(),
        failure: Failure::default(),
    };
    rehearsal.take(begun);
    while rehearsal.execution.is_running() {
        rehearsal.go_on()?;
    }
    Ok(rehearsal.seen())
}

fn header(now: Timestamp) -> Arc<Header> {
    Arc::new(Header {
        id: ExecutionId(0),
        hash: KeyHash(0),
        namespace: "000000000000".into(),
        machine_name: "machine".into(),
        machine_arn: format!("{ACCOUNT}:stateMachine:machine").into(),
        execution_arn: format!("{ACCOUNT}:execution:machine:test").into(),
        name: "test".into(),
        incarnation: u32::try_from(now.0 / 1000).unwrap_or(0),
        revision: 0,
        role_arn: "arn:aws:iam::000000000000:role/test".into(),
        trace_header: None,
        version_arn: None,
        alias_arn: None,
        origin: None,
    })
}

fn env(limits: &Limits, now: Timestamp, entropy: u64) -> Env<'_> {
    Env {
        now,
        entropy,
        services: &Everything,
        limits,
        patience: Patience::Full,
    }
}

impl Rehearsal<'_> {
    /// The next thing that happens: what is ready goes on, else a task is answered, else time passes.
    fn go_on(&mut self) -> Result<(), String> {
        if self.execution.frames.iter().any(Frame::is_ready) {
            return self.feed(Input::Continue);
        }
        if let Some((name, attempt, is_offered)) = self.open_task() {
            if is_offered {
                let worker = Worker::default();
                return self.feed(Input::Started { attempt, worker });
            }
            return self.answer(&name, attempt);
        }
        let Some(deadline) = next_deadline(&self.execution) else {
            let names: Vec<&str> = self.waiting().collect();
            return Err(format!(
                "nobody answers {}, and no TimeoutSeconds ends the wait",
                names.join(", ")
            ));
        };
        self.now = self.now.max(deadline);
        self.feed(Input::Tick)
    }

    /// The first task that is open and not left alone, with its state, and whether it waits for a worker.
    fn open_task(&self) -> Option<(Arc<str>, Attempt, bool)> {
        self.execution.frames.iter().find_map(|frame| {
            let stay = frame.stay()?;
            let attempt = stay.open_attempt()?;
            let is_offered =
                matches!(&stay.work, Work::Activity(work) if work.started_at.is_none());
            (!self.left_alone.contains(&attempt)).then(|| (stay.name.clone(), attempt, is_offered))
        })
    }

    fn answer(&mut self, name: &Arc<str>, attempt: Attempt) -> Result<(), String> {
        let Some(answers) = self.case.tasks.get(&**name) else {
            return Err(format!(
                "the Task state '{name}' has no answer; add one to \"tasks\": {{\"{name}\": {{\"result\": …}}}}"
            ));
        };
        let turn = self.answered.entry(name.clone()).or_default();
        let answer = answers.0.get(*turn).or(answers.0.last());
        *turn += 1;
        let answer = answer.ok_or_else(|| format!("tasks.{name}: there is no answer"))?;
        match input(answer, attempt) {
            Some(input) => {
                let input = input.map_err(|why| format!("tasks.{name}: {why}"))?;
                self.feed(input)
            }
            None => {
                self.left_alone.insert(attempt);
                Ok(())
            }
        }
    }

    fn feed(&mut self, input: Input) -> Result<(), String> {
        self.decisions += 1;
        let env = env(&self.limits, self.now, self.decisions);
        let decision = decide(self.program, &self.execution, &env, input)
            .map_err(|rejection| format!("the engine refuses what comes next: {rejection}"))?;
        self.take(decision);
        Ok(())
    }

    fn take(&mut self, decision: Decision) {
        for event in decision.events {
            if let EventBody::StateEntered { name, .. } = event.body {
                self.states.push(name.to_string());
            } else if let EventBody::ExecutionFailed(why) | EventBody::ExecutionTimedOut(why) =
                event.body
            {
                self.failure = why;
            }
        }
        self.execution = decision.execution;
    }

    /// The states whose tasks nobody answers.
    fn waiting(&self) -> impl Iterator<Item = &str> {
        self.execution.frames.iter().filter_map(|frame| {
            let stay = frame.stay()?;
            stay.open_attempt().map(|_| &*stay.name)
        })
    }

    fn seen(self) -> Seen {
        let output = self.execution.output.as_ref();
        Seen {
            status: match self.execution.status {
                Status::Running => "RUNNING",
                Status::Succeeded => "SUCCEEDED",
                Status::Failed => "FAILED",
                Status::TimedOut => "TIMED_OUT",
                Status::Aborted => "ABORTED",
            },
            output: output.map(|output| output.payload.text().to_owned()),
            error: self.failure.error.as_deref().map(str::to_owned),
            cause: self.failure.cause.as_deref().map(str::to_owned),
            states: self.states,
            next_state: None,
            variables: None,
        }
    }
}

/// What an answer feeds to the engine; none when nobody answers.
fn input(answer: &Answer, attempt: Attempt) -> Option<Result<Input, String>> {
    if answer.timeout {
        return None;
    }
    Some(match &answer.result {
        Some(result) => Payload::parse(result.get())
            .map(|output| Input::Succeeded { attempt, output })
            .map_err(|error| error.to_string()),
        None => Ok(Input::Failed {
            attempt,
            failure: Failure {
                error: answer.error.as_deref().map(Arc::from),
                cause: answer.cause.as_deref().map(Arc::from),
            },
        }),
    })
}
