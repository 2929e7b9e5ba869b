//! Transitions per second of whole executions that no task interrupts: Choice, Parallel and Map machines, Pass again in
//! the same unit, and Pass and Choice in JSONata.

use anyhow::ensure;
use serde_json::{Value, json};
use stepfleet_asl::{Payload, Program};
use stepfleet_engine::execution::Status;
use stepfleet_engine::{EventBody, Input, decide};

use super::world;
use crate::clock::Stopwatch;
use crate::figure::Figure;

/// States in a row, branches, or items.
const STATES: u32 = 100;
/// A sample lasts at least this long.
const SAMPLE_SECONDS: f64 = 0.1;

pub(super) fn measure() -> anyhow::Result<Vec<Figure>> {
    let limits = world::wide_limits();
    let env = world::env(&limits);
    let mut figures = Vec::new();
    for (name, definition, input) in machines() {
        let program = world::compile(&definition.to_string())?;
        let input = Payload::parse(input.to_string())?;
        let transitions = run(&program, &input, &env)?;
        let mut samples = Vec::new();
        for _ in 0..super::SAMPLES {
            let watch = Stopwatch::start();
            let mut count = 0;
            while watch.seconds() < SAMPLE_SECONDS {
                count += run(&program, &input, &env)?;
            }
            samples.push(f64::from(count) / watch.seconds());
        }
        let name = format!("core: {name}, {transitions} transitions an execution");
        let figure = Figure::new(name, "transitions/s", &samples);
        let nanoseconds = 1e9 / (figure.median * figure.median);
        figures.push(figure.compared(nanoseconds, "ns each"));
    }
    Ok(figures)
}

/// Runs one execution to its end and counts the states that it entered.
fn run(program: &Program, input: &Payload, env: &stepfleet_engine::Env<'_>) -> anyhow::Result<u32> {
    let mut decision = stepfleet_engine::start(program, world::header(), input.clone(), env);
    let mut entered = 0;
    loop {
        let states = decision
            .events
            .iter()
            .filter(|event| matches!(event.body, EventBody::StateEntered { .. }));
        entered += u32::try_from(states.count())?;
        if !decision.execution.is_running() {
            break;
        }
        ensure!(!decision.events.is_empty(), "the execution stands still");
        decision = decide(program, &decision.execution, env, Input::Continue)?;
    }
    let status = decision.execution.status;
    ensure!(status == Status::Succeeded, "it ended as {status:?}");
    Ok(entered)
}

fn machines() -> [(&'static str, Value, Value); 6] {
    let one = |name: &str| json!({ "StartAt": name, "States": { name: { "Type": "Pass", "End": true } } });
    let branches: Vec<Value> = (0..STATES)
        .map(|branch| one(&format!("S{branch}")))
        .collect();
    let parallel = json!({ "Type": "Parallel", "Branches": branches, "End": true });
    let map = json!({ "Type": "Map", "ItemProcessor": one("S"), "End": true });
    let items: Vec<u32> = (0..STATES).collect();
    [
        ("Pass states", chain(pass), json!({ "v": 1 })),
        ("Choice states", chain(choice), json!({ "v": 1 })),
        ("Parallel state", alone(&parallel), json!({ "v": 1 })),
        ("Map state", alone(&map), json!(items)),
        (
            "Pass states, six JSONata expressions each",
            jsonata(chain(jsonata_pass)),
            order(),
        ),
        (
            "Choice states, JSONata conditions",
            jsonata(chain(jsonata_choice)),
            order(),
        ),
    ]
}

fn jsonata(mut definition: Value) -> Value {
    definition["QueryLanguage"] = "JSONata".into();
    definition
}

fn order() -> Value {
    let lines: Vec<Value> = (1..=5)
        .map(|n| json!({ "sku": format!("part-{n}"), "price": 2.5, "count": n }))
        .collect();
    json!({ "id": "o-1", "name": "ada", "visits": 1, "lines": lines })
}

/// Path, string function, arithmetic, aggregate over a mapped list, filter, and condition.
fn jsonata_pass(next: &str) -> Value {
    json!({
        "Type": "Pass",
        "Output": {
            "id": "{% $states.input.id %}",
            "name": "{% $lowercase($states.input.name) %}",
            "visits": "{% $states.input.visits + 1 %}",
            "lines": "{% $states.input.lines %}",
            "total": "{% $sum($states.input.lines.(price * count)) %}",
            "large": "{% $count($states.input.lines[count > 2]) > 2 ? 'yes' : 'no' %}",
        },
        "Next": next,
    })
}

fn jsonata_choice(next: &str) -> Value {
    let condition = "{% $states.input.visits = 1 and $count($states.input.lines) > 2 %}";
    json!({ "Type": "Choice", "Choices": [{ "Condition": condition, "Next": next }] })
}

fn chain(state: fn(&str) -> Value) -> Value {
    let mut states = serde_json::Map::new();
    for number in 0..STATES {
        states.insert(format!("S{number}"), state(&format!("S{}", number + 1)));
    }
    states.insert(format!("S{STATES}"), json!({ "Type": "Succeed" }));
    json!({ "StartAt": "S0", "States": states })
}

fn pass(next: &str) -> Value {
    json!({ "Type": "Pass", "Next": next })
}

fn choice(next: &str) -> Value {
    json!({ "Type": "Choice", "Choices": [{ "Variable": "$.v", "NumericEquals": 1, "Next": next }] })
}

fn alone(state: &Value) -> Value {
    json!({ "StartAt": "M", "States": { "M": state } })
}
