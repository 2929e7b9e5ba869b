//! The worker processes: some are left alone, the others lose their connection, fall silent, are paused, or are killed and
//! come again as new processes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use stepfleet_e2e::{
    Coordinator, Deadline, Direction, Process, Proxy, Random, Signal, World, binaries,
};
use stepfleet_sdk::CancellationToken;
use tokio::task::JoinSet;

use crate::plan::{ACTIVITIES, Plan};

/// Beginning of the names of workers that are left alone.
pub(crate) const CALM: &str = "calm";

/// Every process, at peace.
pub(crate) struct Crew {
    members: Vec<Member>,
    /// Where handlers write.
    pub(crate) ledgers: PathBuf,
}

/// Processes that are being disturbed.
pub(crate) struct Disturbed {
    calm: Vec<Member>,
    rough: JoinSet<Result<(Member, Faults)>>,
    ledgers: PathBuf,
}

/// What was done to workers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    cut: u64,
    silenced: u64,
    paused: u64,
    killed: u64,
}

/// One process, and how it is started.
struct Member {
    name: String,
    call: Vec<String>,
    log: PathBuf,
    /// Those that are left alone have none.
    proxy: Option<Proxy>,
    process: Process,
}

impl Crew {
    pub(crate) async fn start(
        world: &World,
        plan: &Plan,
        coordinator: &Coordinator,
    ) -> Result<Self> {
        let ledgers = world.path("ledgers");
        std::fs::create_dir(&ledgers)?;
        let mut members = Vec::new();
        for number in 0..plan.processes {
            let calm = number % 4 == 0;
            let (name, url, proxy) = place("sdk", number, calm, coordinator).await?;
            let mut call = vec![env!("CARGO_BIN_EXE_ledger_worker").to_owned(), url];
            call.extend([name.clone(), plan.workers_each.to_string()]);
            call.extend([plan.slots.to_string(), ledgers.display().to_string()]);
            call.extend(
                ACTIVITIES[..2]
                    .iter()
                    .map(|activity| (*activity).to_owned()),
            );
            members.push(Member::new(world, name, call, proxy)?);
        }
        for number in 0..plan.stock {
            let calm = number % 2 == 0;
            let (name, url, proxy) = place("stock", number, calm, coordinator).await?;
            let ledger = ledgers.join(format!("{name}.ledger"));
            let config = world.file(&format!("{name}.toml"), stock(&url, &name, &ledger))?;
            let program = binaries().worker.display().to_string();
            let call = vec![program, "--config".to_owned(), config.display().to_string()];
            members.push(Member::new(world, name, call, proxy)?);
        }
        Ok(Self { members, ledgers })
    }

    /// Begins to break what is not left alone.
    pub(crate) fn disturb(self, plan: &Plan, stop: &CancellationToken) -> Disturbed {
        let mut rough = JoinSet::new();
        let mut calm = Vec::new();
        for (number, member) in (1..).zip(self.members) {
            if member.proxy.is_none() {
                calm.push(member);
                continue;
            }
            let random = Random::new(plan.seed.wrapping_add(number));
            let (plan, stop) = (plan.clone(), stop.clone());
            rough.spawn_local(member.suffer(random, plan, stop));
        }
        Disturbed {
            calm,
            rough,
            ledgers: self.ledgers,
        }
    }

