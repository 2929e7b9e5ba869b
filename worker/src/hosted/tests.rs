//! What tasks may ask for, and folders whose work runs once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use stepfleet_sdk::{Standing, TaskError};

use super::command::{Asked, CommandSettings, FileRunCommand};
use super::container::{ContainerRunSettings, FileRunContainer};
use super::ended::{Ended, Of};
use super::place::{Found, Place};
use super::request::{Request, Run, Waits};
use super::supervise::supervise;

const ID: &str = "0f0e0d0c-0000-4000-8000-000000000001";

fn commands(text: &str) -> Result<CommandSettings, Vec<String>> {
    let file: FileRunCommand = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
    let mut problems = Vec::new();
    match CommandSettings::check(file, &mut problems) {
        Some(settings) if problems.is_empty() => Ok(settings),
        Some(_) | None => Err(problems),
    }
}

fn containers(text: &str) -> Result<ContainerRunSettings, Vec<String>> {
    let file: FileRunContainer = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
    let mut problems = Vec::new();
    match ContainerRunSettings::check(file, &mut problems) {
        Some(settings) if problems.is_empty() => Ok(settings),
        Some(_) | None => Err(problems),
    }
}

#[track_caller]
fn refused(asked: Result<Asked, TaskError>, error: &str, part: &str) {
    let refusal = asked.unwrap_err();
    assert!(
        refusal.error == error && refusal.cause.contains(part),
        "{refusal}"
    );
}

#[test]
fn nothing_is_run_unless_the_configuration_says_so() {
    assert_eq!(commands("").unwrap_err(), [""; 0]);
    assert_eq!(commands("programs = [\"*\"]").unwrap_err(), [""; 0]);
    let problems = commands(
        "enabled = true\nstate = \"here\"\nslots = 0\nprograms = [\"sh\"]\nusers = [\"no-such-user\"]\ndirectories = [\"../x\"]\ninherit = [\"STEPFLEET_*\"]",
    );
    let problems = problems.unwrap_err().join("\n");
    for part in ["state must be", "slots must be"] {
        assert!(problems.contains(part), "{problems}");
    }
    let problems = commands(
        "enabled = true\nstate = \"/s\"\nprograms = [\"sh\"]\nusers = [\"no-such-user\"]\ndirectories = [\"../x\"]\ninherit = [\"STEPFLEET_*\"]",
    );
    let problems = problems.unwrap_err().join("\n");
    for part in ["program `sh`", "no-such-user", "../x", "STEPFLEET_*"] {
        assert!(problems.contains(part), "{problems}");
    }
    let problems = commands("enabled = true\nstate = \"/s\"").unwrap_err();
    assert!(problems[0].contains("name what may be run"), "{problems:?}");
    let problems = commands("enabled = true\nprogram = [\"sh\"]").unwrap_err();
    assert!(problems[0].contains("unknown field"), "{problems:?}");
}

/// A folder that is allowed, in which a link leads out, and what is allowed with it.
fn allowing() -> (tempfile::TempDir, PathBuf, CommandSettings) {
    let folder = tempfile::tempdir().unwrap();
    let allowed = folder.path().join("allowed");
    std::fs::create_dir(&allowed).unwrap();
    std::os::unix::fs::symlink("/", allowed.join("out")).unwrap();
    let settings = commands(&format!(
        "enabled = true\nstate = \"/s\"\nprograms = [\"/bin/cat\", \"/opt/tools/*\"]\ndirectories = [{:?}]\nvariables = [\"APP_*\", \"ONE\"]\ntimeout_seconds_max = 10",
        allowed.display()
    ))
    .unwrap();
    (folder, allowed, settings)
}

