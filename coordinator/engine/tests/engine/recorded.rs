//! Plays the histories recorded from AWS that need nothing but the engine, on a simulated clock.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use stepfleet_asl::definition::{self, MachineType, Options};
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{EventId, project};

use crate::history::{compare, normal};
use crate::world::World;

/// Recorded executions that must match. Grows with the language.
const SINGLE_MIN: usize = 48;
const MULTI_MIN: usize = 255;

#[derive(Default)]
struct Tally {
    matching: usize,
    later: usize,
    differences: Vec<String>,
}

impl Tally {
    /// Counts one comparison; none when the case needs a later release or more than the engine.
    fn add(&mut self, id: &str, outcome: Option<Option<String>>) {
        match outcome {
            None => self.later += 1,
            Some(None) => self.matching += 1,
            Some(Some(difference)) => self.differences.push(format!("{id}: {difference}")),
        }
    }

    fn check(&self, matching_min: usize) {
        let Self {
            matching,
            later,
            differences,
        } = self;
        assert!(
            differences.is_empty() && *matching >= matching_min,
            "{matching} match, {later} need a later release\n{}",
            differences.join("\n")
        );
    }
}

fn cases(kind: &str) -> Vec<Json> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/aws-recorded/cases.jsonl");
    let text = fs::read_to_string(path).unwrap();
    let cases = text
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap());
    cases.filter(|case| case["kind"] == kind).collect()
}

#[test]
fn recorded_executions_have_the_recorded_history() {
    let mut tally = Tally::default();
    for case in cases("exec") {
        let is_compared = !case["skip_paths"]
            .as_array()
            .unwrap()
            .contains(&"$..events".into());
        if is_compared && case["type"] != "EXPRESS" {
            let input = case["input"].as_str().unwrap();
            let outcome = play(&case["definition"].to_string(), input).map(|(history, _)| {
                compare(
                    &normal(&case["expect"]["get_execution_history"]["events"]),
                    &normal(&history),
                )
            });
            tally.add(case["id"].as_str().unwrap(), outcome);
        }
    }
    tally.check(SINGLE_MIN);
}

/// Cases of many executions give either the history of each, or the output of each.
#[test]
fn recorded_series_of_executions_have_the_recorded_ends() {
    let mut tally = Tally::default();
    for case in cases("exec-multi") {
        let (mut definition, mut number) = (String::new(), 0);
        for step in case["steps"].as_array().unwrap() {
            let params = &step["params"];
            if step["op"] == "CreateStateMachine" {
                definition = params["definition"].as_str().unwrap_or_default().to_owned();
            }
            if step["op"] != "StartExecution" {
                continue;
            }
            let history = &case["expect"][format!("exec_hist_resp_{number}")]["events"];
            let output = &case["expect"]["cases"][number]["output"];
            let id = format!("{} {number}", case["id"]);
            number += 1;
            if history.is_null() && output.is_null() {
                continue;
            }
            let played = play(&definition, params["input"].as_str().unwrap_or("{}"));
            let outcome = played.map(|(got, got_output)| {
                if history.is_null() {
                    let (want, got) = (normal(output), normal(&got_output));
                    (want != got).then(|| format!("want {want}, got {got}"))
                } else {
                    compare(&normal(history), &normal(&got))
                }
            });
            tally.add(&id, outcome);
        }
    }
    tally.check(MULTI_MIN);
}

/// The history and the output of one execution.
fn play(definition: &str, input: &str) -> Option<(Json, Json)> {
    let options = Options {
        machine_type: MachineType::Standard,
        served: &|_| true,
        connects: &|_| false,
    };
    let program = definition::compile(definition, &options).ok()?;
    let (mut world, _) = World::start(program, input, Limits::default());
    world.settle();
    while world.execution.is_running() {
        world.pass_time()?;
        world.settle();
    }
    world.check_replay();
    let mut id = EventId(0);
    let mut events = Vec::new();
    for (at, event) in &world.log {
        id.0 += u64::from(event.body.is_public());
        if let Some(shown) = project(event, id, *at) {
            events.push(serde_json::from_str::<Json>(&shown.to_json(true).to_text()).unwrap());
        }
    }
    let is_task = |event: &Json| {
        event["type"]
            .as_str()
            .is_some_and(|kind| kind.starts_with("Task"))
    };
    if events.iter().any(is_task) {
        return None;
    }
    let output = world.execution.output.as_ref();
    let output = output.map_or(Json::Null, |data| {
        serde_json::from_str(data.payload.text()).unwrap()
    });
    Some((events.into(), output))
}
