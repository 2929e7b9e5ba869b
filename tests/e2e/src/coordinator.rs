//! A coordinator process: its settings as a configuration file, its start, its ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use stepfleet_sdk::{Client, Endpoint};
use tokio::net::TcpStream;

use crate::aws::request;
use crate::binaries::binaries;
use crate::condition::{Deadline, until};
use crate::ports::free_port;
use crate::process::{Process, Signal};
use crate::world::World;

/// What a coordinator is started with. Keys are those of the configuration file (`checkpoint.interval_s`).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of its configuration file and its log.
    pub name: String,
    /// The data folder.
    pub data: PathBuf,
    /// Host part of the address that it listens on.
    pub host: String,
    /// The port that it listens on.
    pub port: u16,
    /// `key = value`, the value as TOML text.
    pub values: BTreeMap<String, String>,
    /// Whole sections that follow the values.
    pub sections: String,
    /// Whether it speaks TLS.
    pub secure: bool,
    /// Of the process.
    pub environment: BTreeMap<String, String>,
}

/// A running coordinator.
#[derive(Debug)]
pub struct Coordinator {
    process: Process,
    settings: Settings,
    folder: PathBuf,
}

impl Settings {
    /// A coordinator on a free port with its data in a folder of the world.
    pub fn new(world: &World, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            data: world.path(&format!("{name}-data")),
            host: "127.0.0.1".to_owned(),
            port: free_port(),
            values: BTreeMap::new(),
            sections: String::new(),
            secure: false,
            environment: BTreeMap::new(),
        }
        // Small disks run the tests too; the disk test sets its own.
        .with("disk_reserve_bytes", 1 << 20)
        .with("shutdown_grace_s", 10)
    }

    /// Sets one value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.values.insert(key.to_owned(), value.to_string());
        self
    }

    /// Sets one variable of the process' environment.
    #[must_use]
    pub fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Starts it without waiting for anything.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn launch(&self, world: &World) -> Result<Process> {
        let folder = world.path("");
        self.launch_in(&folder)
    }

    /// Starts it and expects that it refuses: its exit status and what it said.
    ///
    /// # Errors
    /// It goes on working.
    pub async fn refused(&self, world: &World) -> Result<(ExitStatus, String)> {
        let mut process = self.launch(world)?;
        let status = process
            .end(Deadline::seconds(20))
            .await
            .context("it started nevertheless")?;
        Ok((status, process.output()))
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// It ends, or is not ready in time.
    pub async fn start(&self, world: &World) -> Result<Coordinator> {
        let folder = world.path("");
        let process = self.launch_in(&folder)?;
        let mut coordinator = Coordinator {
            process,
            settings: self.clone(),
            folder,
        };
        coordinator.ready().await?;
        Ok(coordinator)
    }

    fn launch_in(&self, folder: &Path) -> Result<Process> {
        let config = folder.join(format!("{}.toml", self.name));
        std::fs::write(&config, self.to_toml())?;
        let mut command = Command::new(&binaries().stepfleet);
        command
            .arg("server")
            .arg("--config")
            .arg(&config)
            .current_dir(folder);
        command.envs(&self.environment);
        Process::start(command, &folder.join(format!("{}.log", self.name)))
    }

    fn to_toml(&self) -> String {
        let mut text = format!(
            "listen = \"{}:{}\"\ndata = {:?}\n",
            self.host,
            self.port,
            self.data.display().to_string()
        );
        for (key, value) in &self.values {
            text.push_str(&format!("{key} = {value}\n"));
        }
        text + &self.sections
    }
}

impl Coordinator {
    /// `http://…` of its port.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.settings.port)
    }

    /// `address:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.settings.port)
    }

    /// What it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A client that repeats nothing by itself, so that every answer and every lost answer is seen.
    ///
    /// # Errors
    /// The URL is malformed.
    pub fn client(&self) -> Result<Client> {
        let endpoint = Endpoint::new(self.url())
            .retries(0)
            .connect_timeout(Duration::from_secs(2))
            .request_timeout(Duration::from_secs(20));
        Ok(Client::connect_lazy(endpoint)?)
    }

    /// A client as programs use it.
    ///
    /// # Errors
    /// The URL is malformed.
    pub fn patient_client(&self) -> Result<Client> {
        Ok(Client::connect_lazy(Endpoint::new(self.url()).retries(20))?)
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again with the same settings and waits until it is ready.
    ///
    /// # Errors
    /// It ends, or is not ready in time.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = self.settings.launch_in(&self.folder)?;
        self.ready().await
    }

    /// Starts it again with other settings.
    ///
    /// # Errors
    /// It ends, or is not ready in time.
    pub async fn restart_with(&mut self, settings: Settings) -> Result<()> {
        self.settings = settings;
        self.restart().await
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    /// It goes on beyond its grace period.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.end(Deadline::seconds(20)).await
    }

    /// Whether `/readyz` answers 200.
    pub async fn is_ready(&self) -> bool {
        let answer = request(&self.address(), "GET /readyz HTTP/1.1", &[], b"").await;
        answer.is_ok_and(|answer| answer.status == 200)
    }

    async fn ready(&mut self) -> Result<()> {
        let address = self.address();
        let secure = self.settings.secure;
        let process = &mut self.process;
        until(
            "the coordinator is ready",
            Deadline::seconds(60),
            async || {
                if let Some(status) = process.ended()? {
                    bail!("the coordinator ended with {status}:\n{}", process.output());
                }
                if secure {
                    // The clients of such tests wait for the rest.
                    let connected = TcpStream::connect(&address).await;
                    return Ok(connected.is_ok().then_some(()));
                }
                let answer = request(&address, "GET /readyz HTTP/1.1", &[], b"").await;
                Ok(answer
                    .is_ok_and(|answer| answer.status == 200)
                    .then_some(()))
            },
        )
        .await
    }
}
