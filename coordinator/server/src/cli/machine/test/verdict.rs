//! What came out, held against what was expected.

use serde::Serialize;
use serde_json::value::RawValue;
use similar::TextDiff;
use stepfleet_asl::Value;

use super::case::{Case, Expect};
use crate::cli::payload;

/// What came out of a case. `output` and `variables` are JSON texts.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) status: &'static str,
    pub(super) output: Option<String>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    /// The names of the states that were entered, in order.
    pub(super) states: Vec<String>,
    pub(super) next_state: Option<String>,
    pub(super) variables: Option<String>,
}

/// Whether a case passed, and why not.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) name: String,
    failure: Option<Failure>,
}

#[derive(Debug)]
enum Failure {
    /// It could not be run to its end.
    Problem(String),
    Difference {
        expected: String,
        actual: String,
        /// What is worth knowing and was not expected: the error, and the way there.
        remarks: Vec<String>,
    },
}

/// The members that a case expects something of, as one document.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    states: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<Box<RawValue>>,
}

pub(super) fn judge(case: &Case, seen: Result<Seen, String>) -> Verdict {
    let failure = match seen {
        Ok(seen) => difference(&case.expect, &seen),
        Err(problem) => Some(Failure::Problem(problem)),
    };
    Verdict {
        name: case.name.clone(),
        failure,
    }
}

fn difference(expect: &Expect, seen: &Seen) -> Option<Failure> {
    let expected = text(&Document {
        status: expect.status.clone(),
        output: expect.output.clone(),
        error: expect.error.clone(),
        cause: expect.cause.clone(),
        states: expect.states.clone(),
        next_state: expect.next_state.clone(),
        variables: expect.variables.clone(),
    });
    let actual = text(&Document {
        status: expect.status.as_ref().map(|_| seen.status.to_owned()),
        output: expect
            .output
            .as_ref()
            .and_then(|_| payload::raw_some(seen.output.as_deref())),
        error: expect.error.as_ref().and_then(|_| seen.error.clone()),
        cause: expect.cause.as_ref().and_then(|_| seen.cause.clone()),
        states: expect.states.as_ref().map(|_| seen.states.clone()),
        next_state: expect
            .next_state
            .as_ref()
            .and_then(|_| seen.next_state.clone()),
        variables: expect
            .variables
            .as_ref()
            .and_then(|_| payload::raw_some(seen.variables.as_deref())),
    });
    // Numbers count by their value, members in any order.
    if Value::parse(&expected).ok() == Value::parse(&actual).ok() {
        return None;
    }
    Some(Failure::Difference {
        expected,
        actual,
        remarks: remarks(expect, seen),
    })
}

fn remarks(expect: &Expect, seen: &Seen) -> Vec<String> {
    let mut remarks = Vec::new();
    if expect.status.is_none() {
        remarks.push(format!("status: {}", seen.status));
    }
    for (what, expected, text) in [
        ("error", &expect.error, &seen.error),
        ("cause", &expect.cause, &seen.cause),
    ] {
        if let (None, Some(text)) = (expected, text) {
            remarks.push(format!("{what}: {text}"));
        }
    }
    if expect.states.is_none() && !seen.states.is_empty() {
        remarks.push(format!("states: {}", seen.states.join(", ")));
    }
    remarks
}

fn text(document: &Document) -> String {
    serde_json::to_string(document).expect("texts and JSON can be written")
}

impl Verdict {
    pub(super) fn passed(&self) -> bool {
        self.failure.is_none()
    }

    /// Why it failed, in lines; empty when it passed.
    pub(super) fn explanation(&self) -> String {
        match &self.failure {
            None => String::new(),
            Some(Failure::Problem(problem)) => problem.clone(),
            Some(Failure::Difference {
                expected,
                actual,
                remarks,
            }) => {
                let lines = |json: &str| payload::pretty(json) + "\n";
                let (expected, actual) = (lines(expected), lines(actual));
                let diff = TextDiff::from_lines(&expected, &actual)
                    .unified_diff()
                    .header("expected", "actual")
                    .to_string();
                diff + &remarks.join("\n")
            }
        }
    }

    /// As a member of the JSON document.
    pub(super) fn json(&self) -> Box<RawValue> {
        let told = match &self.failure {
            None => serde_json::to_string(&serde_json::json!({"name": self.name, "passed": true})),
            Some(Failure::Problem(problem)) => serde_json::to_string(
                &serde_json::json!({"name": self.name, "passed": false, "problem": problem}),
            ),
            Some(Failure::Difference {
                expected, actual, ..
            }) => serde_json::to_string(&Differs {
                name: &self.name,
                passed: false,
                expected: payload::raw(expected),
                actual: payload::raw(actual),
            }),
        };
        payload::raw(&told.expect("texts and JSON can be written"))
    }
}

#[derive(Serialize)]
struct Differs<'a> {
    name: &'a str,
    passed: bool,
    expected: Box<RawValue>,
    actual: Box<RawValue>,
}
