//! Which worker gets which task: slots that change, bounds of a worker, executions that keep to workers, ramps of builds.

use std::collections::BTreeMap;

use super::*;

impl Stage {
    async fn set(&self, change: v1::UpdateActivityRequest) -> Result<(), Status> {
        let change = v1::UpdateActivityRequest {
            activity_arn: activity_arn("a"),
            ..change
        };
        self.activities().update_activity(change).await.map(drop)
    }

    async fn ramp(&self, build: &str, percent: u32) {
        let ramp = v1::Ramp {
            build_id: build.into(),
            percent,
        };
        let change = v1::UpdateActivityRequest {
            ramp: Some(ramp),
            ..Default::default()
        };
        self.set(change).await.unwrap();
    }

    /// A worker as told, of the build.
    async fn hand(&self, hello: Hello) -> Hand {
        self.sessions.set(self.sessions.get() + 1);
        let session = format!("00000000-0000-4000-8000-{:012x}", self.sessions.get());
        self.connect(Hello {
            session_id: session,
            ..hello
        })
        .await
    }

    async fn with_machine() -> Self {
        let stage = stage().await;
        stage.activity("a").await;
        stage.machine("m", "a").await;
        stage
    }

    async fn start_many(&self, count: usize) {
        for number in 0..count {
            self.start("m", &format!("e{number}"), "{}").await;
        }
    }

    /// Workers, started, succeeded and failed tasks by build.
    async fn by_build(&self) -> BTreeMap<String, (i64, i64, i64, i64)> {
        let builds = self.stats("a").await.builds.into_iter();
        let counts = |of: v1::BuildStats| {
            let counts = (of.workers, of.started, of.succeeded, of.failed);
            (of.build_id, counts)
        };
        builds.map(counts).collect()
    }

    /// Tasks that no worker may get, and what they wait for.
    async fn unplaceable(&self) -> Vec<(i64, String)> {
        let unplaceable = self.stats("a").await.unplaceable.into_iter();
        unplaceable.map(|of| (of.queued, of.reason)).collect()
    }

    async fn of_build(&self, build: &str) -> Hand {
        self.hand(Hello {
            build_id: build.into(),
            ..hello(build, 500)
        })
        .await
    }

    async fn slots_of(&self, worker: &str) -> (u32, u32) {
        let described = self.describe(worker).await.unwrap().worker.unwrap();
        let activity = &described.activities[0];
        (activity.used, activity.slots)
    }
}

fn hello(name: &str, slots: u32) -> Hello {
    Hello {
        worker_name: name.into(),
        activities: vec![v1::ActivitySlots {
            activity: "a".into(),
            slots,
            max_rate: 0.0,
        }],
        ..Hello::default()
    }
}

impl Hand {
    async fn resize(&self, activity: u32, slots: u32) {
        let message = WorkerMessage {
            slots: vec![SlotsChange { activity, slots }],
            ..WorkerMessage::default()
        };
        self.say.send(message).await.unwrap();
    }

    async fn some(&mut self, count: usize) -> Vec<v1::Push> {
        let mut pushes = Vec::new();
        while pushes.len() < count {
            pushes.extend(self.pushes().await);
        }
        assert_eq!(pushes.len(), count);
        pushes
    }
}

#[tokio::test]
async fn slots_change_during_a_session_and_are_obeyed() {
    let stage = Stage::with_machine().await;
    let mut hand = stage.hand(hello("w", 2)).await;
    stage.start_many(10).await;
    let mut pushes = hand.some(2).await;
    hand.resize(0, 5).await;
    pushes.extend(hand.some(3).await);
    assert_eq!(stage.slots_of("w").await, (5, 5));
    hand.resize(0, 2).await;
    stage
        .until(async |stage| stage.slots_of("w").await == (5, 2))
        .await;
    // Three end without another coming; then one comes for each that ends.
    for (number, push) in (1..).zip(&pushes[..4]) {
        hand.succeed(number, push).await;
    }
    let sixth = hand.some(1).await;
    assert_eq!(stage.slots_of("w").await, (2, 2));
    hand.succeed(5, &sixth[0]).await;
    hand.some(1).await;
    assert_eq!(stage.stats("a").await.slots, 2);
}

