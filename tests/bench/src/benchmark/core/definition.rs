//! Validation of definitions near the limit of 1 MiB: its time per byte may not depend on the length, whatever the
//! shape.

use anyhow::ensure;
use serde_json::{Value, json};
use stepfleet_asl::definition::{self, MachineType, Options};

use crate::clock::Stopwatch;
use crate::figure::Figure;

const SMALL_BYTES: usize = 100_000;
const LARGE_BYTES: usize = 1_000_000;
const SAMPLES: u32 = 5;
/// Parallel states inside one another: as many as the nesting of JSON allows.
const DEPTH: usize = 30;

/// Makes a definition of so many parts.
type Shape = fn(usize) -> Value;

pub(super) fn measure() -> anyhow::Result<Vec<Figure>> {
    let shapes: [(&str, Shape); 4] = [
        ("states in a row", row),
        ("branches of one Parallel", branches),
        ("rules of one Choice", rules),
        ("states nested deep under long names", nested),
    ];
    let mut figures = Vec::new();
    for (name, shape) in shapes {
        let small = milliseconds(&text(shape, SMALL_BYTES))?;
        let large = milliseconds(&text(shape, LARGE_BYTES))?;
        let small = Figure::new("", "ms", &small).median;
        let scale = 1.0 / (small * 10.0);
        let name = format!("core: definition of 1 MB, {name}: validate");
        let figure = Figure::new(name, "ms", &large);
        figures.push(figure.compared(scale, "of ten times 100 kB"));
    }
    Ok(figures)
}

fn milliseconds(text: &str) -> anyhow::Result<Vec<f64>> {
    let options = Options {
        machine_type: MachineType::Standard,
        served: &|_| true,
        connects: &|_| false,
    };
    (0..SAMPLES)
        .map(|_| {
            let watch = Stopwatch::start();
            let findings = definition::validate(text, &options);
            let milliseconds = watch.seconds() * 1e3;
            ensure!(
                findings.is_empty(),
                "the definition is right: {:?}",
                findings.first()
            );
            Ok(milliseconds)
        })
        .collect()
}

/// A definition that is at most this long, and nearly so.
fn text(shape: Shape, bytes: usize) -> String {
    let mut parts = 100;
    let mut text = shape(parts).to_string();
    // Numbers in names make later parts longer, so a few steps are needed.
    for _ in 0..8 {
        parts = parts * bytes / text.len() - 1;
        text = shape(parts).to_string();
    }
    text
}

fn row(states: usize) -> Value {
    let mut members = serde_json::Map::new();
    for number in 0..states {
        let state = json!({ "Type": "Pass", "Next": format!("S{}", number + 1) });
        members.insert(format!("S{number}"), state);
    }
    members.insert(format!("S{states}"), json!({ "Type": "Succeed" }));
    json!({ "StartAt": "S0", "States": members })
}

fn block(name: &str) -> Value {
    json!({ "StartAt": name, "States": { name: { "Type": "Succeed" } } })
}

fn alone(name: &str, state: &Value) -> Value {
    json!({ "StartAt": name, "States": { name: state } })
}

fn branches(count: usize) -> Value {
    let branches: Vec<Value> = (0..count)
        .map(|number| block(&format!("S{number}")))
        .collect();
    alone(
        "P",
        &json!({ "Type": "Parallel", "Branches": branches, "End": true }),
    )
}

fn rules(count: usize) -> Value {
    let rule = |number| json!({ "Variable": "$.v", "NumericEquals": number, "Next": "E" });
    let rules: Vec<Value> = (0..count).map(rule).collect();
    let choice = json!({ "Type": "Choice", "Choices": rules });
    json!({ "StartAt": "C", "States": { "C": choice, "E": { "Type": "Succeed" } } })
}

fn nested(states: usize) -> Value {
    let mut document = row(states);
    for depth in 0..DEPTH {
        let name = format!("{depth:0>80}");
        document = alone(
            &name,
            &json!({ "Type": "Parallel", "Branches": [document], "End": true }),
        );
    }
    document
}
