//! Another configuration while tasks are done.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{listen, program, signal, started, write};

#[tokio::test]
async fn a_changed_file_is_served_and_what_runs_finishes() {
    let (mut fake, url) = listen().await;
    let slow = "name = \"slow\"\nshell = \"read -r line <FOLDER/$STEPFLEET_TASK_TOKEN; echo 1\"\n";
    let (mut child, folder) = started(&url, slow);
    let [first, second] = ["t1", "t2"].map(|token| {
        let path = folder.path().join(token);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        path
    });
    let mut old = fake.welcomed().await;
    old.push(1, &[("t1", "0"), ("t2", "0")]).await;
    while old.received < 2 {
        assert!(old.read().await);
    }

    let both = format!("{slow}[[activity]]\nname = \"more\"\nshell = \"echo 2\"\n");
    write(&folder, &url, &both);
    let mut new = fake.welcomed().await;
    let names: Vec<_> = new
        .hello
        .activities
        .iter()
        .map(|a| a.activity.clone())
        .collect();
    assert_eq!(names, ["slow", "more"]);
    // What had not begun is handed back, for the new one to take; the one slot of `slow` is still taken.
    while old.returned.is_empty() {
        assert!(old.read().await);
    }
    assert_eq!(old.returned, ["t2"]);
    assert!(old.draining);
    new.push(1, &[("t2", "0")]).await;
    let other = stepfleet_sdk::api::Push {
        number: 2,
        activity: 1,
        task_token: "t3".to_owned(),
        input: "0".to_owned(),
        ..Default::default()
    };
    new.pushes(vec![other]).await;
    assert_eq!(new.result().await, ("t3".to_owned(), 1, Ok("2".to_owned())));
    assert_eq!(old.results_left() + new.results_left(), 0);

    tokio::fs::write(&first, "\n").await.unwrap();
    assert_eq!(old.result().await.2, Ok("1".to_owned()));
    old.confirm(1).await;
    while old.read().await {}
    drop(old);
    tokio::fs::write(&second, "\n").await.unwrap();
    assert_eq!(new.result().await.0, "t2");

    signal(&child, Signal::SIGTERM);
    new.confirm(2).await;
    while new.read().await {}
    drop(new);
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_bad_file_is_refused_and_the_old_one_goes_on() {
    let (mut fake, url) = listen().await;
    let folder = tempfile::tempdir().unwrap();
    write(&folder, &url, "name = \"a\"\nshell = \"echo 1\"\n");
    let log = folder.path().join("log");
    let child = program()
        .arg("--config")
        .arg(folder.path().join("worker.toml"))
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut connection = fake.welcomed().await;
    fs::write(
        folder.path().join("worker.toml"),
        "[[activity]]\nname = \"a\"\nshel = \"x\"\n",
    )
    .unwrap();
    signal(&child, Signal::SIGHUP);
    let says = |text: &str| fs::read_to_string(&log).unwrap().contains(text);
    while !(says("configuration refused, going on with the one before")
        && says("unknown field `shel`"))
    {
        tokio::task::yield_now().await;
    }
    connection.push(1, &[("t1", "0")]).await;
    assert_eq!(connection.result().await.2, Ok("1".to_owned()));

    // One that the coordinator refuses is no better.
    fake.refusals
        .lock()
        .unwrap()
        .push_back(tonic::Status::permission_denied("not you"));
    write(&folder, &url, "name = \"b\"\nshell = \"echo 2\"\n");
    while !says("the coordinator refused the other configuration") {
        tokio::task::yield_now().await;
    }
    connection.push(2, &[("t2", "0")]).await;
    assert_eq!(connection.result().await.2, Ok("1".to_owned()));
    assert!(!connection.draining);
}

#[tokio::test]
async fn a_file_that_says_the_same_changes_nothing() {
    let (mut fake, url) = listen().await;
    let folder = tempfile::tempdir().unwrap();
    let activity = "name = \"a\"\nshell = \"echo 1\"\n";
    write(&folder, &url, activity);
    let log = folder.path().join("log");
    let child = program()
        .arg("--config")
        .arg(folder.path().join("worker.toml"))
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut connection = fake.welcomed().await;
    write(&folder, &url, &format!("# a comment\n{activity}"));
    signal(&child, Signal::SIGHUP);
    while !fs::read_to_string(&log)
        .unwrap()
        .contains("says the same as before")
    {
        tokio::task::yield_now().await;
    }
    connection.push(1, &[("t1", "0")]).await;
    assert_eq!(connection.result().await.2, Ok("1".to_owned()));
    assert!(!connection.draining);
}
