//! Express executions over a coordinator in memory: what the journal holds, what is refused, what ends them early, who
//! hears of them.

use std::sync::Arc;

use serde_json::{Value, json};
use stepfleet_engine::ExecutionId;
use stepfleet_engine::execution::Status;
use stepfleet_store::Seq;
use stepfleet_store::records::record::{ChunkRecord, RecordReader};

use super::{PARTITION, checkpoint, recovery};
use crate::config::{Config, ExecutionLog, Limits, LogTo};
use crate::face::testing;
use crate::metrics::Metrics;
use crate::observe::queue::{Losses, Next, Receiver, Signal, queue};
use crate::observe::record::Records;
use crate::service::Service;
use crate::service::api::{
    Accepted, Caller, CreateStateMachine, MachineType, StartExecution, StartedExecution,
    SyncExecution,
};
use crate::service::error::{ApiError, ErrorCode};

/// A coordinator with one Express machine, and what its executions tell.
struct World {
    service: Service,
    caller: Caller,
    machine: String,
    told: Receiver<Records>,
    /// What the last checkpoint covered of the journal.
    covered: Seq,
}

/// One decision, as its log records tell it.
#[derive(Debug, PartialEq)]
struct Told {
    name: String,
    kinds: Vec<&'static str>,
}

impl Told {
    fn status(&self) -> Status {
        match self.kinds.last() {
            Some(&"ExecutionSucceeded") => Status::Succeeded,
            Some(&"ExecutionAborted") => Status::Aborted,
            Some(_) | None => Status::Running,
        }
    }
}

const LOGGED: &str = r#"{"level":"ALL","includeExecutionData":false,"destinations":[{"cloudWatchLogsLogGroup":{"logGroupArn":"g"}}]}"#;

fn pass() -> Value {
    json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}})
}

fn wait() -> Value {
    json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 200, "End": true}}})
}

async fn world(definition: Value, limits: Limits) -> World {
    let config = Config {
        limits,
        ..Config::default()
    };
    world_of(definition, config).await
}

async fn world_of(definition: Value, config: Config) -> World {
    let config = Config {
        execution_log: ExecutionLog {
            to: LogTo::None,
            ..ExecutionLog::default()
        },
        ..config
    };
    let (face, _drain) = testing::face_with(config).await;
    let service = face.service.clone();
    let clock = service.shared.clock.clone();
    let losses = Losses::new(Signal::ExecutionLog, Metrics::default(), clock);
    let (log, told) = queue(Arc::new(losses));
    service.shared.observer.log_to(log);
    let caller = Caller::trusted(Arc::from("test"), Arc::from("000000000000"));
    let request = CreateStateMachine {
        name: "m".to_owned(),
        definition: definition.to_string(),
        machine_type: MachineType::Express,
        accepted: Accepted {
            logging_configuration: Some(LOGGED.to_owned()),
            ..Accepted::default()
        },
        ..CreateStateMachine::default()
    };
    let machine = service.create_state_machine(&caller, request).await;
    World {
        machine: machine.unwrap().arn,
        service,
        caller,
        told,
        covered: Seq(0),
    }
}

impl World {
    fn request(&self, name: &str) -> StartExecution {
        StartExecution {
            machine_arn: self.machine.clone(),
            name: Some(name.to_owned()),
            ..StartExecution::default()
        }
    }

    async fn start(&self, name: &str) -> Result<StartedExecution, ApiError> {
        let request = self.request(name);
        self.service.start_execution(&self.caller, request).await
    }

    async fn run(&self, name: &str) -> Result<SyncExecution, ApiError> {
        let request = self.request(name);
        let (service, caller) = (self.service.clone(), self.caller.clone());
        let run = async move { service.start_sync_execution(&caller, request).await };
        run.await
    }

    /// What the next decision tells.
    async fn told(&mut self) -> Told {
        let Some(Next::Value(records)) = self.told.next().await else {
            panic!("nothing more is told");
        };
        let kinds = records.events.iter().map(|event| event.kind.as_str());
        Told {
            name: records.header.name.to_string(),
            kinds: kinds.collect(),
        }
    }

    /// Starts and ends in the journal, in order.
    async fn journal(&self) -> Vec<(ExecutionId, bool)> {
        let log = &self.service.shared.log;
        let from = Seq(self.covered.0 + 1);
        let chunks = log.read_from(PARTITION, from, usize::MAX).await.unwrap();
        let records = chunks
            .into_iter()
            .flat_map(|chunk| RecordReader::new(chunk.bytes));
        let entry = |record| match record {
            ChunkRecord::Execution(record) => (record.header.execution, true),
            ChunkRecord::ExpressEnd(execution) => (execution, false),
            ChunkRecord::Control(change) => panic!("{change:?}"),
        };
        records.map(|record| entry(record.unwrap())).collect()
    }

    /// How many executions another process would run again.
    async fn interrupted(&self) -> usize {
        let open = recovery::read(&self.service.shared, self.covered).await;
        open.unwrap().len()
    }

    async fn checkpoint(&mut self) -> Seq {
        let shared = &self.service.shared;
        let covered = checkpoint(shared).await.unwrap();
        shared.log.trim(PARTITION, covered).await.unwrap();
        self.covered = covered;
        covered
    }
}

#[tokio::test]
async fn a_start_is_in_the_journal_before_it_is_answered() {
    let mut world = world(wait(), Limits::default()).await;
    let started = world.start("a").await.unwrap();
    assert!(started.arn.contains(":express:m:a:"), "{}", started.arn);
    let journal = world.journal().await;
    assert!(matches!(journal[..], [(_, true)]), "{journal:?}");
    assert_eq!(world.told().await.status(), Status::Running);
    assert_eq!(world.interrupted().await, 1);
}

