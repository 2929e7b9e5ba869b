//! What the tests of the program share.

use std::fs;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use crate::fake::Fake;

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepfleet-worker"));
    command.env_remove("STEPFLEET_ENDPOINT").kill_on_drop(true);
    command
}

/// The fake coordinator on a port, and its URL.
pub(crate) async fn listen() -> (Fake, String) {
    let (fake, routes) = Fake::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = Server::builder()
        .add_routes(routes)
        .serve_with_incoming(TcpListenerStream::new(listener));
    #[expect(
        clippy::disallowed_methods,
        reason = "tests end their tasks with their runtime"
    )]
    drop(tokio::spawn(serve));
    (fake, url)
}

/// A worker of one activity, as TOML; `FOLDER` in it stands for its folder.
pub(crate) fn started(url: &str, activity: &str) -> (Child, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, url, activity);
    let child = program()
        .arg("--config")
        .arg(folder.path().join("worker.toml"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (child, folder)
}

/// Writes the configuration of [`started`], under another name first.
pub(crate) fn write(folder: &TempDir, url: &str, activity: &str) {
    let activity = activity.replace("FOLDER", folder.path().to_str().unwrap());
    let text = format!("endpoint = \"{url}\"\nwatch = true\n[[activity]]\n{activity}");
    let (new, path) = (folder.path().join("new"), folder.path().join("worker.toml"));
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(id), signal).unwrap();
}
