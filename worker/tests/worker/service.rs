//! A service manager that the test plays: a datagram socket.

use nix::sys::signal::Signal;
use tokio::net::UnixDatagram;

use crate::support::{listen, program, signal, write};

/// Reads messages until one has this line.
async fn told(socket: &UnixDatagram, line: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = socket.recv(&mut buffer).await.unwrap();
        let text = String::from_utf8(buffer[..count].to_vec()).unwrap();
        all.push(text.clone());
        if text.lines().any(|found| found == line) {
            return all;
        }
    }
}

#[tokio::test]
async fn a_service_manager_is_told_of_start_reload_and_stop() {
    let (mut fake, url) = listen().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    write(&folder, &url, "name = \"a\"\nshell = \"echo 1\"\n");
    let mut child = program()
        .arg("--config")
        .arg(folder.path().join("worker.toml"))
        .env("NOTIFY_SOCKET", &path)
        .spawn()
        .unwrap();
    let ready = told(&socket, "READY=1").await;
    assert!(
        ready[0].contains("STATUS=waiting for the coordinator"),
        "{ready:?}"
    );
    let old = fake.welcomed().await;
    told(&socket, &format!("STATUS=serving a at {url}")).await;

    write(&folder, &url, "name = \"b\"\nshell = \"echo 1\"\n");
    let reloading = told(&socket, "RELOADING=1").await;
    assert!(reloading[0].contains("MONOTONIC_USEC="), "{reloading:?}");
    told(&socket, "READY=1").await;
    let mut new = fake.welcomed().await;
    told(&socket, &format!("STATUS=serving b at {url}")).await;
    drop(old);

    signal(&child, Signal::SIGTERM);
    told(&socket, "STOPPING=1").await;
    while new.read().await {}
    drop((new, fake));
    child.wait().await.unwrap();
}

#[tokio::test]
async fn a_watchdog_is_told_of_a_worker_that_lives() {
    let (mut fake, url) = listen().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let child = program()
        .args(["--endpoint", &url, "-a", "a=echo 1"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000")
        .spawn()
        .unwrap();
    let _connection = fake.welcomed().await;
    told(&socket, "WATCHDOG=1").await;
    told(&socket, "WATCHDOG=1").await;
    drop(child);
}