#[test]
fn what_is_on_the_lists_is_run_as_asked() {
    let (_folder, allowed, settings) = allowing();
    let ask = |parameters: Value| settings.asked(&parameters.to_string());
    let asked = ask(json!({
        "Command": ["/opt/tools/pack", "; rm"], "Environment": {"APP_A": "1", "ONE": ""},
        "Directory": allowed, "Input": {"a": 1}, "stepfleet:task": {"requires": {"disk": "ssd"}},
    }))
    .unwrap();
    assert_eq!(asked.timeout_seconds, Some(10));
    assert_eq!(asked.input.as_deref(), Some(r#"{"a":1}"#));
    let Run::Command {
        arguments,
        shell,
        directory,
        ..
    } = asked.run
    else {
        panic!("no command");
    };
    assert_eq!(
        (arguments[0].as_str(), arguments.len(), shell),
        ("/opt/tools/pack", 2, false)
    );
    assert_eq!(directory.unwrap(), allowed.canonicalize().unwrap());
}

#[test]
fn what_is_not_on_the_lists_is_refused() {
    let (_folder, allowed, settings) = allowing();
    let ask = |parameters: Value| settings.asked(&parameters.to_string());
    for (parameters, part) in [
        (json!({"Command": ["/bin/sh"]}), "programs"),
        (json!({"Command": ["/opt/tools/../../bin/sh"]}), "programs"),
        (json!({"Command": ["/opt/tools/deep/tool"]}), "programs"),
        (json!({"Command": ["./cat"]}), "programs"),
        (json!({"Shell": "cat"}), "Shell"),
        (
            json!({"Command": ["/bin/cat"], "Environment": {"LD_PRELOAD": "x"}}),
            "LD_PRELOAD",
        ),
        (
            json!({"Command": ["/bin/cat"], "Directory": allowed.join("out")}),
            "directories",
        ),
        (
            json!({"Command": ["/bin/cat"], "Directory": allowed.join("../..")}),
            "directories",
        ),
        (json!({"Command": ["/bin/cat"], "User": "root"}), "users"),
        (
            json!({"Command": ["/bin/cat"], "TimeoutSeconds": 11}),
            "at most 10",
        ),
    ] {
        refused(ask(parameters), "NotAllowed", part);
    }
    for (parameters, part) in [
        (json!({}), "exactly one"),
        (json!({"Command": []}), "no program"),
        (json!({"Command": "cat"}), "expected a sequence"),
        (json!({"command": ["/bin/cat"]}), "unknown field"),
        (
            json!({"Command": ["/bin/cat"], "TimeoutSeconds": 0}),
            "at least 1",
        ),
    ] {
        refused(ask(parameters), "InvalidParameters", part);
    }
    refused(
        ask(json!({"Command": ["no-such-program"]})),
        "CommandNotFound",
        "no-such-program",
    );
}

#[test]
fn containers_are_held_against_the_lists() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().canonicalize().unwrap();
    let settings = containers(&format!(
        "enabled = true\nstate = \"/s\"\nengine = \"/bin/true\"\nimages = [\"alpine:3\", \"team/*\"]\nmounts = [{:?}]\nmemory = \"1g\"\ncpus = 2.0\nnetwork = \"none\"",
        data.display()
    ))
    .unwrap();
    let ask = |parameters: Value| settings.asked(&parameters.to_string());
    let mount = format!("{}:/data:ro", data.display());
    let asked = ask(
        json!({"Image": "team/app:1", "Command": ["run"], "Mounts": [mount], "Memory": "512m"}),
    )
    .unwrap();
    let Run::Container {
        container,
        arguments,
    } = asked.run
    else {
        panic!("no container");
    };
    assert_eq!(arguments, ["run"]);
    assert_eq!(
        (
            &container["memory"],
            &container["cpus"],
            &container["network"]
        ),
        (&json!("512m"), &json!(2.0), &json!("none"))
    );
    for (parameters, part) in [
        (json!({"Image": "alpine"}), "images"),
        (
            json!({"Image": "alpine:3", "Mounts": ["/:/host"]}),
            "mounts",
        ),
        (
            json!({"Image": "alpine:3", "Mounts": ["volume:/data"]}),
            "mounts",
        ),
        (json!({"Image": "alpine:3", "Memory": "2g"}), "at most 1g"),
        (json!({"Image": "alpine:3", "Cpus": 3}), "at most 2"),
        (
            json!({"Image": "alpine:3", "Environment": {"A": ""}}),
            "'A'",
        ),
    ] {
        refused(ask(parameters), "NotAllowed", part);
    }
    for (parameters, part) in [
        (json!({}), "Image"),
        (
            json!({"Image": "alpine:3", "Privileged": true}),
            "unknown field",
        ),
        (
            json!({"Image": "alpine:3", "Memory": "much"}),
            "must look like",
        ),
    ] {
        refused(ask(parameters), "InvalidParameters", part);
    }
    let problems = containers(
        "enabled = true\nstate = \"/s\"\nengine = \"/bin/true\"\narguments = [\"--privileged\"]",
    );
    let problems = problems.unwrap_err().join("\n");
    assert!(
        problems.contains("--privileged") && problems.contains("images"),
        "{problems}"
    );
}

fn request(shell: &str) -> Request {
    Request {
        execution_arn: "arn".to_owned(),
        pattern: Waits::Sync,
        run: Run::Command {
            arguments: ["/bin/sh", "-c", shell].map(str::to_owned).to_vec(),
            shell: true,
            directory: None,
            user: None,
            inherit: vec!["PATH".to_owned()],
        },
        input: Some("in".to_owned()),
        environment: [("A".to_owned(), "b".to_owned())].into(),
        timeout_seconds: Some(30),
        kill_seconds: 1,
        output_bytes_max: 64,
    }
}

fn place(folder: &Path) -> Place {
    Place::open(&folder.join("state")).unwrap()
}

#[tokio::test]
async fn work_of_one_client_id_runs_once_and_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    assert_eq!(place, self::place(folder.path()));
    let runs = folder.path().join("runs");
    let wanted = request(&format!("echo x >> {}; cat; echo $A", runs.display()));
    let work = place.begin(ID, "token-0", &wanted).unwrap();
    assert!(matches!(work.found().unwrap(), Found::Waiting));
    let again = place.begin(ID, "token-1", &request("exit 9")).unwrap();
    assert_eq!(
        (again.request().unwrap(), again.token().unwrap()),
        (wanted, "token-1".to_owned())
    );
    let path = work.path().to_owned();
    let (first, second) = tokio::join!(supervise(path.clone()), supervise(path.clone()));
    first.unwrap();
    second.unwrap();
    supervise(path).await.unwrap();
    assert_eq!(std::fs::read_to_string(runs).unwrap(), "x\n");
    let Found::Ended(ended) = work.found().unwrap() else {
        panic!("it has not ended");
    };
    assert_eq!((ended.exit_code, ended.stdout.as_str()), (Some(0), "inb\n"));
    assert_eq!(place.all().unwrap().len(), 1);
    assert!(place.folder("../x").is_none() && place.folder("").is_none());
    let now = place.now().unwrap();
    assert!(!work.forget_after(Duration::from_secs(3600), now).unwrap());
    let later = now + Duration::from_secs(7200);
    assert!(work.forget_after(Duration::from_secs(3600), later).unwrap());
    assert!(!work.exists());
}

