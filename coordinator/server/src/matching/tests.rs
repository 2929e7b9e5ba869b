//! Offers and slots of one activity.

use stepfleet_engine::SessionId;

use super::*;
use crate::catalog::records::ActivitySettings;
use crate::fleet::credits::Offered;
use crate::fleet::session::{About, Served};
use crate::service::api::Caller;
use crate::service::error::ErrorCode;

const NOW: Timestamp = Timestamp(1);

fn offer(number: u128) -> Offer {
    let attempt = Attempt {
        entry: EventId(2),
        attempt: 0,
        generation: 0,
    };
    Offer {
        hash: KeyHash(0),
        execution: ExecutionId(number),
        attempt,
        scheduled_at: Timestamp(1),
        machine: Arc::from("m"),
        placement: Placement::default(),
    }
}

fn poller() -> (Slot, oneshot::Receiver<PolledTask>) {
    let (answer, receiver) = oneshot::channel();
    (
        Slot::Poller {
            activity: Arc::from("a"),
            worker: None,
            answer,
        },
        receiver,
    )
}

#[test]
fn an_idle_slot_is_reserved_at_once() {
    let queue = Queue::default();
    let (slot, _receiver) = poller();
    assert!(queue.offer_slot(slot, NOW).is_none());
    assert!(queue.reserve_or_enqueue(offer(1), NOW).is_some());
    assert!(queue.reserve_or_enqueue(offer(2), NOW).is_none());
}

#[test]
fn a_slot_goes_to_the_oldest_offer() {
    let queue = Queue::default();
    for number in 1..=3 {
        assert!(queue.reserve_or_enqueue(offer(number), NOW).is_none());
    }
    assert!(queue.withdraw(&offer(1)));
    let (slot, _receiver) = poller();
    assert_eq!(
        queue.offer_slot(slot, NOW).unwrap().0.execution,
        ExecutionId(2)
    );
    let (slot, _receiver) = poller();
    assert_eq!(
        queue.offer_slot(slot, NOW).unwrap().0.execution,
        ExecutionId(3)
    );
}

#[test]
fn a_poller_that_went_away_gets_nothing() {
    let queue = Queue::default();
    let (slot, receiver) = poller();
    assert!(queue.offer_slot(slot, NOW).is_none());
    drop(receiver);
    assert!(queue.reserve_or_enqueue(offer(1), NOW).is_none());
    assert_eq!(queue.report().queued, 1);
}

#[test]
fn the_thousand_and_first_poller_is_refused() {
    let queue = Queue::default();
    let mut receivers = Vec::new();
    for _ in 0..POLLERS_PER_ACTIVITY_MAX {
        let (slot, receiver) = poller();
        receivers.push(receiver);
        assert!(
            queue
                .poll(slot, POLLERS_PER_ACTIVITY_MAX, NOW)
                .unwrap()
                .is_none()
        );
    }
    let error = queue
        .poll(poller().0, POLLERS_PER_ACTIVITY_MAX, NOW)
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::ActivityWorkerLimitExceeded);
    receivers.pop();
    assert!(
        queue
            .poll(poller().0, POLLERS_PER_ACTIVITY_MAX, NOW)
            .is_ok()
    );
}

/// An offer of this machine, with this priority, that asks for these labels.
fn asks(number: u128, machine: &str, priority: u8, labels: &[(&str, &str)]) -> Offer {
    Offer {
        machine: Arc::from(machine),
        placement: Placement {
            requires: Arc::new(map(labels)),
            priority,
            ..Placement::default()
        },
        ..offer(number)
    }
}

