//! The file of cases: an array of them, or an object with the array in `cases`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use stepfleet_asl::time::parse_timestamp;

use crate::cli::fault::Fault;

/// One case. Texts of JSON stay as they were written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    /// The input; absent is `{}`.
    pub(super) input: Option<Box<RawValue>>,
    /// When it starts, as RFC 3339 tells it; absent is now.
    start_time: Option<String>,
    pub(super) expect: Expect,

    /// What tasks answer, by the names of their states.
    #[serde(default)]
    pub(super) tasks: BTreeMap<String, Answers>,

    /// Tests this state alone.
    pub(super) state: Option<String>,
    pub(super) variables: Option<Box<RawValue>>,
    pub(super) context: Option<Box<RawValue>>,
    pub(super) mock: Option<Answer>,
    pub(super) retrier_retry_count: Option<u32>,
    pub(super) error_caused_by_state: Option<String>,
    pub(super) map_iteration_failure_count: Option<u32>,
    pub(super) map_item_reader_data: Option<Box<RawValue>>,
}

/// What must come out. What is absent is not looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) output: Option<Box<RawValue>>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    /// The names of the states that are entered, in order.
    pub(super) states: Option<Vec<String>>,
    /// The state that a single state leads to.
    pub(super) next_state: Option<String>,
    /// The variables that the state after a single state sees.
    pub(super) variables: Option<Box<RawValue>>,
}

/// Answers to the attempts at a task, in turn; the last one answers all that follow.
#[derive(Debug)]
pub(super) struct Answers(pub(super) Vec<Answer>);

/// What one attempt at a task comes to: one of the three.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Answer {
    #[serde(default, deserialize_with = "present")]
    pub(super) result: Option<Box<RawValue>>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    /// `true`: nobody answers.
    #[serde(default)]
    pub(super) timeout: bool,
}

/// `null` is a value like any other.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let answers = if text.get().starts_with('[') {
            serde_json::from_str(text.get())
        } else {
            serde_json::from_str(text.get()).map(|answer| vec![answer])
        };
        answers.map(Answers).map_err(serde::de::Error::custom)
    }
}

/// Reads a file of cases.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Case>, Fault> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wrapped {
        cases: Vec<Box<RawValue>>,
    }
    let refuse = |why: String| Fault::Usage(format!("{file}: {why}"));
    let texts = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::from_str::<Wrapped>(text).map(|wrapped| wrapped.cases)
    };
    let texts = texts.map_err(|error| {
        refuse(format!(
            "it must be a JSON array of cases, or an object with the array in \"cases\": {error}"
        ))
    })?;
    let mut cases = Vec::with_capacity(texts.len());
    for (number, text) in (1..).zip(&texts) {
        let case: Case = serde_json::from_str(text.get())
            .map_err(|error| refuse(format!("case {number}: {error}")))?;
        case.check()
            .map_err(|why| refuse(format!("case '{}': {why}", case.name)))?;
        cases.push(case);
    }
    Ok(cases)
}

impl Case {
    /// What holds for cases of both kinds.
    fn check(&self) -> Result<(), String> {
        let expect = &self.expect;
        let nothing = expect.status.is_none()
            && expect.output.is_none()
            && expect.error.is_none()
            && expect.cause.is_none()
            && expect.states.is_none()
            && expect.next_state.is_none()
            && expect.variables.is_none();
        if nothing {
            return Err("expect: it is empty, so that the case could not fail".to_owned());
        }
        self.start_ms()?;
        for (state, answers) in &self.tasks {
            if answers.0.is_empty() {
                return Err(format!("tasks.{state}: there is no answer in the array"));
            }
            for answer in &answers.0 {
                answer
                    .check()
                    .map_err(|why| format!("tasks.{state}: {why}"))?;
            }
        }
        match &self.mock {
            None => Ok(()),
            Some(mock) => mock.check().map_err(|why| format!("mock: {why}")),
        }
    }

    /// What a case of a single state has no use for.
    pub(super) fn check_single(&self) -> Result<(), String> {
        if !self.tasks.is_empty() {
            return Err("tasks: a single state is tested with a mock".to_owned());
        }
        if self.expect.states.is_some() {
            return Err("expect.states: a single state enters no other".to_owned());
        }
        if self.mock.as_ref().is_some_and(|mock| mock.timeout) {
            let why = "mock.timeout: a single state does not wait; give the error States.Timeout";
            return Err(why.to_owned());
        }
        Ok(())
    }

    /// What a case of a whole machine has no use for.
    pub(super) fn check_whole(&self) -> Result<(), String> {
        let single = [
            ("variables", self.variables.is_some()),
            ("context", self.context.is_some()),
            ("mock", self.mock.is_some()),
            ("retrierRetryCount", self.retrier_retry_count.is_some()),
            ("errorCausedByState", self.error_caused_by_state.is_some()),
            (
                "mapIterationFailureCount",
                self.map_iteration_failure_count.is_some(),
            ),
            ("mapItemReaderData", self.map_item_reader_data.is_some()),
            ("expect.nextState", self.expect.next_state.is_some()),
            ("expect.variables", self.expect.variables.is_some()),
        ];
        match single.iter().find(|(_, is_there)| *is_there) {
            None => Ok(()),
            Some((member, _)) => Err(format!(
                "{member}: it is of cases of a single state, which name it in \"state\""
            )),
        }
    }

    /// `startTime` in milliseconds since 1970.
    pub(super) fn start_ms(&self) -> Result<Option<i64>, String> {
        let Some(text) = &self.start_time else {
            return Ok(None);
        };
        parse_timestamp(text).map(Some).ok_or_else(|| {
            format!("startTime: '{text}' is not a time such as 2026-01-31T12:00:00Z")
        })
    }

    /// The input's text.
    pub(super) fn input(&self) -> &str {
        self.input.as_deref().map_or("{}", RawValue::get)
    }
}

impl Answer {
    fn check(&self) -> Result<(), String> {
        let fails = self.error.is_some() || self.cause.is_some();
        let kinds = [self.result.is_some(), fails, self.timeout];
        if kinds.into_iter().filter(|kind| *kind).count() == 1 {
            return Ok(());
        }
        let why = "an answer has one of \"result\", \"error\" (with or without \"cause\") and \"timeout\": true";
        Err(why.to_owned())
    }
}
