//! Snapshots come back exactly.

use proptest::prelude::*;
use stepfleet_asl::program::StateId;
use stepfleet_engine::event::Failure;
use stepfleet_engine::execution::{StateKind, Status};
use stepfleet_engine::{Data, Event, EventBody, EventId, FrameId, Timestamp, Worker, apply};

use super::*;
use crate::records::arbitrary::{Parts, data, execution};

proptest! {
    #[test]
    fn executions_come_back(execution in execution()) {
        prop_assert_eq!(decode(&encode(&execution)).unwrap(), execution);
    }

    #[test]
    fn damaged_snapshots_never_panic(execution in execution(), at in any::<prop::sample::Index>(), with: u8) {
        let mut bytes = encode(&execution);
        let at = at.index(bytes.len());
        bytes[at] = with;
        drop(decode(&bytes));
    }

    #[test]
    fn keys_order_as_ids_do(a: u128, b: u128) {
        let (a, b) = (ExecutionId(a), ExecutionId(b));
        prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        prop_assert_eq!(execution_of(&key(b)).unwrap(), b);
    }

    #[test]
    fn a_shared_payload_is_stored_once(execution in execution()) {
        let mut execution = execution;
        execution.status = Status::Succeeded;
        execution.input = data(89);
        execution.output = None;
        let once = encode(&execution).len();
        execution.output = Some(data(89));
        prop_assert!(encode(&execution).len() <= once + 3);
    }
}

#[test]
fn a_snapshot_without_a_payload_is_refused() {
    let text = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
    assert!(text(&[]).contains("without"), "{}", text(&[]));
    assert!(
        text(&[0xFF]).contains("execution snapshot"),
        "{}",
        text(&[0xFF])
    );
}

/// What a release without redrive would have stored of it.
fn without_what_is_kept(execution: &Execution) -> Execution {
    Execution {
        kept: Vec::new(),
        keeps_frames: false,
        ..execution.clone()
    }
}

/// An execution whose one task got this input, and ended so.
fn ended(input: &Data, last: &[EventBody]) -> Execution {
    let (at, frame, name) = (Timestamp(1_763_690_000_123), FrameId(0), "ProcessOrder");
    let started = EventBody::ExecutionStarted {
        header: Parts::sample().header(),
        input: data(89),
        deadline: None,
        keeps_frames: true,
    };
    let event = |body| Event {
        previous: EventId(1),
        body,
    };
    let mut execution = Execution::from_started(at, &event(started)).unwrap();
    let begun = [
        EventBody::StateEntered {
            frame,
            state: StateId(3),
            kind: StateKind::Task,
            name: name.into(),
            input: input.clone(),
        },
        EventBody::ActivityScheduled {
            frame,
            activity: Parts::sample().name,
            input: input.clone(),
            timeout_seconds: Some(60),
            heartbeat_seconds: Some(10),
        },
        EventBody::ActivityStarted {
            frame,
            worker: Worker::default(),
        },
    ];
    for body in begun.iter().chain(last) {
        apply(&mut execution, at, &event(body.clone()));
    }
    execution
}

#[test]
fn a_failed_task_keeps_some_forty_bytes_and_its_input() {
    let failed = [
        EventBody::ActivityFailed {
            frame: FrameId(0),
            failure: Failure::default(),
        },
        EventBody::ExecutionFailed(Failure::default()),
    ];
    let kept = |input: &Data, last: &[EventBody]| {
        let execution = ended(input, last);
        encode(&execution).len() - encode(&without_what_is_kept(&execution)).len()
    };
    assert_eq!(kept(&data(89), &failed), 40, "its input is the execution's");
    let other = data(7);
    assert_eq!(kept(&other, &failed), 40 + other.payload.len() + 6);
    let stopped = [EventBody::ExecutionAborted(Failure::default())];
    assert_eq!(kept(&data(89), &stopped), 40);
}

#[test]
fn a_success_keeps_nothing() {
    let succeeded = EventBody::ExecutionSucceeded { output: data(2) };
    let execution = ended(&data(89), &[succeeded]);
    assert_eq!(execution, without_what_is_kept(&execution));
}
