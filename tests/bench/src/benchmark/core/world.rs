//! An execution in the middle of an activity, without a coordinator around it.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use stepfleet_asl::definition::{self, MachineType, Options};
use stepfleet_asl::resource::{Integration, Resource};
use stepfleet_asl::{Patience, Payload, Program};
use stepfleet_engine::env::{Env, Served, Services};
use stepfleet_engine::execution::Header;
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{
    Attempt, Command, Execution, ExecutionId, Input, KeyHash, TaskRef, Timestamp, Worker, decide,
};

use self::token::TokenKeys;
use crate::machine;

// The coordinator is a program, not a library; this is its own code.
#[path = "../../../../../coordinator/server/src/token.rs"]
#[rustfmt::skip]
#[cfg_attr(not(test), expect(dead_code, reason = "only the tokens of activity tasks are measured"))]
mod token;

pub(crate) const ACTIVITY: &str = "arn:aws:states:us-east-1:000000000000:activity:bench";

const NOW: Timestamp = Timestamp(1_767_225_600_000);

/// An execution whose first activity is in a worker's hands.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) program: Program,
    pub(crate) execution: Execution,
    pub(crate) attempt: Attempt,
    limits: Limits,
}

#[derive(Debug)]
struct Everything;

impl Services for Everything {
    fn token(&self, task: &TaskRef) -> String {
        keys().seal(task)
    }

    fn activity_exists(&self, _arn: &str) -> bool {
        true
    }

    fn served(&self, _integration: &Integration) -> Served {
        Served::Waits
    }

    fn region(&self) -> Arc<str> {
        "us-east-1".into()
    }

    fn serves(&self, _resource: &Resource) -> bool {
        true
    }
}

impl World {
    pub(crate) fn in_activity(definition: &str) -> anyhow::Result<Self> {
        let program = compile(definition)?;
        let limits = limits();
        let env = env(&limits);
        let input = Payload::parse(machine::input(machine::CHAIN_TASKS))?;
        let start = stepfleet_engine::start(&program, header(), input, &env);
        let attempt = offered(&start.commands).context("the first activity is offered")?;
        let started = Input::Started {
            attempt,
            worker: Worker::default(),
        };
        let execution = decide(&program, &start.execution, &env, started)?.execution;
        Ok(Self {
            program,
            execution,
            attempt,
            limits,
        })
    }

    pub(crate) fn env(&self) -> Env<'_> {
        env(&self.limits)
    }

    pub(crate) fn task(&self) -> TaskRef {
        let header = header();
        TaskRef {
            hash: header.hash,
            execution: header.id,
            incarnation: header.incarnation,
            attempt: self.attempt,
        }
    }
}

pub(crate) fn compile(definition: &str) -> anyhow::Result<Program> {
    let options = Options {
        machine_type: MachineType::Standard,
        served: &|_| true,
        connects: &|_| false,
    };
    definition::compile(definition, &options).map_err(|findings| anyhow!("{findings:#?}"))
}

pub(crate) fn env(limits: &Limits) -> Env<'_> {
    Env {
        now: NOW,
        entropy: 1,
        services: &Everything,
        limits,
        patience: Patience::Full,
    }
}

pub(crate) fn limits() -> Limits {
    Limits::default()
}

/// Limits that a Map of many items needs.
pub(crate) fn wide_limits() -> Limits {
    Limits {
        payload_bytes_max: 64 << 20,
        history_events_max: 0,
        ..Limits::default()
    }
}

pub(crate) fn keys() -> TokenKeys {
    TokenKeys::new(1, &[7; 32], [9; 16])
}

/// The attempt that the commands offer to workers.
pub(crate) fn offered(commands: &[Command]) -> Option<Attempt> {
    commands.iter().find_map(|command| match command {
        Command::Offer { attempt, .. } => Some(*attempt),
        Command::StartTask { .. }
        | Command::Cancel { .. }
        | Command::Continue
        | Command::Closed => None,
    })
}

pub(crate) fn header() -> Arc<Header> {
    Arc::new(Header {
        id: ExecutionId(7 << 100 | 5),
        hash: KeyHash(513),
        namespace: "000000000000".into(),
        machine_name: "bench".into(),
        machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:bench".into(),
        execution_arn: "arn:aws:states:us-east-1:000000000000:execution:bench:12345-678901".into(),
        name: "12345-678901".into(),
        incarnation: 1_767_225_600,
        revision: 1,
        role_arn: "arn:aws:iam::000000000000:role/stepfleet".into(),
        trace_header: None,
        version_arn: None,
        alias_arn: None,
        origin: None,
    })
}