#[tokio::test]
async fn every_start_is_another_execution_whatever_its_name() {
    let mut world = world(pass(), Limits::default()).await;
    let first = world.start("same").await.unwrap();
    let second = world.start("same").await.unwrap();
    assert_ne!(first.arn, second.arn);
    for _ in 0..2 {
        let told = world.told().await;
        assert_eq!(
            (told.name.as_str(), told.status()),
            ("same", Status::Succeeded)
        );
    }
}

#[tokio::test]
async fn what_has_ended_does_not_run_again() {
    let mut world = world(pass(), Limits::default()).await;
    for name in ["a", "b"] {
        world.start(name).await.unwrap();
        world.told().await;
    }
    // Ends linger for others; the next start takes those before it along, and a checkpoint the rest.
    while world.interrupted().await > 0 {
        checkpoint(&world.service.shared).await.unwrap();
    }
    let journal = world.journal().await;
    let ends = journal.iter().filter(|(_, start)| !start).count();
    assert_eq!(ends, 2, "{journal:?}");
}

#[tokio::test]
async fn a_checkpoint_covers_everything_and_keeps_what_is_open() {
    let mut world = world(wait(), Limits::default()).await;
    for name in ["a", "b", "c"] {
        world.start(name).await.unwrap();
    }
    let covered = world.checkpoint().await;
    assert!(covered > Seq(0));
    assert_eq!(world.interrupted().await, 3);
    // A second one moves them on, and there is never more than one start of each.
    assert!(world.checkpoint().await > covered);
    let journal = world.journal().await;
    assert_eq!(
        (world.interrupted().await, journal.len()),
        (3, 3),
        "{journal:?}"
    );
}

#[tokio::test]
async fn a_synchronous_execution_leaves_nothing_in_any_log() {
    let world = world(pass(), Limits::default()).await;
    let ended = world.run("a").await.unwrap();
    assert_eq!(ended.status, Status::Succeeded);
    assert_eq!(world.journal().await, []);
    let log = &world.service.shared.log;
    let partition = stepfleet_engine::PartitionId(0);
    let chunks = log.read_from(partition, Seq(1), usize::MAX).await.unwrap();
    assert_eq!(chunks, []);
}

#[tokio::test]
async fn more_than_may_run_are_told_to_try_again() {
    let limits = Limits {
        express_open_max: 1,
        ..Limits::default()
    };
    let world = world(wait(), limits).await;
    world.start("a").await.unwrap();
    for refused in [world.start("b").await.err(), world.run("b").await.err()] {
        let refused = refused.unwrap();
        assert_eq!(refused.code, ErrorCode::ThrottlingException);
        assert!(
            refused.message.contains("limits.express_open_max"),
            "{refused}"
        );
        assert!(refused.retry_after_ms.is_some());
    }
    assert_eq!(world.service.shared.express.open(), 1);
}

#[tokio::test]
async fn their_memory_is_bounded() {
    let config = Config {
        memory_budget_bytes: 4 * 10_000,
        ..Config::default()
    };
    let world = world_of(wait(), config).await;
    let mut started = 0;
    let refused = loop {
        match world.start("a").await {
            Ok(_) => started += 1,
            Err(refused) => break refused,
        }
    };
    assert!((1..10).contains(&started), "{started}");
    assert_eq!(refused.code, ErrorCode::ThrottlingException);
    assert!(refused.message.contains("memory_budget_bytes"), "{refused}");
}

#[tokio::test]
async fn the_deletion_of_its_state_machine_stops_an_execution() {
    let mut world = world(wait(), Limits::default()).await;
    world.start("a").await.unwrap();
    assert_eq!(world.told().await.status(), Status::Running);
    let (service, caller) = (world.service.clone(), world.caller.clone());
    let request = world.request("sync");
    #[expect(clippy::disallowed_methods, reason = "a test may leave its task alone")]
    let sync = tokio::spawn(async move { service.start_sync_execution(&caller, request).await });
    assert_eq!(world.told().await.name, "sync");
    let deleted = world
        .service
        .delete_state_machine(&world.caller, &world.machine);
    deleted.await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.told().await.status(), Status::Aborted);
    }
    let refused = sync.await.unwrap().unwrap_err();
    assert_eq!(refused.code, ErrorCode::StateMachineDeleting);
    let refused = world.start("late").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::StateMachineDoesNotExist);
}

#[tokio::test]
async fn the_end_of_the_process_is_an_answer_to_who_waits_and_no_end_for_the_others() {
    let mut world = world(wait(), Limits::default()).await;
    world.start("a").await.unwrap();
    world.told().await;
    let (service, caller) = (world.service.clone(), world.caller.clone());
    let request = world.request("sync");
    #[expect(clippy::disallowed_methods, reason = "a test may leave its task alone")]
    let sync = tokio::spawn(async move { service.start_sync_execution(&caller, request).await });
    world.told().await;
    world.service.shared.express.halt.cancel();
    let refused = sync.await.unwrap().unwrap_err();
    assert_eq!(refused.code, ErrorCode::ServiceUnavailable);
    world.checkpoint().await;
    assert_eq!(world.interrupted().await, 1);
}

#[tokio::test]
async fn its_log_has_the_whole_history() {
    let mut world = world(pass(), Limits::default()).await;
    world.run("a").await.unwrap();
    let told = world.told().await;
    let kinds = [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(told.kinds, kinds);
}
