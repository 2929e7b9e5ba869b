//! The program itself, against a coordinator played by the test.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[expect(
    dead_code,
    reason = "shared with the tests of the library, which use more of it"
)]
#[path = "../../sdk/rust/tests/sdk/fake.rs"]
mod fake;

use std::fs;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use self::fake::Fake;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepfleet-worker"));
    command.env_remove("STEPFLEET_ENDPOINT").kill_on_drop(true);
    command
}

/// The fake coordinator on a port, and its URL.
async fn listen() -> (Fake, String) {
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

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(id), signal).unwrap();
}

#[tokio::test]
async fn commands_are_served_and_sigterm_drains() {
    let (mut fake, url) = listen().await;
    let mut child = program()
        .args(["--endpoint", &url, "--name", "host-1", "--log", "warn"])
        .args([
            "--activity",
            "sum=tr -d '\"' | tr a-z A-Z",
            "--concurrency",
            "2",
        ])
        .args([
            "--activity",
            "who=echo $STEPFLEET_ACTIVITY $STEPFLEET_ATTEMPT $STEPFLEET_TASK_TOKEN $TRACEPARENT",
        ])
        .spawn()
        .unwrap();
    let mut connection = fake.welcomed().await;
    assert_eq!(connection.hello.worker_name, "host-1");
    assert_eq!(*fake.created.lock().unwrap(), ["sum", "who"]);
    let slots: Vec<_> = connection
        .hello
        .activities
        .iter()
        .map(|a| a.slots)
        .collect();
    assert_eq!(slots, [2, 2]);

    connection.push(1, &[("t1", "\"abc\"")]).await;
    assert_eq!(
        connection.result().await,
        ("t1".to_owned(), 1, Ok("\"ABC\"".to_owned()))
    );
    let who = stepfleet_sdk::api::Push {
        number: 2,
        activity: 1,
        attempt: 3,
        task_token: "t2".to_owned(),
        traceparent: "00-1-2-01".to_owned(),
        input: "{}".to_owned(),
        ..Default::default()
    };
    connection.pushes(vec![who]).await;
    assert_eq!(
        connection.result().await.2,
        Ok("\"who 3 t2 00-1-2-01\"".to_owned())
    );

    signal(&child, Signal::SIGTERM);
    connection.confirm(2).await;
    while connection.read().await {}
    assert!(connection.draining);
    drop(connection);
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_cancelled_task_ends_its_command() {
    let (mut fake, url) = listen().await;
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    nix::unistd::mkfifo(&ready, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let config = folder.path().join("worker.toml");
    let text = format!(
        "endpoint = \"{url}\"\n[[activity]]\nname = \"slow\"\ncommand = [\"sh\", \"-c\", \
         \"trap 'echo bye >bye; exit 0' TERM; echo up >ready; while :; do sleep 0.01; done\"]\n\
         directory = \"{}\"\n",
        folder.path().display()
    );
    fs::write(&config, text).unwrap();
    let mut child = program()
        .arg("--config")
        .arg(&config)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("first", "0")]).await;
    assert_eq!(tokio::fs::read_to_string(&ready).await.unwrap(), "up\n");
    connection.cancel("first").await;
    // The one slot is free for the second when the first has cleaned up.
    connection.push(2, &[("second", "0")]).await;
    assert_eq!(tokio::fs::read_to_string(&ready).await.unwrap(), "up\n");
    assert_eq!(
        fs::read_to_string(folder.path().join("bye")).unwrap(),
        "bye\n"
    );
    assert_eq!(connection.results_left(), 0);
    signal(&child, Signal::SIGTERM);
    while !connection.draining {
        assert!(connection.read().await);
    }
    signal(&child, Signal::SIGTERM);
    assert_eq!(
        child.wait().await.unwrap().code(),
        Some(130),
        "the second signal does not wait"
    );
}

#[tokio::test]
async fn check_tells_good_from_bad() {
    let good = program()
        .args(["--check", "-a", "sum=sha256sum"])
        .output()
        .await
        .unwrap();
    assert!(good.status.success());
    let text = String::from_utf8(good.stdout).unwrap();
    assert!(
        text.contains("configuration is valid") && text.contains("sum: sha256sum"),
        "{text}"
    );

    let bad = program()
        .args(["--check", "-a", "sum"])
        .output()
        .await
        .unwrap();
    assert!(!bad.status.success());
    let text = String::from_utf8(bad.stderr).unwrap();
    assert!(
        text.contains("--activity `sum` must look like NAME=COMMAND"),
        "{text}"
    );
}