#[tokio::test]
async fn work_that_is_stopped_ends_and_what_was_not_begun_never_does() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let work = place.begin(ID, "t", &request("exit 0")).unwrap();
    work.ask_to_stop().unwrap();
    supervise(work.path().to_owned()).await.unwrap();
    let Found::Ended(ended) = work.found().unwrap() else {
        panic!("it has not ended");
    };
    assert!(ended.stopped && ended.failure.is_some() && work.started_at().is_none());
    let other = place
        .begin("2", "t", &request("echo up; sleep 1000"))
        .unwrap();
    let stop = async {
        while other.started_at().is_none() {
            tokio::task::yield_now().await;
        }
        other.ask_to_stop().unwrap();
    };
    let (supervised, ()) = tokio::join!(supervise(other.path().to_owned()), stop);
    supervised.unwrap();
    assert!(matches!(other.found().unwrap(), Found::Ended(ended) if ended.stopped));
    // Begun, and nobody looks after it.
    let lost = place.begin("3", "t", &request("exit 0")).unwrap();
    assert!(lost.start().unwrap() && !lost.start().unwrap());
    assert!(matches!(lost.found().unwrap(), Found::Lost));
    let held = lost.lock().unwrap();
    assert!(matches!(lost.found().unwrap(), Found::Going));
    drop(held);
    supervise(lost.path().to_owned()).await.unwrap();
    assert!(matches!(lost.found().unwrap(), Found::Lost));
}

#[test]
fn ends_are_told_within_what_a_task_may_say() {
    let of = Of {
        client_id: ID,
        host: "h",
        started_at: Some(std::time::UNIX_EPOCH),
        stopped_at: None,
    };
    let ended = |exit_code, stdout: &str| Ended {
        exit_code: Some(exit_code),
        stdout: stdout.to_owned(),
        stderr: "x".repeat(32_000),
        ..Ended::default()
    };
    let told = |standing| match standing {
        Standing::Succeeded(text) => (String::new(), text),
        Standing::Failed(error) => (error.error, error.cause),
        Standing::Going(_) => panic!("it has ended"),
    };
    let (_, text) = told(ended(0, "{\"n\":12345678901234567890}").standing(of));
    let told_of: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told_of["Output"]["n"].to_string(), "12345678901234567890");
    assert_eq!(told_of["StartedAt"], "1970-01-01T00:00:00.000Z");
    let (_, text) = told(ended(0, &"\u{1}".repeat(100_000)).standing(of));
    assert!(text.len() <= 262_144 && text.contains("\"StdoutTruncated\":true"));
    let (error, cause) = told(ended(3, "out").standing(of));
    assert!(cause.chars().count() <= 32_768);
    let told_of: Value = serde_json::from_str(&cause).unwrap();
    assert_eq!(
        (error.as_str(), &told_of["ExitCode"]),
        ("States.TaskFailed", &json!(3))
    );
    let failed = Ended::failed(TaskError::new("CommandTimedOut", "still running"), false);
    let (error, cause) = told(failed.standing(of));
    let told_of: Value = serde_json::from_str(&cause).unwrap();
    assert_eq!(
        (error.as_str(), &told_of["Cause"]),
        ("CommandTimedOut", &json!("still running"))
    );
}
