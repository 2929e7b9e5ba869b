//! An inline Map whose iterations are activities, each started and completed by inputs of their own: what one item
//! costs may not depend on how many there are.

use std::collections::VecDeque;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use stepfleet_asl::{Payload, Program};
use stepfleet_engine::execution::Status;
use stepfleet_engine::{Attempt, Command, Execution, Input, Worker, decide};

use super::world;
use crate::clock::Stopwatch;
use crate::figure::Figure;
use crate::process;

const FEW: u32 = 1_000;
const MANY: u32 = 10_000;
/// Items of one sample and of the executions that are held in memory, whatever the size of one Map.
const ITEMS: u32 = 20_000;
const HELD_ITEMS: u32 = 200_000;
const SAMPLES: u32 = 3;

pub(super) fn measure() -> anyhow::Result<Vec<Figure>> {
    let maps = maps()?;
    // Kept to the end: memory that one measurement frees would hide what the next one takes.
    let mut held = Vec::new();
    let mut figures = Vec::new();
    for map in &maps {
        let few = [memory(map, FEW, &mut held)?];
        let many = [memory(map, MANY, &mut held)?];
        figures.extend(compare(
            map.name,
            "memory per finished item",
            "B",
            &few,
            &many,
        ));
    }
    for map in &maps {
        let (few, many) = (time(map, FEW)?, time(map, MANY)?);
        figures.extend(compare(map.name, "time per item", "ns", &few, &many));
    }
    Ok(figures)
}

/// A machine of one Map, and what its input looks like.
struct Map {
    name: &'static str,
    program: Program,
    /// Makes the input from the items.
    input: fn(&[u32]) -> Value,
}

fn maps() -> anyhow::Result<[Map; 2]> {
    let selected = json!({
        "InputPath": "$.in",
        "ItemsPath": "$.items",
        "ItemSelector": { "v.$": "$$.Map.Item.Value", "k.$": "$.k" },
    });
    Ok([
        Map {
            name: "the input is the array",
            program: program(json!({}))?,
            input: |items| json!(items),
        },
        Map {
            name: "InputPath, ItemsPath and ItemSelector",
            program: program(selected)?,
            input: |items| json!({ "in": { "items": items, "k": "v" } }),
        },
    ])
}

fn program(mut map: Value) -> anyhow::Result<Program> {
    let task = json!({ "Type": "Task", "Resource": world::ACTIVITY, "End": true });
    map["Type"] = "Map".into();
    map["End"] = true.into();
    map["ItemProcessor"] = json!({ "StartAt": "T", "States": { "T": task } });
    world::compile(&json!({ "StartAt": "M", "States": { "M": map } }).to_string())
}

/// The figures of few and of many items.
fn compare(map: &str, what: &str, unit: &'static str, few: &[f64], many: &[f64]) -> [Figure; 2] {
    let figure = |items: u32, samples: &[f64]| {
        let name = format!("core: Map of {items} activities, {map}: {what}");
        Figure::new(name, unit, samples)
    };
    let (few, many) = (figure(FEW, few), figure(MANY, many));
    let scale = 1.0 / few.median;
    [few, many.compared(scale, "of 1 000 items")]
}

fn time(map: &Map, items: u32) -> anyhow::Result<Vec<f64>> {
    (0..SAMPLES)
        .map(|_| {
            let watch = Stopwatch::start();
            for _ in 0..ITEMS / items {
                let execution = run(map, items, items)?;
                ensure!(execution.status == Status::Succeeded, "the Map has ended");
            }
            Ok(watch.seconds() * 1e9 / f64::from(ITEMS))
        })
        .collect()
}

/// Resident bytes per item of executions that wait for their last item.
fn memory(map: &Map, items: u32, held: &mut Vec<Execution>) -> anyhow::Result<f64> {
    // What one execution takes while it runs is there before the measurement begins.
    held.push(run(map, items, items - 1)?);
    let before = process::own_resident_bytes()?;
    for _ in 0..HELD_ITEMS / items {
        held.push(run(map, items, items - 1)?);
    }
    let bytes = process::own_resident_bytes()? - before;
    Ok(bytes / f64::from(HELD_ITEMS))
}

/// Completes the first `wanted` items, in the order in which they are offered.
fn run(map: &Map, items: u32, wanted: u32) -> anyhow::Result<Execution> {
    let limits = world::wide_limits();
    let env = world::env(&limits);
    let array: Vec<u32> = (0..items).collect();
    let input = Payload::parse((map.input)(&array).to_string())?;
    let program = &map.program;
    let mut decision = stepfleet_engine::start(program, world::header(), input, &env);
    let mut offered = offers(&decision.commands);
    let mut done = 0;
    while done < wanted {
        let attempt = offered.pop_front().context("an item is offered")?;
        let worker = Worker::default();
        let started = Input::Started { attempt, worker };
        let handed = decide(program, &decision.execution, &env, started)?;
        let output = Payload::parse(r#"{"result":"a text of some length"}"#)?;
        let succeeded = Input::Succeeded { attempt, output };
        decision = decide(program, &handed.execution, &env, succeeded)?;
        offered.extend(offers(&decision.commands));
        done += 1;
    }
    Ok(decision.execution)
}

fn offers(commands: &[Command]) -> VecDeque<Attempt> {
    let attempt = |command: &Command| match command {
        Command::Offer { attempt, .. } => Some(*attempt),
        Command::StartTask { .. }
        | Command::Cancel { .. }
        | Command::Continue
        | Command::Closed => None,
    };
    commands.iter().filter_map(attempt).collect()
}
