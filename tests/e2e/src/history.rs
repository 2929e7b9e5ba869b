//! Whole histories, and what must hold in every one of them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stepfleet_sdk::{Client, Error, api};

/// Events of one page when a whole history is read.
const PAGE: i32 = 1000;

/// One event as the API gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// From 1, without gaps.
    pub id: i64,
    /// The event that caused it, or 0.
    pub previous: i64,
    /// Nanoseconds since 1970.
    pub at: i128,
    /// AWS's name.
    pub kind: String,
    /// JSON text, or empty.
    pub details: String,
}

/// A history, oldest event first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// All of it, as far as it was recorded.
    pub events: Vec<Event>,
}

impl Event {
    /// A member of the details.
    pub fn detail(&self, name: &str) -> Value {
        let details: Value = serde_json::from_str(&self.details).unwrap_or_default();
        details[name].clone()
    }

    /// The output as JSON.
    pub fn output(&self) -> Value {
        let text = self.detail("output");
        serde_json::from_str(text.as_str().unwrap_or("null")).unwrap_or_default()
    }
}

impl From<api::HistoryEvent> for Event {
    fn from(event: api::HistoryEvent) -> Self {
        let at = event.timestamp.unwrap_or_default();
        Self {
            id: event.id,
            previous: event.previous_event_id,
            at: i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos),
            kind: event.r#type,
            details: event.details,
        }
    }
}

impl History {
    /// Reads a whole history, page by page.
    ///
    /// # Errors
    /// The coordinator refuses or is not reached.
    pub async fn read(client: &Client, execution_arn: &str) -> Result<Self, Error> {
        let mut request = api::GetExecutionHistoryRequest {
            execution_arn: execution_arn.to_owned(),
            page_size: PAGE,
            ..Default::default()
        };
        let mut events = Vec::new();
        loop {
            let page = client.get_execution_history(request.clone()).await?;
            events.extend(page.events.into_iter().map(Event::from));
            if page.next_page_token.is_empty() {
                return Ok(Self { events });
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Events of a kind.
    pub fn of(&self, kind: &str) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| event.kind == kind)
    }

    /// How many events of a kind there are.
    pub fn count(&self, kind: &str) -> usize {
        self.of(kind).count()
    }

    /// Checks what holds in every history: dense ids, causes that precede, time that does not go back, one start, nothing
    /// but a redrive behind an end, and every task closed at most once.
    ///
    /// # Errors
    /// What does not hold, with the event.
    pub fn check(&self) -> Result<()> {
        self.check_order()?;
        self.check_ends()?;
        self.check_tasks()
    }

    /// Checks that an execution that ended left no task open.
    ///
    /// # Errors
    /// Which one is open.
    pub fn check_closed(&self) -> Result<()> {
        let last = self.events.last().context("an empty history")?;
        ensure!(is_terminal(&last.kind), "the last event is {last:?}");
        for scheduled in self.events.iter().filter(|event| is_schedule(&event.kind)) {
            let closings = self.closings(scheduled);
            ensure!(
                closings.len() == 1,
                "{scheduled:?} has the closings {closings:?}"
            );
        }
        Ok(())
    }

    /// Checks that an earlier read is the beginning of this one.
    ///
    /// # Errors
    /// The first event that differs.
    pub fn check_begins_with(&self, earlier: &Self) -> Result<()> {
        ensure!(
            earlier.events.len() <= self.events.len(),
            "{} events were read, {} are left",
            earlier.events.len(),
            self.events.len()
        );
        for (before, now) in earlier.events.iter().zip(&self.events) {
            ensure!(before == now, "an event was {before:?} and is {now:?}");
        }
        Ok(())
    }

    fn check_order(&self) -> Result<()> {
        let mut at = 0;
        for (expected, event) in (1..).zip(&self.events) {
            ensure!(
                event.id == expected,
                "event {expected} is missing: {event:?}"
            );
            let valid = event.previous >= 0 && event.previous < event.id;
            ensure!(valid, "the cause does not precede: {event:?}");
            ensure!(event.at >= at, "time goes back at {event:?}");
            at = event.at;
        }
        Ok(())
    }

    fn check_ends(&self) -> Result<()> {
        let first = self.events.first().context("an empty history")?;
        ensure!(
            first.kind == "ExecutionStarted",
            "the first event is {first:?}"
        );
        ensure!(self.count("ExecutionStarted") == 1, "it starts twice");
        for pair in self.events.windows(2) {
            let (event, next) = (&pair[0], &pair[1]);
            let redriven = next.kind == "ExecutionRedriven";
            ensure!(
                is_terminal(&event.kind) == redriven,
                "{next:?} follows {event:?}"
            );
            let succeeded = event.kind == "ExecutionSucceeded";
            ensure!(!succeeded, "something follows the end: {next:?}");
        }
        Ok(())
    }

    fn check_tasks(&self) -> Result<()> {
        let mut causes: BTreeMap<i64, usize> = BTreeMap::new();
        for event in self.events.iter().filter(|event| is_schedule(&event.kind)) {
            let closings = self.closings(event);
            ensure!(
                closings.len() <= 1,
                "{event:?} closes more than once: {closings:?}"
            );
            let starts = self
                .children(event.id)
                .filter(|child| is_start(&child.kind))
                .count();
            ensure!(starts <= 1, "{event:?} starts {starts} times");
            // A retry follows its failure: one attempt each.
            let cause = self.events.iter().find(|cause| cause.id == event.previous);
            if cause.is_some_and(|cause| is_closing(&cause.kind)) {
                let retries = causes.entry(event.previous).or_default();
                *retries += 1;
                ensure!(*retries == 1, "event {} is retried twice", event.previous);
            }
        }
        Ok(())
    }

    /// How a task attempt closed: events that follow its schedule, start or submission.
    fn closings(&self, scheduled: &Event) -> Vec<&Event> {
        let mut open = vec![scheduled.id];
        let mut closings = Vec::new();
        while let Some(id) = open.pop() {
            for child in self.children(id) {
                if is_closing(&child.kind) {
                    closings.push(child);
                } else if is_start(&child.kind) {
                    open.push(child.id);
                }
            }
        }
        closings
    }

    fn children(&self, id: i64) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| event.previous == id)
    }
}

fn is_schedule(kind: &str) -> bool {
    matches!(kind, "ActivityScheduled" | "TaskScheduled")
}

fn is_start(kind: &str) -> bool {
    matches!(kind, "ActivityStarted" | "TaskStarted" | "TaskSubmitted")
}

fn is_closing(kind: &str) -> bool {
    matches!(
        kind,
        "ActivitySucceeded"
            | "ActivityFailed"
            | "ActivityTimedOut"
            | "ActivityScheduleFailed"
            | "TaskSucceeded"
            | "TaskFailed"
            | "TaskTimedOut"
            | "TaskStartFailed"
            | "TaskSubmitFailed"
    )
}

fn is_terminal(kind: &str) -> bool {
    matches!(
        kind,
        "ExecutionSucceeded" | "ExecutionFailed" | "ExecutionTimedOut" | "ExecutionAborted"
    )
}
