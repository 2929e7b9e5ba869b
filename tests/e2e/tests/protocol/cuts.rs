//! The connection of a worker breaks at every step of the protocol, on either side of the message, and meanwhile nothing
//! happens, or the coordinator is killed, or the worker is paused beyond its session, or killed. Counted are deeds of
//! handlers and events of histories: no task is lost, no attempt begins twice, and no superseded attempt closes its task.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stepfleet_e2e::{
    Cutter, Deadline, Deed, Fault, Moment, Process, Signal, Step, Strike, World, scenario, until,
    wait_for_event,
};
use stepfleet_sdk::api;

use crate::scene::{Play, Scene, leave, name_of};

/// How long a handler may take from the worker's reconnection to hear of its cancellation; and what a loaded machine
/// may add.
const CANCELLED_WITHIN: Duration = Duration::from_secs(1);
const LOADED: Duration = Duration::from_secs(1);

/// What happens between the break and the reconnection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    /// `kill -9`, and a start.
    CoordinatorKilled,
    /// SIGSTOP until its session is over and its tasks are done by others.
    WorkerPaused,
    /// `kill -9`; others do its tasks.
    WorkerKilled,
}

#[test]
fn a_worker_that_reconnects_goes_on() {
    every_step(Fault::Cut, Meanwhile::Nothing);
}

#[test]
fn a_worker_whose_connection_fell_silent_goes_on() {
    every_step(Fault::Silence, Meanwhile::Nothing);
}

#[test]
fn a_worker_goes_on_with_the_next_coordinator() {
    every_step(Fault::Cut, Meanwhile::CoordinatorKilled);
}

#[test]
fn a_worker_that_slept_too_long_disturbs_nobody() {
    every_step(Fault::Cut, Meanwhile::WorkerPaused);
}

#[test]
fn tasks_of_a_killed_worker_are_done_by_others() {
    every_step(Fault::Cut, Meanwhile::WorkerKilled);
}

fn every_step(fault: Fault, meanwhile: Meanwhile) {
    let session_ttl_s = match meanwhile {
        Meanwhile::Nothing | Meanwhile::CoordinatorKilled => 60,
        Meanwhile::WorkerPaused | Meanwhile::WorkerKilled => 1,
    };
    scenario(async |world: &World| {
        let mut scene = Scene::new(world, session_ttl_s).await?;
        for step in Step::ALL {
            for moment in [Moment::Before, Moment::After] {
                let strike = Strike {
                    step,
                    moment,
                    fault,
                };
                let name = format!("{moment:?}{step:?}");
                let case = Case::begin(&scene, &name, strike).await?;
                let played = case.play(&mut scene, meanwhile).await;
                played.with_context(|| format!("{strike:?} {meanwhile:?}"))?;
            }
        }
        Ok(())
    });
}

/// One break.
struct Case {
    step: Step,
    play: Play,
    cutter: Cutter,
    worker: Process,
    /// Executions that are to succeed.
    wanted: Vec<String>,
    /// One that was stopped while its handler ran.
    stopped: Option<String>,
}

impl Case {
    /// Lets things go until the proxy strikes.
    async fn begin(scene: &Scene, name: &str, strike: Strike) -> Result<Self> {
        let play = scene.play(name).await?;
        let cutter = Cutter::start(scene.coordinator.address(), strike).await?;
        let slots = if strike.step == Step::Returned { 1 } else { 2 };
        let worker = play.worker(&cutter.url(), "first", slots)?;
        let mut case = Self {
            step: strike.step,
            play,
            cutter,
            worker,
            wanted: Vec::new(),
            stopped: None,
        };
        match strike.step {
            Step::Hello | Step::Welcome => {}
            Step::Push | Step::Acknowledgement => case.start_two().await?,
            Step::Heartbeat => case.start_loud().await?,
            Step::Result | Step::Confirmation => {
                case.start_two().await?;
                case.play.wait_for(Deed::Start, 2).await?;
                case.play.open_gate("first")?;
            }
            Step::Cancellation => {
                case.start_two().await?;
                case.play.wait_for(Deed::Start, 2).await?;
                case.stop_first().await?;
            }
            Step::Order => {
                case.start_two().await?;
                case.play.wait_for(Deed::Start, 2).await?;
                case.drain().await?;
            }
            Step::Returned => case.fill_and_leave().await?,
        }
        let struck = tokio::time::timeout(Duration::from_secs(60), case.cutter.struck());
        struck
            .await
            .with_context(|| format!("{strike:?} never came"))??;
        Ok(case)
    }

