//! Single functions of the coordinator, each alone on one core: what one activity step costs without network and disk.

mod definition;
mod machines;
mod map;
mod world;

use std::hint::black_box;
use std::time::Duration;

use anyhow::Context as _;
use stepfleet_asl::Payload;
use stepfleet_engine::{EventSeq, Input, Timestamp, Worker, apply, decide};
use stepfleet_store::records::record::{RecordHeader, encode_record};

use self::world::{World, keys};
use crate::clock::Stopwatch;
use crate::figure::Figure;
use crate::machine;

/// Measurements of each function.
const SAMPLES: u32 = 11;
/// Length of one measurement.
const SAMPLE_TIME: Duration = Duration::from_millis(100);
/// Calls between two looks at the clock.
const CALLS: u32 = 100;

pub(crate) fn measure() -> anyhow::Result<Vec<Figure>> {
    let mut figures = tokens()?;
    figures.extend(activities()?);
    figures.extend(passes()?);
    figures.extend(machines::measure()?);
    figures.extend(map::measure()?);
    figures.extend(definition::measure()?);
    Ok(figures)
}

fn tokens() -> anyhow::Result<Vec<Figure>> {
    let world = World::in_activity(&machine::chain(&[world::ACTIVITY.to_owned()]))?;
    let (keys, task) = (keys(), world.task());
    let token = keys.seal(&task);
    let text = machine::input(machine::CHAIN_TASKS);
    keys.open(&token)
        .context("the token was sealed by the same keys")?;
    Ok(vec![
        nanoseconds("task token: seal", || keys.seal(black_box(&task))),
        nanoseconds("task token: open", || keys.open(black_box(&token))),
        nanoseconds("payload of 256 B: check", || {
            Payload::parse(black_box(text.as_str()))
        }),
    ])
}

/// "Activity succeeded, next activity scheduled", and the hand-out of that next one.
fn activities() -> anyhow::Result<Vec<Figure>> {
    let world = World::in_activity(&machine::chain(&[world::ACTIVITY.to_owned()]))?;
    let env = world.env();
    let succeeded = Input::Succeeded {
        attempt: world.attempt,
        output: Payload::parse(machine::input(9))?,
    };
    let step = decide(&world.program, &world.execution, &env, succeeded.clone())?;
    let attempt = world::offered(&step.commands).context("the next activity is offered")?;
    let started = Input::Started {
        attempt,
        worker: Worker::default(),
    };
    let handed = decide(&world.program, &step.execution, &env, started.clone())?;
    let mut figures = vec![
        nanoseconds("activity: decide succeeded, next scheduled", || {
            decide(
                &world.program,
                &world.execution,
                &env,
                black_box(succeeded.clone()),
            )
        }),
        nanoseconds("activity: decide started", || {
            decide(
                &world.program,
                &step.execution,
                &env,
                black_box(started.clone()),
            )
        }),
        nanoseconds("activity: clone the execution", || {
            black_box(&world.execution).clone()
        }),
    ];
    let events: Vec<_> = step.events.iter().chain(&handed.events).cloned().collect();
    let name = format!("activity: clone and apply its {} events", events.len());
    let header = RecordHeader {
        hash: world.task().hash,
        execution: world.task().execution,
        at: Timestamp(1_767_225_600_000),
        first_seq: EventSeq(7),
        count: u32::try_from(events.len())?,
    };
    let mut record = Vec::new();
    let floor = world.execution.last_payload;
    encode_record(&mut record, &header, &events, floor);
    let size = record.len();
    figures.push(nanoseconds(
        &format!("activity: encode its record of {size} B"),
        || {
            record.clear();
            encode_record(&mut record, &header, black_box(&events), floor);
            record.len()
        },
    ));
    figures.push(nanoseconds(&name, || {
        let mut execution = world.execution.clone();
        for event in &events {
            apply(&mut execution, Timestamp(1), event);
        }
        execution
    }));
    Ok(figures)
}

/// A whole execution of a hundred Pass states, in one decision.
fn passes() -> anyhow::Result<Vec<Figure>> {
    let definition = machine::passes(&[world::ACTIVITY.to_owned()]);
    let program = world::compile(&definition)?;
    let header = world::header();
    let input = Payload::parse(machine::input(1))?;
    let limits = world::limits();
    let env = world::env(&limits);
    let start = || stepfleet_engine::start(&program, header.clone(), input.clone(), &env);
    let states = f64::from(machine::PASS_STATES);
    let figure = nanoseconds("start: 100 Pass states and an activity", start);
    let compile = nanoseconds("definition of 100 states: compile", || {
        world::compile(&definition)
    });
    Ok(vec![figure.compared(1.0 / states, "ns per Pass"), compile])
}

/// Nanoseconds per call, as many calls as fit in the time of each sample.
fn nanoseconds<T>(name: &str, mut call: impl FnMut() -> T) -> Figure {
    let samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let watch = Stopwatch::start();
            let mut calls = 0;
            while watch.elapsed() < SAMPLE_TIME {
                for _ in 0..CALLS {
                    black_box(call());
                }
                calls += CALLS;
            }
            watch.seconds() * 1e9 / f64::from(calls)
        })
        .collect();
    Figure::new(format!("core: {name}"), "ns", &samples)
}
