//! The coordinator is killed (`kill -9`) again and again under load and restarted on the same folder. Afterwards every
//! execution is compared with what its clients were told: nothing acknowledged is lost, nothing happens twice, nothing is stuck.
//!
//! `STEPFLEET_CHAOS_KILLS` (50) and `STEPFLEET_CHAOS_SEED` (from the clock) set the length and repeat a seed.

mod definition;
mod ledger;
mod load;
mod verify;
mod workers;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use stepfleet_e2e::{
    Coordinator, Random, Settings, World, activity, create_machine, scenario, tell,
};
use stepfleet_sdk::CancellationToken;
use tokio::task::JoinSet;

use crate::ledger::Ledger;
use crate::load::Load;

const KILLS_DEFAULT: u64 = 50;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_happens_twice_over_many_kills() {
    let seed = number("STEPFLEET_CHAOS_SEED").unwrap_or_else(seed_of_today);
    let kills = number("STEPFLEET_CHAOS_KILLS").unwrap_or(KILLS_DEFAULT);
    tell(&format!(
        "chaos: {kills} kills, seed {seed} (STEPFLEET_CHAOS_SEED={seed} repeats it)"
    ));
    scenario(async |world: &World| {
        run(world, kills, seed)
            .await
            .with_context(|| format!("seed {seed}"))
    });
}

async fn run(world: &World, kills: u64, seed: u64) -> Result<()> {
    let settings = Settings::new(world, "coordinator")
        .with("session_ttl_s", 3)
        .with("checkpoint.interval_s", 1)
        .with("checkpoint.log_bytes", 256 << 10)
        .with("memory_budget_bytes", 16 << 20);
    let mut coordinator = settings.start(world).await?;
    let client = coordinator.client()?;
    for name in definition::ACTIVITIES {
        activity(&client, name).await?;
    }
    let machine = create_machine(&client, "chaos", &definition::definition()).await?;

    let ledger = Arc::new(Ledger::default());
    let (starting, working) = (CancellationToken::new(), CancellationToken::new());
    let mut tasks = JoinSet::new();
    let load = Load {
        machine: machine.clone(),
        ledger: Arc::clone(&ledger),
        stop: starting.clone(),
    };
    load::spawn(&mut tasks, &load, &coordinator)?;
    workers::spawn(&mut tasks, &ledger, &coordinator, &working)?;

    let restarts = kill_and_restart(&mut coordinator, kills, &mut Random::new(seed)).await?;
    starting.cancel();
    load.finish(&mut tasks).await?;
    working.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    tell(&format!("chaos: {}; {restarts}", ledger.summary()));
    verify::verify(&coordinator.client()?, &machine, &ledger).await?;

    // An orderly stop and a start change nothing either.
    let status = coordinator.stop().await?;
    anyhow::ensure!(status.success(), "SIGTERM ended it with {status}");
    coordinator.restart().await?;
    verify::verify(&coordinator.client()?, &machine, &ledger).await
}

/// Kills at random moments; how long it took to be ready again.
async fn kill_and_restart(
    coordinator: &mut Coordinator,
    kills: u64,
    random: &mut Random,
) -> Result<String> {
    let mut times = Vec::new();
    for n in 0..kills {
        pause(random.milliseconds(50, 900)).await;
        coordinator.kill()?;
        let start = tokio::time::Instant::now();
        coordinator
            .restart()
            .await
            .with_context(|| format!("after kill {}", n + 1))?;
        times.push(start.elapsed());
    }
    times.sort();
    let [p50, max] = [times.get(times.len() / 2), times.last()]
        .map(|time| time.copied().unwrap_or_default().as_millis());
    Ok(format!(
        "ready again after a kill in {p50} ms (median), {max} ms (worst)"
    ))
}

/// The moment of a kill is random; nothing is waited for.
async fn pause(time: Duration) {
    let mut interval = tokio::time::interval(time);
    interval.tick().await;
    interval.tick().await;
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a new seed each time; it is printed"
)]
fn seed_of_today() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    now.as_secs() % 1_000_000
}