    async fn start_two(&mut self) -> Result<()> {
        for name in ["one", "two"] {
            self.wanted.push(self.play.start(name, json!({})).await?);
        }
        Ok(())
    }

    async fn start_loud(&mut self) -> Result<()> {
        let loud = json!({ "loud": true });
        self.wanted.push(self.play.start("one", loud).await?);
        Ok(())
    }

    async fn stop_first(&mut self) -> Result<()> {
        let execution_arn = self.wanted.remove(0);
        let request = api::StopExecutionRequest {
            execution_arn: execution_arn.clone(),
            ..Default::default()
        };
        self.play.client.stop_execution(request).await?;
        self.stopped = Some(execution_arn);
        Ok(())
    }

    async fn drain(&self) -> Result<()> {
        let request = api::DrainWorkersRequest {
            activity: self.play.name.clone(),
            ..Default::default()
        };
        self.play.client.drain_workers(request).await?;
        Ok(())
    }

    async fn tell_again(&self) -> Result<()> {
        until("the worker is back", Deadline::seconds(60), async || {
            Ok(self.play.serves("first").await?.then_some(()))
        })
        .await?;
        self.drain().await
    }

    /// A handler that does not mind its cancellation keeps the next task waiting at the worker, which then leaves.
    async fn fill_and_leave(&mut self) -> Result<()> {
        let stubborn = json!({ "stubborn": true });
        self.wanted.push(self.play.start("one", stubborn).await?);
        self.play.wait_for(Deed::Start, 1).await?;
        self.stop_first().await?;
        let next = self.play.start("two", json!({})).await?;
        wait_for_event(&self.play.client, &next, "ActivityStarted", 1).await?;
        self.wanted.push(next);
        self.worker.signal(Signal::SIGTERM)
    }

    async fn play(mut self, scene: &mut Scene, meanwhile: Meanwhile) -> Result<()> {
        let url = scene.coordinator.url();
        match meanwhile {
            Meanwhile::Nothing => self.go_on(&url).await,
            Meanwhile::CoordinatorKilled => {
                scene.coordinator.kill()?;
                scene.coordinator.restart().await?;
                if self.step == Step::Order {
                    // What an operator wanted ends with the coordinator: one that had not heard of it is told again.
                    self.cutter.open();
                    self.tell_again().await?;
                }
                self.go_on(&url).await
            }
            Meanwhile::WorkerPaused => {
                self.worker.signal(Signal::SIGSTOP)?;
                let rescue = self.rescue(&url).await?;
                self.worker.signal(Signal::SIGCONT)?;
                self.wake_up().await?;
                leave(rescue).await
            }
            Meanwhile::WorkerKilled => {
                self.worker.kill()?;
                let rescue = self.rescue(&url).await?;
                self.play.check_attempts()?;
                leave(rescue).await
            }
        }
    }

