//! Plays the histories recorded from AWS that need nothing but the engine, on a simulated clock.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use stepfleet_asl::definition::{self, MachineType, Options};
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{EventId, project};

use crate::history::{compare, normal};
use crate::world::World;

/// Recorded executions that must match, event for event. Grows with the language.
const MATCHING_MIN: usize = 20;

#[test]
fn recorded_executions_have_the_recorded_history() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/aws-recorded/cases.jsonl");
    let text = fs::read_to_string(path).unwrap();
    let (mut matching, mut later, mut differences) = (0, 0, Vec::new());
    for line in text.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let is_compared = !case["skip_paths"]
            .as_array()
            .unwrap()
            .contains(&"$..events".into());
        if case["kind"] != "exec" || case["type"] == "EXPRESS" || !is_compared {
            continue;
        }
        match play(&case) {
            None => later += 1,
            Some(None) => matching += 1,
            Some(Some(difference)) => differences.push(format!("{}: {difference}", case["id"])),
        }
    }
    assert!(
        differences.is_empty(),
        "{matching} match, {later} later\n{}",
        differences.join("\n")
    );
    assert!(
        matching >= MATCHING_MIN,
        "{matching} match, {later} need a later release"
    );
}

/// None when the case needs more than this release or more than the engine; else where it differs, if it does.
fn play(case: &Json) -> Option<Option<String>> {
    let options = Options {
        machine_type: MachineType::Standard,
        served: &|_| true,
    };
    let program = definition::compile(&case["definition"].to_string(), &options).ok()?;
    let input = case["input"].as_str().expect("the input is JSON text");
    let (mut world, _) = World::start(program, input, Limits::default());
    loop {
        world.settle();
        if !world.execution.is_running() {
            break;
        }
        world.pass_time()?;
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
    if events.iter().any(|event| {
        event["type"]
            .as_str()
            .is_some_and(|kind| kind.starts_with("Task"))
    }) {
        return None;
    }
    let recorded = &case["expect"]["get_execution_history"]["events"];
    Some(compare(&normal(recorded), &normal(&Json::Array(events))))
}
