//! One execution told in a few calls, for tests that say what happens to it and look at its history.

use serde_json::Value as Json;
use stepfleet_asl::Payload;
use stepfleet_engine::execution::Status;
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{Attempt, EventId, Input, Worker, outstanding, project};

use crate::world::{World, compile, failure};

pub(crate) const WORK: &str = "arn:aws:states:us-east-1:111111111111:activity:work";

pub(crate) struct Story(pub(crate) World);

impl Story {
    pub(crate) fn new(definition: &str, input: &str) -> Self {
        Self::within(definition, input, Limits::default())
    }

    pub(crate) fn within(definition: &str, input: &str, limits: Limits) -> Self {
        let (mut world, _) = World::start(compile(definition), input, limits);
        world.settle();
        Self(world)
    }

    /// A machine of the states that are given, from `A` on; `work` in it is the activity's ARN.
    pub(crate) fn of(states: &str, input: &str) -> Self {
        Self::new(&machine(states), input)
    }

    /// The first task that nobody has, taken by a worker. Integrations are always in somebody's hands.
    pub(crate) fn take(&mut self) -> Attempt {
        for attempt in self.0.attempts() {
            let worker = Worker::default();
            if self.0.feed(Input::Started { attempt, worker }).is_ok() {
                return attempt;
            }
        }
        self.0.attempts()[0]
    }

    pub(crate) fn succeed(&mut self, output: &str) {
        let attempt = self.take();
        self.succeed_of(attempt, output);
    }

    pub(crate) fn succeed_of(&mut self, attempt: Attempt, output: &str) {
        let output = Payload::parse(output).unwrap();
        self.0.feed(Input::Succeeded { attempt, output }).unwrap();
        self.0.settle();
    }

    /// An empty error is none.
    pub(crate) fn fail(&mut self, error: &str, cause: Option<&str>) {
        let attempt = self.take();
        let failure = failure((!error.is_empty()).then_some(error), cause);
        self.0.feed(Input::Failed { attempt, failure }).unwrap();
        self.0.settle();
    }

    pub(crate) fn pass_time(&mut self) {
        self.0.pass_time().expect("there is a deadline");
        self.0.settle();
    }

    /// Every public event as AWS shows it.
    pub(crate) fn history(&self) -> Vec<Json> {
        self.0.check_replay();
        let mut id = EventId(0);
        let mut events = Vec::new();
        for (at, event) in &self.0.log {
            id.0 += u64::from(event.body.is_public());
            if let Some(shown) = project(event, id, *at) {
                events.push(serde_json::from_str(&shown.to_json(true).to_text()).unwrap());
            }
        }
        events
    }

    /// `id<previous type` of every event.
    pub(crate) fn chain(&self) -> Vec<String> {
        let line = |event: &Json| {
            let kind = event["type"].as_str().unwrap();
            format!("{}<{} {kind}", event["id"], event["previousEventId"])
        };
        self.history().iter().map(line).collect()
    }

    /// The details of the last event of a type.
    pub(crate) fn details(&self, kind: &str) -> Json {
        let mut events = self.history();
        events.retain(|event| event["type"] == kind);
        let Some(Json::Object(event)) = events.pop() else {
            panic!("no {kind}: {:?}", self.chain());
        };
        let mut details = event
            .into_iter()
            .filter(|(key, _)| key.ends_with("EventDetails"));
        details.next().map_or(Json::Null, |(_, details)| details)
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        let events = self.history();
        events.iter().filter(|event| event["type"] == kind).count()
    }

    /// The output of what succeeded; else the status, the error and the cause.
    pub(crate) fn end(&self) -> String {
        let execution = &self.0.execution;
        if let (Status::Succeeded, Some(output)) = (execution.status, &execution.output) {
            return output.payload.text().to_owned();
        }
        let (error, cause) = execution.failure.as_ref().map_or((None, None), |failure| {
            (failure.error.as_deref(), failure.cause.as_deref())
        });
        format!(
            "{:?} {} {}",
            execution.status,
            error.unwrap_or("-"),
            cause.unwrap_or("-")
        )
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_over(&self) -> bool {
        !self.0.execution.is_running() && outstanding(&self.0.execution).len() == 1
    }
}

/// The definition of these states; `work` is the activity's ARN.
pub(crate) fn machine(states: &str) -> String {
    let states = states.replace("\"work\"", &format!("\"{WORK}\""));
    format!(r#"{{"StartAt":"A","States":{{{states}}}}}"#)
}
