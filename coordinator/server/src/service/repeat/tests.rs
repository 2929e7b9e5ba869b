//! Which repeats count, event by event.

use stepfleet_asl::Payload;
use stepfleet_asl::program::StateId;
use stepfleet_engine::event::{Event, EventBody, Failure, TaskResource};
use stepfleet_engine::execution::{StateKind, Status};
use stepfleet_engine::{
    Attempt, Data, EventId, EventSeq, FrameId, PayloadId, Timestamp, Variables, Worker,
};
use stepfleet_store::records::history::StoredEvent;

use super::Search;

const FRAME: FrameId = FrameId(1);
const OTHER: FrameId = FrameId(2);

fn data(text: &str) -> Data {
    Data {
        id: PayloadId(1),
        payload: Payload::trusted(text),
    }
}

fn entered(frame: FrameId) -> EventBody {
    EventBody::StateEntered {
        frame,
        state: StateId(0),
        kind: StateKind::Task,
        name: "Approve".into(),
        input: data("{}"),
    }
}

fn exited() -> EventBody {
    EventBody::StateExited {
        frame: FRAME,
        kind: StateKind::Task,
        name: "Approve".into(),
        output: data("{}"),
        assigned: Variables::default(),
        next: None,
    }
}

fn started() -> EventBody {
    let (frame, worker) = (FRAME, Worker::default());
    EventBody::ActivityStarted { frame, worker }
}

fn succeeded(frame: FrameId, output: &str) -> EventBody {
    let output = data(output);
    EventBody::ActivitySucceeded { frame, output }
}

fn failed() -> EventBody {
    let (frame, failure) = (FRAME, Failure::default());
    EventBody::ActivityFailed { frame, failure }
}

fn retry() -> EventBody {
    EventBody::RetryScheduled {
        frame: FRAME,
        retrier: 0,
        until: Timestamp(0),
    }
}

/// Numbers events as an execution does; the first is event 5, the entry that the tokens name.
fn stored(bodies: impl IntoIterator<Item = EventBody>) -> Vec<StoredEvent> {
    let mut next = 5;
    let mut events = Vec::new();
    for (seq, body) in (9..).zip(bodies) {
        let id = body.is_public().then_some(EventId(next));
        next += u64::from(id.is_some());
        events.push(StoredEvent {
            id,
            seq: EventSeq(seq),
            at: Timestamp(0),
            event: Event {
                previous: EventId(0),
                body,
            },
        });
    }
    events
}

/// What a repeat of `{"a":1}` finds, with the token of this attempt and generation.
fn repeat(attempt: (u32, u32), events: &[StoredEvent]) -> Option<bool> {
    let wanted = Attempt {
        entry: EventId(5),
        attempt: attempt.0,
        generation: attempt.1,
    };
    let mut search = Search::new(wanted, r#"{"a":1}"#);
    events.iter().find_map(|event| search.event(event))
}

#[test]
fn the_very_success_is_found() {
    let good = succeeded(FRAME, r#"{"a":1}"#);
    let events = stored([entered(FRAME), started(), good, exited()]);
    assert_eq!(repeat((0, 0), &events), Some(true));
    assert_eq!(repeat((1, 0), &events), Some(false), "another attempt");
    assert_eq!(repeat((0, 1), &events), Some(false), "another hand-out");
}

#[test]
fn a_callback_counts_like_an_activity() {
    let good = EventBody::TaskSucceeded {
        frame: FRAME,
        resource: TaskResource {
            service: "stepfleet".into(),
            action: "callback.waitForTaskToken".into(),
        },
        output: data(r#"{"a":1}"#),
    };
    let events = stored([entered(FRAME), good, exited()]);
    assert_eq!(repeat((0, 0), &events), Some(true));
}

#[test]
fn other_bytes_are_another_success() {
    for output in [r#"{"a": 1}"#, r#"{"a":2}"#, ""] {
        let events = stored([entered(FRAME), succeeded(FRAME, output), exited()]);
        assert_eq!(repeat((0, 0), &events), Some(false), "{output}");
    }
}

#[test]
fn only_the_attempt_that_succeeded_counts() {
    let good = succeeded(FRAME, r#"{"a":1}"#);
    // The second attempt failed before anything was scheduled.
    let events = [entered(FRAME), failed(), retry(), retry(), good, exited()];
    let events = stored(events);
    assert_eq!(repeat((0, 0), &events), Some(false));
    assert_eq!(repeat((1, 0), &events), Some(false));
    assert_eq!(repeat((2, 0), &events), Some(true));
}

#[test]
fn only_the_hand_out_that_succeeded_counts() {
    let again = EventBody::ActivityReoffered { frame: FRAME };
    let good = succeeded(FRAME, r#"{"a":1}"#);
    let events = stored([entered(FRAME), started(), again, good, exited()]);
    assert_eq!(repeat((0, 0), &events), Some(false));
    assert_eq!(repeat((0, 1), &events), Some(true));
}

#[test]
fn a_success_whose_state_failed_afterwards_counts() {
    let good = succeeded(FRAME, r#"{"a":1}"#);
    let events = stored([entered(FRAME), good, retry(), failed()]);
    assert_eq!(repeat((0, 0), &events), Some(true));
    assert_eq!(repeat((1, 0), &events), None, "its own end is not recorded");
}

#[test]
fn attempts_go_on_after_a_redrive() {
    let redriven = EventBody::ExecutionRedriven {
        count: 1,
        deadline: None,
        client_token: None,
        status: Status::Failed,
        closed_at: Timestamp(0),
    };
    let (frame, kind) = (FRAME, StateKind::Task);
    let aborted = EventBody::StateAborted { frame, kind };
    let good = succeeded(FRAME, r#"{"a":1}"#);
    let events = [entered(FRAME), aborted, redriven, started(), good, exited()];
    let events = stored(events);
    assert_eq!(repeat((0, 0), &events), Some(false));
    assert_eq!(repeat((1, 0), &events), Some(true));
}

#[test]
fn other_frames_and_later_stays_do_not_count() {
    let good = || succeeded(FRAME, r#"{"a":1}"#);
    let other = succeeded(OTHER, r#"{"a":1}"#);
    let events = [entered(FRAME), entered(OTHER), other, failed(), exited()];
    let later = [entered(FRAME), good(), exited()];
    let events = stored(events.into_iter().chain(later));
    assert_eq!(repeat((0, 0), &events), Some(false));
    let before = stored([good(), entered(FRAME), good()]);
    assert_eq!(repeat((0, 0), &before), Some(false), "no state's entry");
}

#[test]
fn overlapping_blocks_are_read_once_and_a_gap_ends_the_search() {
    let good = succeeded(FRAME, r#"{"a":1}"#);
    let events = stored([entered(FRAME), failed(), retry(), good, exited()]);
    let overlapping: Vec<_> = events[..3].iter().chain(&events[1..]).cloned().collect();
    assert_eq!(repeat((1, 0), &overlapping), Some(true));
    let gap: Vec<_> = events[..2].iter().chain(&events[3..]).cloned().collect();
    assert_eq!(repeat((0, 0), &gap), Some(false));
    assert_eq!(repeat((1, 0), &gap), Some(false));
}