    /// The worker comes back and does what there is to do, once.
    async fn go_on(mut self, url: &str) -> Result<()> {
        self.cutter.open();
        if let (Some(stopped), Step::Cancellation) = (&self.stopped, self.step) {
            self.check_cancelled(&[name_of(stopped)]).await?;
        }
        // One that leaves takes nothing any more: what it handed back needs another.
        let rescue = match self.step {
            Step::Returned => Some(self.play.worker(url, "rescue", 2)?),
            Step::Hello | Step::Welcome => {
                self.start_two().await?;
                None
            }
            Step::Acknowledgement
            | Step::Heartbeat
            | Step::Result
            | Step::Push
            | Step::Confirmation
            | Step::Cancellation
            | Step::Order => None,
        };
        self.play.open_gate("first")?;
        self.play.open_gate("rescue")?;
        for arn in &self.wanted {
            self.play.check_success(arn).await?;
        }
        for (execution, starts) in self.play.starts()? {
            let count = starts.len();
            ensure!(count == 1, "{execution} began {count} times: {starts:#?}");
        }
        if self.step == Step::Order {
            // Nobody but the coordinator asks it to.
            let status = self.worker.end(Deadline::seconds(60)).await?;
            ensure!(status.success(), "the worker ended with {status}");
        } else {
            leave(self.worker).await?;
        }
        match rescue {
            Some(rescue) => leave(rescue).await,
            None => Ok(()),
        }
    }

    /// When the session is over, another worker does everything.
    async fn rescue(&mut self, url: &str) -> Result<Process> {
        until("its session is over", Deadline::seconds(60), async || {
            Ok((!self.play.serves("first").await?).then_some(()))
        })
        .await?;
        if matches!(self.step, Step::Hello | Step::Welcome) {
            self.start_two().await?;
        }
        self.play.open_gate("rescue")?;
        let rescue = self.play.worker(url, "rescue", 2)?;
        for arn in &self.wanted {
            self.play.check_success(arn).await?;
        }
        Ok(rescue)
    }

    /// The worker wakes up after everything is done: its handlers hear that nobody wants their results, and what it says
    /// of them changes nothing.
    async fn wake_up(self) -> Result<()> {
        self.cutter.open();
        // A push that waited in its socket begins its handler now. A stubborn handler says nothing of what it hears.
        if self.step != Step::Returned {
            let open = until(
                "its handlers have ended",
                Deadline::seconds(60),
                async || self.cancelled(),
            )
            .await?;
            let open: Vec<&str> = open.iter().map(String::as_str).collect();
            self.check_cancelled(&open).await?;
        }
        self.play.open_gate("first")?;
        leave(self.worker).await?;
        for arn in &self.wanted {
            self.play.check_success(arn).await?;
        }
        self.play.check_attempts()
    }

    /// Executions whose handlers at the first worker were cancelled, when none runs there any more.
    fn cancelled(&self) -> Result<Option<Vec<String>>> {
        let entries = self.play.entries()?;
        let of_first = |deed: Deed| -> Vec<String> {
            let entries = entries.iter();
            let entries = entries.filter(|entry| entry.deed == deed && entry.worker == "first");
            entries.map(|entry| entry.execution.clone()).collect()
        };
        let cancelled = of_first(Deed::Cancel);
        let over = cancelled.len() + of_first(Deed::Finish).len();
        let welcomed = self.cutter.passed_at(Step::Welcome).is_some();
        let none_runs = over == of_first(Deed::Start).len();
        Ok((welcomed && none_runs).then_some(cancelled))
    }

    /// Handlers of these executions hear within a second of the reconnection that their attempts are over.
    async fn check_cancelled(&self, executions: &[&str]) -> Result<()> {
        if executions.is_empty() {
            return Ok(());
        }
        let cancels = self.play.wait_for(Deed::Cancel, executions.len()).await?;
        let welcomed = self.cutter.passed_at(Step::Welcome);
        let welcomed = welcomed.context("the worker was never welcomed")?;
        for execution in executions {
            let cancel = cancels.iter().find(|entry| entry.execution == *execution);
            let cancel = cancel.with_context(|| format!("{execution} was not cancelled"))?;
            let within = i64::try_from((CANCELLED_WITHIN + LOADED).as_millis())?;
            ensure!(
                cancel.at_ms - welcomed <= within,
                "{execution} heard of it {} ms after the reconnection",
                cancel.at_ms - welcomed
            );
        }
        Ok(())
    }
}