#[tokio::test]
async fn a_change_of_slots_that_cannot_be_ends_the_connection_with_the_reason() {
    let stage = Stage::with_machine().await;
    for (activity, slots, reason) in [
        (1, 1, "names an activity that the worker does not serve"),
        (0, 0, "at least 1 slot"),
        (0, 70_000, "must be 1 to 65536 in all"),
    ] {
        let mut hand = stage.hand(hello("w", 2)).await;
        hand.resize(activity, slots).await;
        let ended = hand.hear.message().await.unwrap_err();
        assert!(ended.message().contains(reason), "{ended}");
    }
}

#[tokio::test]
async fn a_worker_has_a_bound_over_all_its_activities() {
    let stage = Stage::with_machine().await;
    stage.activity("b").await;
    stage.machine("n", "b").await;
    let slots = |activity: &str| v1::ActivitySlots {
        activity: activity.into(),
        slots: 4,
        max_rate: 0.0,
    };
    let mut hand = stage
        .hand(Hello {
            activities: vec![slots("a"), slots("b")],
            max_tasks: 3,
            ..hello("w", 4)
        })
        .await;
    for number in 0..6 {
        stage.start("m", &format!("e{number}"), "{}").await;
        stage.start("n", &format!("e{number}"), "{}").await;
    }
    let mut held = hand.some(3).await;
    let described = stage.describe("w").await.unwrap().worker.unwrap();
    assert_eq!(described.max_tasks, 3);
    let mut by_activity = [0, 0];
    for number in 1..=12 {
        let push = held.remove(0);
        by_activity[push.activity as usize] += 1;
        hand.succeed(number, &push).await;
        if number <= 9 {
            held.extend(hand.some(1).await);
        }
        let worker = stage.describe("w").await.unwrap().worker.unwrap();
        let used: u32 = worker.activities.iter().map(|activity| activity.used).sum();
        assert!(used <= 3, "{used}");
    }
    assert_eq!(by_activity, [6, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_given_no_more_a_second_than_it_says() {
    let stage = Stage::with_machine().await;
    let mut wanted = hello("w", 100);
    wanted.activities[0].max_rate = 10.0;
    crate::task::spawn("pace", crate::matching::pace(stage.shared.clone()));
    let mut hand = stage.hand(wanted).await;
    let now = || stage.shared.clock.now();
    let begun = now();
    stage.start_many(21).await;
    hand.some(21).await;
    let took = now().0 - begun.0;
    assert!(
        (1900..2600).contains(&took),
        "{took} ms for 20 more tasks at 10 a second"
    );
    let worker = stage.describe("w").await.unwrap().worker.unwrap();
    assert!((worker.activities[0].max_rate - 10.0).abs() < 1e-9);
}

/// A machine that does two tasks of the activity `a`, one after the other.
async fn two_tasks(stage: &Stage) {
    two_tasks_with(stage, &serde_json::json!({})).await;
}

/// The same, of tasks with these parameters.
async fn two_tasks_with(stage: &Stage, parameters: &serde_json::Value) {
    let task = |next: serde_json::Value| {
        let mut task = serde_json::json!({
            "Type": "Task", "Resource": activity_arn("a"), "Parameters": parameters,
        });
        task.as_object_mut()
            .unwrap()
            .extend(next.as_object().unwrap().clone());
        task
    };
    let definition = serde_json::json!({"StartAt": "One", "States": {
        "One": task(serde_json::json!({"Next": "Two"})),
        "Two": task(serde_json::json!({"End": true})),
    }});
    let request = v1::CreateStateMachineRequest {
        name: "two".into(),
        definition: definition.to_string(),
        ..Default::default()
    };
    let mut machines = StateMachineServiceClient::new(stage.router.clone());
    machines.create_state_machine(request).await.unwrap();
}

fn sticky(for_ms: i64, wait_ms: i64) -> v1::UpdateActivityRequest {
    v1::UpdateActivityRequest {
        sticky: Some(v1::Sticky { for_ms, wait_ms }),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_execution_keeps_to_its_worker_while_that_has_a_slot() {
    let stage = Stage::with_machine().await;
    two_tasks(&stage).await;
    stage.set(sticky(60_000, 0)).await.unwrap();
    let mut second = stage.hand(hello("second", 1)).await;
    stage.start("two", "x", "{}").await;
    let push = second.some(1).await.remove(0);
    // A slot that waits longer would be given the next task, if executions kept to nobody.
    let _first = stage.hand(hello("first", 1)).await;
    second.succeed(1, &push).await;
    second.some(1).await;
    let stats = stage.stats("a").await;
    assert_eq!((stats.sticky_hits, stats.sticky_misses), (1, 0));
    for (for_ms, wait_ms) in [(-1, 0), (86_400_001, 0), (1000, 3_600_001)] {
        let refused = stage.set(sticky(for_ms, wait_ms)).await.unwrap_err();
        assert!(refused.message().contains("`sticky` keeps"), "{refused}");
    }
}

#[tokio::test]
async fn a_task_says_by_itself_whether_it_keeps_to_its_worker() {
    let asks =
        |sticky: serde_json::Value| serde_json::json!({"stepfleet:task": {"sticky": sticky}});
    // Of an activity that keeps to nobody.
    for sticky in [true.into(), serde_json::json!({"forSeconds": 60})] {
        let stage = Stage::with_machine().await;
        two_tasks_with(&stage, &asks(sticky)).await;
        let mut own = stage.hand(hello("own", 1)).await;
        stage.start("two", "x", "{}").await;
        let push = own.some(1).await.remove(0);
        let _other = stage.hand(hello("other", 1)).await;
        own.succeed(1, &push).await;
        own.some(1).await;
        let stats = stage.stats("a").await;
        assert_eq!((stats.sticky_hits, stats.sticky_misses), (1, 0));
    }
    // Of one that keeps to workers, and lets tasks wait for them.
    let (stage, _own, _fill, mut other) = busy(60_000, &asks(false.into())).await;
    other.some(1).await;
    let stats = stage.stats("a").await;
    assert_eq!((stats.sticky_hits, stats.sticky_misses), (0, 0));
}

/// An execution whose second task comes while its worker is busy with another, and a second worker is idle.
async fn busy(wait_ms: i64, parameters: &serde_json::Value) -> (Stage, Hand, v1::Push, Hand) {
    let stage = Stage::with_machine().await;
    crate::task::spawn("pace", crate::matching::pace(stage.shared.clone()));
    two_tasks_with(&stage, parameters).await;
    stage.set(sticky(60_000, wait_ms)).await.unwrap();
    let mut own = stage.hand(hello("own", 2)).await;
    stage.start("two", "x", "{}").await;
    let first = own.some(1).await.remove(0);
    stage.start("m", "fill", "{}").await;
    let fill = own.some(1).await.remove(0);
    own.resize(0, 1).await;
    stage
        .until(async |stage| stage.slots_of("own").await == (2, 1))
        .await;
    let other = stage.hand(hello("other", 1)).await;
    own.succeed(1, &first).await;
    (stage, own, fill, other)
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_worker_is_busy_goes_to_another_at_once_or_waits_as_long_as_it_may() {
    let plain = serde_json::json!({});
    let (stage, _own, _fill, mut other) = busy(0, &plain).await;
    other.some(1).await;
    let stats = stage.stats("a").await;
    assert_eq!((stats.sticky_hits, stats.sticky_misses), (0, 1));

    let (stage, mut own, fill, _other) = busy(5_000, &plain).await;
    stage
        .until(async |stage| stage.stats("a").await.queued == 1)
        .await;
    own.succeed(2, &fill).await;
    own.some(1).await;
    let stats = stage.stats("a").await;
    assert_eq!((stats.sticky_hits, stats.sticky_misses), (1, 0));

    let (stage, _own, _fill, mut other) = busy(5_000, &plain).await;
    let begun = stage.shared.clock.now();
    other.some(1).await;
    let waited = stage.shared.clock.now().0 - begun.0;
    assert!((4_900..5_200).contains(&waited), "{waited}");
    assert_eq!(stage.stats("a").await.sticky_misses, 1);
}

#[tokio::test]
async fn a_ramp_gives_a_share_of_the_executions_to_a_build_and_is_taken_back_at_once() {
    let stage = Stage::with_machine().await;
    stage.ramp("b2", 20).await;
    let mut old = stage
        .hand(Hello {
            build_id: "b1".into(),
            ..hello("old", 500)
        })
        .await;
    stage.start_many(200).await;
    let mut of_old = Vec::new();
    stage
        .until(async |stage| {
            let stats = stage.stats("a").await;
            stats.queued + stats.in_hand == 200
        })
        .await;
    let waiting = stage.stats("a").await.queued;
    assert!(
        (20..=60).contains(&waiting),
        "{waiting} of 200 wait for the new build"
    );
    let waiting = usize::try_from(waiting).unwrap();
    while of_old.len() < 200 - waiting {
        of_old.extend(old.pushes().await);
    }
    let mut new = stage
        .hand(Hello {
            build_id: "b2".into(),
            ..hello("new", 10)
        })
        .await;
    let pushes = new.some(10).await;
    let result = TaskResult {
        task_token: pushes[0].task_token.clone(),
        number: 1,
        outcome: Some(Reported::Failure(v1::TaskFailure::default())),
    };
    let message = WorkerMessage {
        results: vec![result],
        ..WorkerMessage::default()
    };
    new.say.send(message).await.unwrap();
    old.succeed(1, &of_old[0]).await;
    let old_count = i64::try_from(of_old.len()).unwrap();
    let expect = BTreeMap::from([
        ("b1".to_owned(), (1, old_count, 1, 0)),
        ("b2".to_owned(), (1, 11, 0, 1)),
    ]);
    stage
        .until(async |stage| stage.by_build().await == expect)
        .await;
    // The new build fails: what waits for it goes to the others.
    stage.ramp("", 0).await;
    old.some(waiting - 11).await;
    assert_eq!(stage.stats("a").await.queued, 0);
}

#[tokio::test]
async fn a_ramp_of_more_than_everything_is_refused() {
    let stage = Stage::with_machine().await;
    for (build, percent, reason) in [("b2", 101, "0 to 100"), ("", 5, "needs the build id")] {
        let change = v1::UpdateActivityRequest {
            ramp: Some(v1::Ramp {
                build_id: build.into(),
                percent,
            }),
            ..Default::default()
        };
        let refused = stage.set(change).await.unwrap_err();
        assert!(refused.message().contains(reason), "{refused}");
    }
}

#[tokio::test]
async fn a_weight_gives_a_machine_more_of_the_turns() {
    let stage = Stage::with_machine().await;
    stage.machine("heavy", "a").await;
    let weights = |weight| v1::UpdateActivityRequest {
        machine_weights: Some(v1::MachineWeights {
            weights: [(format!("{PREFIX}stateMachine:heavy"), weight)].into(),
        }),
        ..Default::default()
    };
    stage.set(weights(3)).await.unwrap();
    for number in 0..40 {
        stage.start("m", &format!("e{number}"), "{}").await;
        stage.start("heavy", &format!("e{number}"), "{}").await;
    }
    let mut hand = stage.hand(hello("w", 20)).await;
    let pushes = hand.some(20).await;
    let heavy = pushes
        .iter()
        .filter(|push| push.execution_arn.contains(":heavy:"));
    assert_eq!(heavy.count(), 15);
    for weight in [0, 1001] {
        let refused = stage.set(weights(weight)).await.unwrap_err();
        assert!(refused.message().contains("1 to 1000"), "{refused}");
    }
}

#[tokio::test]
async fn tasks_that_a_ramp_sends_to_nobody_are_told_and_an_alarm_when_they_are_all() {
    let stage = Stage::with_machine().await;
    let _old = stage.of_build("b1").await;
    stage.ramp("b2", 20).await;
    stage.start_many(200).await;
    stage
        .until(async |stage| {
            let stats = stage.stats("a").await;
            stats.queued + stats.in_hand == 200
        })
        .await;
    let waiting = stage.stats("a").await.queued;
    let of_build = "a worker of build 'b2', which a ramp sends them to".to_owned();
    assert_eq!(stage.unplaceable().await, [(waiting, of_build)]);
    assert_eq!(stage.unserved().await, []);
    stage.ramp("b2", 100).await;
    assert_eq!(stage.unserved().await, [("activity:a".into(), true)]);
    stage.ramp("b1", 0).await;
    let of_another = "a worker of another build than 'b1', by a ramp".to_owned();
    assert_eq!(stage.unplaceable().await, [(waiting, of_another)]);
    assert_eq!(stage.unserved().await, [("activity:a".into(), true)]);
    let _new = stage.of_build("b2").await;
    stage
        .until(async |stage| stage.stats("a").await.queued == 0)
        .await;
    assert_eq!(stage.unplaceable().await, []);
    assert_eq!(stage.unserved().await, []);
}

#[tokio::test]
async fn a_task_that_keeps_to_its_worker_is_told_when_the_worker_is_away() {
    let (stage, own, _fill, _other) = busy(600_000, &serde_json::json!({})).await;
    stage
        .until(async |stage| stage.stats("a").await.queued == 1)
        .await;
    assert_eq!(stage.unplaceable().await, []);
    drop(own);
    let away = "the worker 'own', which their executions keep to and which is away".to_owned();
    stage
        .until(async |stage| stage.unplaceable().await == [(1, away.clone())])
        .await;
}