fn map(labels: &[(&str, &str)]) -> Labels {
    let pairs = labels.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// Numbers of the tasks that pollers get, one after another.
fn served(queue: &Queue, count: usize) -> Vec<u128> {
    let serve = |_| Some(queue.offer_slot(poller().0, NOW)?.0.execution.0);
    (0..count).filter_map(serve).collect()
}

/// A session with one slot and these labels.
fn session(labels: &[(&str, &str)]) -> Slot {
    let about = About {
        labels: Arc::new(map(labels)),
        ..About::default()
    };
    let caller = Caller::trusted(Arc::from("p"), Arc::from("000000000000"));
    let served = Served {
        arn: Arc::from("a"),
        queue: Arc::default(),
        connector: None,
        offered: Offered {
            slots: 1,
            rate_per_1000_s: None,
        },
    };
    let session = Session::new(SessionId(1), about, caller, vec![served], None);
    session.connect(NOW, false, None);
    let epoch = session.open_slots().epoch;
    Slot::Session {
        session: Arc::new(session),
        activity: 0,
        epoch,
    }
}

fn settings(change: impl FnOnce(&mut ActivitySettings)) -> ActivitySettings {
    let mut settings = ActivitySettings::default();
    change(&mut settings);
    settings
}

#[test]
fn a_flood_of_one_machine_makes_nobody_else_wait() {
    let queue = Queue::default();
    for number in 0..10_000 {
        queue.reserve_or_enqueue(asks(number, "flood", 5, &[]), NOW);
    }
    assert_eq!(served(&queue, 3), [0, 1, 2]);
    for number in [20_000, 20_001] {
        queue.reserve_or_enqueue(asks(number, "small", 5, &[]), NOW);
    }
    queue.reserve_or_enqueue(asks(30_000, "third", 5, &[]), NOW);
    assert_eq!(served(&queue, 6), [20_000, 30_000, 3, 20_001, 4, 5]);
    // Whoever has more than one task gets every other slot, however many the flood has.
    for number in 40_000..40_100 {
        queue.reserve_or_enqueue(asks(number, "even", 5, &[]), NOW);
    }
    let even = served(&queue, 100).into_iter();
    assert_eq!(even.filter(|number| *number >= 40_000).count(), 50);
}

#[test]
fn a_machine_that_asks_for_labels_is_no_flood_either() {
    let queue = Queue::default();
    for number in 0..100 {
        queue.reserve_or_enqueue(asks(number, "flood", 5, &[("gpu", "")]), NOW);
    }
    for number in 200..300 {
        queue.reserve_or_enqueue(asks(number, "other", 5, &[]), NOW);
    }
    let take = |_| queue.offer_slot(session(&[("gpu", "")]), NOW).unwrap().0;
    let plain = (0..20).map(take).filter(|offer| offer.execution.0 >= 200);
    assert_eq!(plain.count(), 10);
}

#[test]
fn priority_orders_the_tasks_of_one_machine_alone() {
    let queue = Queue::default();
    for (number, machine, priority) in [(1, "a", 5), (2, "a", 0), (3, "a", 9), (4, "b", 0)] {
        queue.reserve_or_enqueue(asks(number, machine, priority, &[]), NOW);
    }
    assert_eq!(served(&queue, 5), [3, 4, 1, 2]);
}

#[test]
fn a_task_waits_for_a_worker_with_its_labels() {
    let queue = Queue::default();
    assert!(
        queue
            .offer_slot(session(&[("region", "us")]), NOW)
            .is_none()
    );
    let eu = asks(1, "m", 5, &[("region", "eu")]);
    assert!(queue.reserve_or_enqueue(eu, NOW).is_none());
    let (polling, _receiver) = poller();
    assert!(queue.offer_slot(polling, NOW).is_none());
    let slot = session(&[("region", "eu"), ("gpu", "")]);
    assert_eq!(
        queue.offer_slot(slot, NOW).unwrap().0.execution,
        ExecutionId(1)
    );
    // One that asks for nothing goes to a worker that can do no more than that.
    assert!(
        queue
            .offer_slot(session(&[("region", "eu")]), NOW)
            .is_none()
    );
    let slot = queue.reserve_or_enqueue(asks(2, "m", 5, &[]), NOW);
    assert!(slot.is_some_and(|slot| slot.kind().labels.is_empty()));
    let slot = queue.reserve_or_enqueue(asks(3, "m", 5, &[("region", "eu")]), NOW);
    assert_eq!(*slot.unwrap().kind().labels, map(&[("region", "eu")]));
}

#[test]
fn an_activity_requires_labels_of_every_worker() {
    let queue = Queue::default();
    let required = settings(|of| of.requires = Arc::new(map(&[("gpu", "")])));
    assert!(queue.configure(required, NOW).is_empty());
    assert!(queue.reserve_or_enqueue(offer(1), NOW).is_none());
    assert!(queue.offer_slot(session(&[]), NOW).is_none());
    assert!(queue.offer_slot(session(&[("gpu", "")]), NOW).is_some());
    assert!(queue.reserve_or_enqueue(offer(2), NOW).is_none());
    let pairs = queue.configure(ActivitySettings::default(), NOW);
    assert_eq!(pairs.len(), 1);
}

#[test]
fn a_paused_queue_hands_out_nothing_until_it_is_resumed() {
    let queue = Queue::default();
    queue.configure(settings(|of| of.paused = true), NOW);
    assert!(queue.offer_slot(session(&[]), NOW).is_none());
    let (polling, _receiver) = poller();
    assert!(queue.offer_slot(polling, NOW).is_none());
    for number in 1..=3 {
        assert!(queue.reserve_or_enqueue(offer(number), NOW).is_none());
    }
    assert!(queue.withdraw(&offer(2)));
    let pairs = queue.configure(ActivitySettings::default(), NOW);
    let started: Vec<_> = pairs.iter().map(|(offer, _)| offer.execution.0).collect();
    assert_eq!(started, [1, 3]);
    assert_eq!(queue.report().in_hand, 2);
}

#[test]
fn no_more_tasks_than_the_bound_are_in_hand_at_once() {
    let queue = Queue::default();
    queue.configure(settings(|of| of.concurrency_max = Some(2)), NOW);
    let _held: Vec<_> = (0..4)
        .map(|_| queue.offer_slot(session(&[]), NOW))
        .collect();
    let started: Vec<_> = (1..=4)
        .filter_map(|number| queue.reserve_or_enqueue(offer(number), NOW))
        .collect();
    assert_eq!((started.len(), queue.depth()), (2, 2));
    let next = queue.left(ExecutionId(1), offer(1).attempt, NOW);
    assert_eq!(next[0].0.execution, ExecutionId(3));
    // What is told twice counts once.
    assert!(queue.left(ExecutionId(1), offer(1).attempt, NOW).is_empty());
    assert_eq!(queue.report().in_hand, 2);
}

#[test]
fn a_rate_lets_the_next_task_go_when_its_time_has_come() {
    let queue = Queue::default();
    queue.configure(settings(|of| of.rate_per_1000_s = Some(10_000)), NOW);
    let _idle: Vec<_> = (0..3)
        .map(|_| queue.offer_slot(session(&[]), NOW))
        .collect();
    assert!(queue.reserve_or_enqueue(offer(1), NOW).is_some());
    assert!(queue.reserve_or_enqueue(offer(2), NOW).is_none());
    assert_eq!(queue.next_token_at(NOW), Some(NOW.plus_ms(100)));
    assert!(queue.pump(NOW.plus_ms(99)).is_empty());
    assert_eq!(queue.pump(NOW.plus_ms(100)).len(), 1);
    assert_eq!(queue.next_token_at(NOW.plus_ms(100)), None);
}
