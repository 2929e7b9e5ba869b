//! A fleet at work while everything breaks: worker processes are killed, paused and cut off, the coordinator is killed. In
//! the end every execution has succeeded, no attempt began twice, nothing that an undisturbed worker began was begun
//! again, the queues are empty, and the coordinator's memory has not grown.
//!
//! `STEPFLEET_SOAK_SECONDS` (20) and `STEPFLEET_SOAK_SEED` (from the clock) set the length and repeat a seed; from five
//! minutes on there are 200 workers.

mod crew;
mod load;
mod memory;
mod plan;
mod verify;

use std::cell::Cell;
use std::rc::Rc;

use anyhow::{Context as _, Result};
use stepfleet_e2e::{
    Coordinator, Deadline, Random, Settings, World, activity, create_machine, scenario, tell, until,
};
use stepfleet_sdk::{CancellationToken, Client, api};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use crate::crew::Crew;
use crate::load::Load;
use crate::memory::Memory;
use crate::plan::{ACTIVITIES, Plan};

#[test]
fn nothing_is_lost_or_doubled_while_workers_and_coordinator_break() {
    let plan = Plan::from_environment();
    tell(&format!(
        "soak: {} s, {} workers in {} processes, seed {} (STEPFLEET_SOAK_SEED repeats it)",
        plan.seconds,
        plan.workers(),
        plan.processes + plan.stock,
        plan.seed
    ));
    scenario(async |world: &World| {
        let run = run(world, &plan).await;
        run.with_context(|| format!("seed {}", plan.seed))
    });
}

async fn run(world: &World, plan: &Plan) -> Result<()> {
    let settings = Settings::new(world, "coordinator")
        .with("session_ttl_s", plan.session_ttl_s)
        .with("checkpoint.interval_s", 10)
        .with("checkpoint.log_bytes", 4 << 20);
    let mut coordinator = settings.start(world).await?;
    let client = coordinator.client()?;
    for name in ACTIVITIES {
        activity(&client, name).await?;
    }
    let machine = create_machine(&client, "soak", &plan::definition()).await?;
    let crew = Crew::start(world, plan, &coordinator).await?;

    let (starting, breaking) = (CancellationToken::new(), CancellationToken::new());
    let mut tasks = JoinSet::new();
    let load = Load::new(&coordinator, machine, plan)?;
    tasks.spawn_local(Rc::clone(&load).start_all(starting.clone()));
    let crew = crew.disturb(plan, &breaking);
    let mut memory = Memory::default();
    let kills = break_coordinator(&mut coordinator, plan, &mut memory).await?;

    starting.cancel();
    breaking.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let (mut crew, faults) = crew.calm_down().await?;
    wait_for_the_end(&client, &load.machine).await?;
    let queues = verify::check_queues(&client).await?;
    crew.leave().await?;
    crew.check_ends()?;
    let counts = verify::verify(&client, &load, &crew).await?;
    tell(&format!(
        "soak: {counts}; {kills} kills of the coordinator; {faults}; {queues}; {memory}"
    ));
    memory.check()?;
    let status = coordinator.stop().await?;
    anyhow::ensure!(status.success(), "SIGTERM ended it with {status}");
    Ok(())
}

/// Kills and restarts the coordinator at random in the first three fifths of the time; then only watches its memory.
async fn break_coordinator(
    coordinator: &mut Coordinator,
    plan: &Plan,
    memory: &mut Memory,
) -> Result<u64> {
    let mut random = Random::new(plan.seed);
    let begun = Instant::now();
    let end = begun + plan.length();
    let last_kill = begun + plan.length().mul_f64(0.6);
    let mut kills = 0;
    let mut kill_at = begun + random.milliseconds(500, plan.kill_every_ms);
    let mut looks = interval(memory::LOOK);
    while Instant::now() < end {
        looks.tick().await;
        memory.look(coordinator)?;
        if Instant::now() >= kill_at && kill_at < last_kill {
            coordinator.kill()?;
            coordinator.restart().await?;
            memory.begin_life();
            kills += 1;
            kill_at = Instant::now() + random.milliseconds(500, plan.kill_every_ms);
        }
    }
    Ok(kills)
}

/// Everything that was started comes to its end.
async fn wait_for_the_end(client: &Client, machine: &str) -> Result<()> {
    let left = Cell::new(0);
    let ended = until("no execution runs", Deadline::seconds(120), async || {
        let request = api::ListExecutionsRequest {
            state_machine_arn: machine.to_owned(),
            status_filter: api::ExecutionStatus::Running.into(),
            page_size: 1000,
            ..Default::default()
        };
        let running = client.list_executions(request).await?.executions;
        left.set(running.len());
        Ok(running.is_empty().then_some(()))
    });
    ended.await.with_context(|| format!("{} run", left.get()))
}