    /// Every process is asked to leave, and does so in order.
    pub(crate) async fn leave(&self) -> Result<()> {
        for member in &self.members {
            member.process.signal(Signal::SIGTERM)?;
        }
        for member in &self.members {
            let id = member.process.id();
            let what = format!("{} ends", member.name);
            stepfleet_e2e::until(&what, Deadline::seconds(60), async || {
                Ok(has_ended(id).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// How every process has ended.
    pub(crate) fn check_ends(&mut self) -> Result<()> {
        for member in &mut self.members {
            let status = member.process.ended()?;
            let left = status.is_some_and(|status| status.success());
            ensure!(left, "{} ended with {status:?}", member.name);
        }
        Ok(())
    }
}

impl Disturbed {
    /// Ends all faults.
    pub(crate) async fn calm_down(mut self) -> Result<(Crew, Faults)> {
        let mut members = self.calm;
        let mut faults = Faults::default();
        while let Some(ended) = self.rough.join_next().await {
            let (member, of_one) = ended??;
            members.push(member);
            faults.add(of_one);
        }
        let ledgers = self.ledgers;
        Ok((Crew { members, ledgers }, faults))
    }
}

impl Member {
    fn new(world: &World, name: String, call: Vec<String>, proxy: Option<Proxy>) -> Result<Self> {
        let log = world.path(&format!("{name}.log"));
        Ok(Self {
            process: begin(&call, &log)?,
            name,
            call,
            log,
            proxy,
        })
    }

    /// One fault after another.
    async fn suffer(
        mut self,
        mut random: Random,
        plan: Plan,
        stop: CancellationToken,
    ) -> Result<(Self, Faults)> {
        let mut faults = Faults::default();
        while !stop.is_cancelled() {
            pause(random.milliseconds(200, plan.fault_every_ms), &stop).await;
            let Some(proxy) = &self.proxy else {
                break;
            };
            match random.below(8) {
                0..=2 => {
                    proxy.cut();
                    faults.cut += 1;
                }
                3 => {
                    proxy.swallow(match random.below(2) {
                        0 => Direction::Up,
                        _ => Direction::Down,
                    });
                    pause(random.milliseconds(100, 3000), &stop).await;
                    proxy.cut();
                    faults.silenced += 1;
                }
                4 | 5 => {
                    self.process.signal(Signal::SIGSTOP)?;
                    pause(random.milliseconds(100, plan.pause_ms_max()), &stop).await;
                    self.process.signal(Signal::SIGCONT)?;
                    faults.paused += 1;
                }
                _ => {
                    self.process.kill()?;
                    pause(random.milliseconds(0, 1000), &stop).await;
                    self.process = begin(&self.call, &self.log)?;
                    faults.killed += 1;
                }
            }
        }
        Ok((self, faults))
    }
}

impl Faults {
    fn add(&mut self, other: Self) {
        self.cut += other.cut;
        self.silenced += other.silenced;
        self.paused += other.paused;
        self.killed += other.killed;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "of workers {} connections cut, {} silenced, {} processes paused, {} killed",
            self.cut, self.silenced, self.paused, self.killed
        )
    }
}

async fn place(
    kind: &str,
    number: u32,
    calm: bool,
    coordinator: &Coordinator,
) -> Result<(String, String, Option<Proxy>)> {
    if calm {
        let name = format!("{CALM}-{kind}-{number}");
        return Ok((name, coordinator.url(), None));
    }
    let proxy = Proxy::start(coordinator.address()).await?;
    Ok((format!("rough-{kind}-{number}"), proxy.url(), Some(proxy)))
}

fn begin(call: &[String], log: &Path) -> Result<Process> {
    let mut command = Command::new(&call[0]);
    command.args(&call[1..]);
    Process::start(command, log)
}

/// A stock worker whose command writes into a ledger and gives its input back. Its times are not told.
fn stock(url: &str, name: &str, ledger: &Path) -> String {
    let line = format!(
        "\"0 {name} ${{STEPFLEET_EXECUTION_ARN##*:}} $STEPFLEET_ACTIVITY $STEPFLEET_ATTEMPT 0\""
    );
    let path = ledger.display();
    let shell = format!("echo Start {line} >> {path}; cat; echo Finish {line} >> {path}");
    let activity = ACTIVITIES[2];
    format!(
        "endpoint = \"{url}\"\nname = \"{name}\"\n\n[[activity]]\nname = \"{activity}\"\nshell = {shell:?}\nconcurrency = 2\n"
    )
}

fn has_ended(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default();
    stat.is_empty() || state.starts_with('Z')
}

/// The moment of a fault is random; nothing is waited for.
async fn pause(time: Duration, stop: &CancellationToken) {
    let mut interval = tokio::time::interval(time.max(Duration::from_millis(1)));
    interval.tick().await;
    tokio::select! {
        _ = interval.tick() => {}
        () = stop.cancelled() => {}
    }
}
