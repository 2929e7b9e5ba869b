//! Commands: their tasks, their ends, their surroundings.

use std::fs;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::support::{listen, program, signal, started};

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

#[tokio::test]
async fn check_is_a_command_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("worker.toml");
    fs::write(&config, "[[activity]]\nname = \"a\"\nshell = \"true\"\n").unwrap();
    let output = program().arg("check").arg(&config).output().await.unwrap();
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("a: true")
    );
    fs::write(&config, "[[activity]]\nname = \"a\"\n").unwrap();
    let output = program().arg("check").arg(&config).output().await.unwrap();
    assert!(!output.status.success());
}

#[tokio::test]
async fn lines_of_progress_become_heartbeats_with_details() {
    let (mut fake, url) = listen().await;
    let script = r#"echo half way >&3; read -r line <one; echo '{"done": 2}' >&$STEPFLEET_PROGRESS_FD; read -r line <two; echo 1"#;
    let (_child, folder) = started(
        &url,
        &format!("name = \"slow\"\nshell = {script:?}\ndirectory = \"FOLDER\"\n"),
    );
    let [one, two] = ["one", "two"].map(|name| {
        let path = folder.path().join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        path
    });
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("t1", "0")]).await;
    assert_eq!(
        connection.heartbeat().await,
        ("t1".to_owned(), "\"half way\"".to_owned())
    );
    tokio::fs::write(&one, "\n").await.unwrap();
    assert_eq!(
        connection.heartbeat().await,
        ("t1".to_owned(), "{\"done\": 2}".to_owned())
    );
    tokio::fs::write(&two, "\n").await.unwrap();
    assert_eq!(connection.result().await.2, Ok("1".to_owned()));
}

#[tokio::test]
async fn a_command_sees_what_is_meant_for_it_and_no_more() {
    let (mut fake, url) = listen().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("worker.toml");
    let text = format!(
        "endpoint = \"{url}\"\n\
         [[activity]]\nname = \"all\"\nshell = \"env\"\n\
         [[activity]]\nname = \"some\"\nshell = \"env\"\ninherit = [\"LC_*\"]\nenvironment = {{ SET = \"1\" }}\n"
    );
    fs::write(&config, text).unwrap();
    let _child = program()
        .arg("--config")
        .arg(&config)
        .envs([
            ("STEPFLEET_API_KEY", "secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("LC_TIME", "C"),
            ("OTHER", "x"),
        ])
        .spawn()
        .unwrap();
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("t1", "0")]).await;
    let all = connection.result().await.2.unwrap();
    assert!(
        all.contains("OTHER=x") && all.contains("STEPFLEET_TASK_TOKEN=t1"),
        "{all}"
    );
    assert!(!all.contains("secret"), "{all}");
    let some = stepfleet_sdk::api::Push {
        number: 2,
        activity: 1,
        task_token: "t2".to_owned(),
        input: "0".to_owned(),
        ..Default::default()
    };
    connection.pushes(vec![some]).await;
    let some = connection.result().await.2.unwrap();
    assert!(
        some.contains("LC_TIME=C") && some.contains("SET=1"),
        "{some}"
    );
    assert!(!some.contains("OTHER"), "{some}");
}

#[tokio::test]
async fn a_command_runs_as_another_user_with_nothing_of_the_workers_groups() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let (mut fake, url) = listen().await;
    let activity = "name = \"who\"\nshell = \"id -u; id -G\"\nuser = \"65534\"\ngroup = \"65533\"\noutput = \"text\"\n";
    let (_child, _folder) = started(&url, activity);
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("t1", "0")]).await;
    assert_eq!(
        connection.result().await.2,
        Ok("\"65534\\n65533\"".to_owned())
    );
}

#[tokio::test]
async fn an_output_beyond_its_bound_fails_the_task() {
    let (mut fake, url) = listen().await;
    let (_child, _folder) = started(
        &url,
        "name = \"a\"\nshell = \"echo 12345678\"\noutput_bytes_max = 8\n",
    );
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("t1", "0")]).await;
    let expect = "OutputTooLarge: the output is larger than 8 bytes";
    assert_eq!(connection.result().await.2, Err(expect.to_owned()));
}

#[tokio::test]
async fn standard_error_is_logged_to_files_that_are_bounded() {
    let (mut fake, url) = listen().await;
    let logs = tempfile::tempdir().unwrap();
    let activity = format!(
        "name = \"a\"\nshell = \"cat >&2; echo 1\"\nlog = {{ folder = {:?}, bytes_max = 20, files_max = 1 }}\n",
        logs.path()
    );
    let (_child, _folder) = started(&url, &activity);
    let mut connection = fake.welcomed().await;
    for number in 1..=3 {
        let (token, input) = (
            format!("t{number}"),
            format!("\"task {number} {}\"", "x".repeat(30)),
        );
        connection.push(number, &[(&token, &input)]).await;
        let _ = connection.result().await;
    }
    let texts: Vec<_> = fs::read_dir(logs.path())
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(texts, ["\"task 3 xxxxxxxxxxxx\n… (cut: the log is full)\n"]);
}

#[tokio::test]
async fn standard_error_is_logged_by_the_worker() {
    let (mut fake, url) = listen().await;
    let folder = tempfile::tempdir().unwrap();
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let mut child = program()
        .args([
            "--endpoint",
            &url,
            "--log-format",
            "json",
            "-a",
            "a=echo one >&2; printf two >&2; echo 1",
        ])
        .stderr(log)
        .spawn()
        .unwrap();
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("t1", "0")]).await;
    let _ = connection.result().await;
    signal(&child, Signal::SIGTERM);
    connection.confirm(1).await;
    while connection.read().await {}
    drop(connection);
    assert!(child.wait().await.unwrap().success());
    let text = fs::read_to_string(folder.path().join("log")).unwrap();
    for line in ["one", "two"] {
        let found = text
            .lines()
            .find(|found| found.contains(&format!("\"message\":\"{line}\"")));
        let found = found.unwrap_or_else(|| panic!("no `{line}` in {text}"));
        assert!(
            found.contains("\"activity\":\"a\"") && found.contains("\"attempt\":1"),
            "{found}"
        );
    }
}
