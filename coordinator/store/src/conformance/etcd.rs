//! A real etcd of one or more members, for tests: started on free ports of the loopback, gone with its value.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::etcd::{Etcd, EtcdError, EtcdOptions};

/// Ports are free when they are looked for, and may be taken before etcd takes them.
const TRIES: usize = 5;
/// How long members have to find each other, on a machine that is busy.
const START: Duration = Duration::from_secs(30);

/// The members of an etcd.
#[derive(Debug)]
pub struct EtcdProcess {
    members: Vec<Member>,
    _folder: TempDir,
}

#[derive(Debug)]
struct Member {
    url: String,
    child: Child,
    arguments: Vec<String>,
    log: std::path::PathBuf,
}

impl EtcdProcess {
    /// Starts `count` members with more arguments, and waits until they serve.
    pub async fn start(count: usize, arguments: &[&str]) -> Self {
        for _ in 0..TRIES {
            let etcd = Self::begin(count, arguments);
            if etcd.serves().await.is_ok() {
                return etcd;
            }
        }
        panic!("etcd does not start; its members' logs are above");
    }

    /// Where the members are reached.
    pub fn urls(&self) -> Vec<String> {
        self.members
            .iter()
            .map(|member| member.url.clone())
            .collect()
    }

    /// Sends a signal to a member.
    pub fn signal(&self, member: usize, signal: Signal) {
        let id = i32::try_from(self.members[member].child.id()).expect("process ids are small");
        kill(Pid::from_raw(id), signal).expect("the member runs");
    }

    /// Ends a member at once.
    pub fn kill(&mut self, member: usize) {
        let child = &mut self.members[member].child;
        child.kill().expect("the member runs");
        child.wait().expect("it is our child");
    }

    /// Starts a member that was killed, with what it has on disk.
    pub fn restart(&mut self, member: usize) {
        let member = &mut self.members[member];
        member.child = spawn(&member.arguments, &member.log);
    }

    fn begin(count: usize, arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("there is a place for temporary files");
        let url = |port: &u16| format!("http://127.0.0.1:{port}");
        let ports: Vec<(u16, u16)> = free_ports(2 * count)
            .chunks(2)
            .map(|pair| (pair[0], pair[1]))
            .collect();
        let peers = ports.iter().enumerate();
        let peers: Vec<_> = peers
            .map(|(at, (_, peer))| format!("m{at}={}", url(peer)))
            .collect();
        let members = ports.iter().enumerate().map(|(at, (client, peer))| {
            let (client, peer) = (url(client), url(peer));
            let data = folder.path().join(format!("m{at}")).display().to_string();
            let settings = [
                ("--name", format!("m{at}")),
                ("--data-dir", data),
                ("--listen-client-urls", client.clone()),
                ("--advertise-client-urls", client.clone()),
                ("--listen-peer-urls", peer.clone()),
                ("--initial-advertise-peer-urls", peer),
                ("--initial-cluster", peers.join(",")),
            ];
            let settings = settings.map(|(name, value)| format!("{name}={value}"));
            let more = arguments.iter().map(|&argument| argument.to_owned());
            let arguments: Vec<String> = settings.into_iter().chain(more).collect();
            let log = folder.path().join(format!("m{at}.log"));
            Member {
                child: spawn(&arguments, &log),
                url: client,
                arguments,
                log,
            }
        });
        Self {
            members: members.collect(),
            _folder: folder,
        }
    }

    async fn serves(&self) -> Result<(), EtcdError> {
        for member in &self.members {
            let mut options = EtcdOptions::new(vec![member.url.clone()]);
            options.patience = START;
            let key = "serves?";
            let ask = Etcd::new(options);
            // A linearizable read: the member has found the others and a leader.
            let answer = ask.call(|mut client| async move { client.get(key, None).await });
            if let Err(error) = answer.await {
                let log = std::fs::read_to_string(&member.log).unwrap_or_default();
                eprint_log(&log);
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Drop for EtcdProcess {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _gone_already = member.child.kill();
            let _gone_already = member.child.wait();
        }
    }
}

#[expect(clippy::print_stderr, reason = "tests show why etcd does not start")]
fn eprint_log(log: &str) {
    eprintln!("{log}");
}

fn spawn(arguments: &[String], log: &Path) -> Child {
    let program = std::env::var("STEPFLEET_ETCD").unwrap_or_else(|_unset| "etcd".to_owned());
    let log = File::options().create(true).append(true).open(log);
    let log = log.expect("the folder is there");
    Command::new(&program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program}: {error}: these tests need etcd (Debian: etcd-server), in PATH or named by STEPFLEET_ETCD")
        })
}

fn free_ports(count: usize) -> Vec<u16> {
    let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
    // All are held until all are known.
    let listeners: Vec<TcpListener> = (0..count).map(bind).collect();
    let port = |listener: &TcpListener| Some(listener.local_addr().ok()?.port());
    listeners.iter().filter_map(port).collect()
}
