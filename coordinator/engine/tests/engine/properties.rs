//! Invariants over random programs and inputs. `World` checks more of them after every decision.
//! `STEPFLEET_FUZZ_CASES=20000` makes a long run of them.

use proptest::prelude::*;
use stepfleet_asl::Payload;
use stepfleet_engine::event::Handle;
use stepfleet_engine::limits::{Limits, PROGRESS_MS};
use stepfleet_engine::{Attempt, Input, Rejection, Worker, heartbeat, restart_heartbeats};

use crate::generate::{Move, definition, moves};
use crate::world::{World, compile, failure};

const INPUT: &str = r#"{"items":[1,"two",{"three":3}],"name":"n"}"#;

fn pick(attempts: &[Attempt], which: usize) -> Option<Attempt> {
    attempts.get(which.checked_rem(attempts.len())?).copied()
}

fn input(world: &mut World, one: &Move) -> Option<Input> {
    let open = world.attempts();
    Some(match one {
        Move::Tick(ms) => {
            world.now = world.now.plus_ms(*ms);
            Input::Tick
        }
        Move::PassTime => {
            world.pass_time();
            Input::Tick
        }
        Move::Start(which) => Input::Started {
            attempt: pick(&open, *which)?,
            worker: Worker::default(),
        },
        Move::Succeed(which) => Input::Succeeded {
            attempt: pick(&open, *which)?,
            output: Payload::parse(r#"{"done":true}"#).unwrap(),
        },
        Move::Fail(which, error) => Input::Failed {
            attempt: pick(&open, *which)?,
            failure: failure((!error.is_empty()).then_some(*error), None),
        },
        Move::Submit(which) => Input::Submitted {
            attempt: pick(&open, *which)?,
            output: Payload::empty_object(),
        },
        Move::Begin(which) => Input::Begun {
            attempt: pick(&open, *which)?,
            output: Payload::empty_object(),
            handle: Handle {
                text: "7".into(),
                place: "".into(),
            },
        },
        Move::Undelivered(which) => Input::Undelivered {
            attempt: pick(&open, *which)?,
        },
        Move::Lost(which) => Input::WorkerLost {
            attempt: pick(&open, *which)?,
            cause: None,
        },
        Move::Withdraw(which) => Input::Withdrawn {
            attempt: pick(&open, *which)?,
            failure: failure(Some("Withdrawn"), None),
        },
        Move::Heartbeat(which) => {
            let now = world.now;
            let _ = heartbeat(&mut world.execution, pick(&open, *which)?, None, now);
            return None;
        }
        Move::Progress(which, percent) => {
            let (now, said) = (world.now, percent.to_string().into());
            let _ = heartbeat(&mut world.execution, pick(&open, *which)?, Some(&said), now);
            return None;
        }
        Move::Continue => Input::Continue,
        Move::Stop => Input::Stop(failure(Some("Stopped"), None)),
        Move::Redrive => Input::Redrive { client_token: None },
    })
}

fn play(definition: &str, moves: &[Move], each: impl FnMut(&mut World, &Input, bool)) -> World {
    play_within(400, definition, moves, each)
}

/// The same with a history of this length at most.
fn play_within(
    history_events_max: u64,
    definition: &str,
    moves: &[Move],
    mut each: impl FnMut(&mut World, &Input, bool),
) -> World {
    let limits = Limits {
        history_events_max,
        ..Limits::default()
    };
    let (mut world, _) = World::start(compile(definition), INPUT, limits);
    for one in moves {
        if let Some(input) = input(&mut world, one) {
            let accepted = world.feed(input.clone()).is_ok();
            each(&mut world, &input, accepted);
        }
    }
    world
}

/// Lets all tasks succeed and time pass until the execution ends, at most for a while.
fn finish(world: &mut World) {
    for _ in 0..2_000 {
        if !world.execution.is_running() {
            break;
        }
        world.settle();
        for attempt in world.attempts() {
            let _ = world.feed(Input::Started {
                attempt,
                worker: Worker::default(),
            });
            let output = Payload::parse("[1]").unwrap();
            let _ = world.feed(Input::Succeeded { attempt, output });
        }
        world.pass_time();
    }
}

fn attempt_of(input: &Input) -> Option<Attempt> {
    match input {
        Input::Succeeded { attempt, .. }
        | Input::Failed { attempt, .. }
        | Input::WorkerLost { attempt, .. }
        | Input::Undelivered { attempt }
        | Input::Withdrawn { attempt, .. }
        | Input::Submitted { attempt, .. }
        | Input::Begun { attempt, .. }
        | Input::Started { attempt, .. } => Some(*attempt),
        Input::Continue | Input::Tick | Input::Stop(_) | Input::Redrive { .. } => None,
    }
}

fn config() -> ProptestConfig {
    let asked = std::env::var("STEPFLEET_FUZZ_CASES").ok();
    ProptestConfig {
        cases: asked.and_then(|text| text.parse().ok()).unwrap_or(300),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn replaying_the_events_gives_the_stored_execution(definition in definition(), moves in moves()) {
        let mut world = play(&definition, &moves, |_, _, _| {});
        // Progress is in the log ten seconds after it was told, or when its attempt is over.
        while world.execution.frames.iter().any(|frame| frame.stay().and_then(|stay| stay.progress.as_ref()).is_some_and(|it| !it.is_recorded)) {
            world.now = world.now.plus_ms(PROGRESS_MS);
            world.feed(Input::Tick).unwrap();
        }
        // Heartbeats are not in the log; both sides begin their windows anew, as after a recovery.
        let now = world.now;
        restart_heartbeats(&mut world.execution, now);
        let mut replayed = stepfleet_engine::Execution::from_started(world.log[0].0, &world.log[0].1).unwrap();
        for (at, event) in &world.log[1..] {
            stepfleet_engine::apply(&mut replayed, *at, event);
        }
        restart_heartbeats(&mut replayed, now);
        prop_assert_eq!(replayed, world.execution);
    }

    #[test]
    fn a_report_that_comes_twice_changes_nothing(definition in definition(), moves in moves()) {
        play(&definition, &moves, |world, input, accepted| {
            if accepted && attempt_of(input).is_some() {
                let before = world.execution.clone();
                let again = world.feed(input.clone());
                assert_eq!(again, Err(Rejection::TaskTimedOut), "{input:?}");
                assert_eq!(before, world.execution);
            }
        });
    }

    #[test]
    fn a_tick_with_nothing_due_changes_nothing(definition in definition(), moves in moves()) {
        play(&definition, &moves, |world, _, _| {
            world.settle();
            while stepfleet_engine::next_deadline(&world.execution).is_some_and(|due| due <= world.now) {
                world.feed(Input::Tick).unwrap();
                world.settle();
            }
            let before = world.execution.clone();
            let decision = world.feed(Input::Tick).unwrap();
            assert!(decision.events.is_empty() && decision.commands.is_empty());
            assert_eq!(before, world.execution);
        });
    }

    #[test]
    fn an_execution_ends_when_its_tasks_do_and_time_passes(definition in definition(), moves in moves()) {
        let mut world = play(&definition, &moves, |_, _, _| {});
        finish(&mut world);
        prop_assert!(!world.execution.is_running(), "{:?}", world.execution);
        prop_assert!(world.execution.last_event.0 <= 400);
    }

    #[test]
    fn a_token_of_the_past_is_refused(definition in definition(), moves in moves()) {
        let mut world = play(&definition, &moves, |_, _, _| {});
        let _ = world.feed(Input::Redrive { client_token: None });
        world.settle();
        for attempt in world.over.clone() {
            let output = Payload::empty_object();
            let refused = world.feed(Input::Succeeded { attempt, output });
            prop_assert_eq!(refused, Err(Rejection::TaskTimedOut));
        }
    }

    #[test]
    fn whatever_ended_an_execution_a_redrive_goes_on(
        definition in definition(),
        moves in moves(),
        events in 4_u64..80,
    ) {
        // Most end by the limit, in the midst of something.
        let mut world = play_within(events, &definition, &moves, |_, _, _| {});
        let _ = world.feed(Input::Stop(failure(None, None)));
        world.limits.history_events_max = world.execution.last_event.0 + 400;
        let before = world.execution.redrive_count();
        let redriven = world.feed(Input::Redrive { client_token: None }).is_ok();
        prop_assert_eq!(redriven, world.execution.is_running());
        prop_assert_eq!(world.execution.redrive_count(), before + u32::from(redriven));
        finish(&mut world);
        world.check_replay();
        prop_assert!(!world.execution.is_running(), "{:?}", world.execution);
    }
}
