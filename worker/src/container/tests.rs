//! Containers of an engine that stands in: what it is told, and what becomes of what it does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::config::OutputMode;
use crate::ending::OUTPUT_BYTES_MAX;

/// An engine with a store of its own.
struct World(TempDir);

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = folder.path().join("engine");
        fs::copy(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/engine"),
            &engine,
        )
        .unwrap();
        fs::set_permissions(&engine, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A container of an image that runs a script; the rest as TOML.
    fn call(&self, image: &str, script: &str, more: &str) -> ContainerCall {
        let text = format!(
            "image = \"{image}\"\nengine = {:?}\n{more}",
            self.path("engine")
        );
        let file: FileContainer = toml::from_str(&text).unwrap();
        ContainerCall {
            settings: Arc::new(ContainerSettings::check(&file).unwrap()),
            name: "stepfleet-1".to_owned(),
            arguments: ["/bin/bash", "-c", script].map(str::to_owned).to_vec(),
            stdin: Some("[1]".to_owned()),
            environment: Variables::new(),
            limit: None,
            kill_after: Duration::from_secs(30),
            output_bytes_max: OUTPUT_BYTES_MAX,
            overflow: Overflow::Fail,
            log: TaskLog::default(),
        }
    }

    fn engine(&self) -> Engine {
        Engine::find(self.path("engine").to_str()).unwrap()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap()
    }

    fn containers(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("containers")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// A pipe that tells that a container works.
    fn fifo(&self) -> PathBuf {
        let path = self.path("ready");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        path
    }
}

async fn outcome(call: ContainerCall) -> Result<String, TaskError> {
    let left = call.run(&CancellationToken::new()).await?;
    left.outcome(OutputMode::Auto, OUTPUT_BYTES_MAX)
}

async fn gone(group: &str) {
    let group = nix::unistd::Pid::from_raw(group.trim().parse().unwrap());
    while nix::sys::signal::killpg(group, None).is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_container_gets_the_input_and_gives_the_output() {
    let world = World::new();
    let more = r#"
        memory = "512m"
        cpus = 1.5
        network = "none"
        pull = "never"
        user = "1000:1000"
        directory = "/data"
        read_only = true
        mounts = ["/tmp:/data:ro"]
        arguments = ["--init", "--tmpfs=/run"]
    "#;
    let mut call = world.call(
        "image:1",
        "cat; printf ' %s %s' \"$SECRET\" \"$PATH\"",
        more,
    );
    call.environment.insert("SECRET".into(), "value".into());
    call.environment
        .insert("PATH".into(), "/usr/bin:/bin".into());
    assert_eq!(
        outcome(call).await,
        Ok("\"[1] value /usr/bin:/bin\"".to_owned())
    );
    let calls = world.calls();
    let created = calls.lines().next().unwrap();
    for option in [
        "create --name=stepfleet-1 --label=io.stepfleet.worker=",
        "--pull=never --memory=512m --cpus=1.5 --network=none --user=1000:1000 --workdir=/data",
        "--read-only --volume=/tmp:/data:ro --init --tmpfs=/run --interactive",
        "--env=PATH=/usr/bin:/bin --env=SECRET image:1 /bin/bash -c cat",
    ] {
        assert!(created.contains(option), "no `{option}` in:\n{created}");
    }
    assert!(
        !created.contains("value"),
        "secrets stay out of the list of processes"
    );
    assert!(world.containers().is_empty());
}

#[tokio::test]
async fn failures_of_containers_have_their_names() {
    let failure = |error: &str, cause: &str| Err(TaskError::new(error, cause));
    let killed = "killed by signal 9 (SIGKILL)";
    let bounded = r#"memory = "16m""#;
    for (image, script, more, expect) in [
        (
            "i",
            "echo why >&2; exit 3",
            "",
            failure("CommandFailed", "exit status 3: why"),
        ),
        (
            "i",
            "exit 125",
            "",
            failure("CommandFailed", "exit status 125"),
        ),
        (
            "i",
            "echo '{\"Error\":\"Mine\",\"Cause\":\"c\"}' >&2; exit 1",
            "",
            failure("Mine", "c"),
        ),
        (
            "missing:2",
            "",
            "",
            failure(
                "ContainerImageNotFound",
                "the engine has no image `missing:2`: exit status: 125: Error: missing:2: image not known",
            ),
        ),
        (
            "broken",
            "",
            "",
            failure(
                "ContainerNotStarted",
                "the container did not start: Error: the command was not found",
            ),
        ),
        (
            "hungry",
            "echo much >&2",
            bounded,
            failure(
                "ContainerOutOfMemory",
                "the container was killed because its memory was full (memory = \"16m\"): much",
            ),
        ),
        ("i", "kill -9 $$", "", failure("CommandKilled", killed)),
        (
            "i",
            "kill -9 $$",
            bounded,
            failure(
                "CommandKilled",
                "killed by signal 9 (SIGKILL), as a container beyond its memory of 16m is",
            ),
        ),
    ] {
        let world = World::new();
        assert_eq!(
            outcome(world.call(image, script, more)).await,
            expect,
            "{image} {script}"
        );
        assert!(world.containers().is_empty());
    }
}

#[tokio::test]
async fn an_engine_that_cannot_create_says_why() {
    let world = World::new();
    fs::create_dir_all(world.path("containers/stepfleet-1")).unwrap();
    let error = outcome(world.call("i", "", "")).await.unwrap_err();
    assert_eq!(error.error, "ContainerNotCreated");
    assert!(error.cause.contains("is already in use"), "{error}");
}

#[tokio::test]
async fn a_container_beyond_its_time_or_its_output_is_removed() {
    let world = World::new();
    let mut call = world.call("i", "trap '' TERM; sleep 1000", "");
    call.limit = Some(TimeLimit::new(Duration::from_millis(500)));
    call.kill_after = Duration::from_millis(100);
    let error = outcome(call).await.unwrap_err();
    assert_eq!(
        error,
        TaskError::new("CommandTimedOut", "still running after 0 s")
    );
    assert!(world.containers().is_empty());

    let error = outcome(world.call("i", "yes", "")).await.unwrap_err();
    assert_eq!(error.error, "OutputTooLarge");
    assert!(world.containers().is_empty());
}

#[tokio::test]
async fn a_cancelled_container_may_clean_up_and_is_removed() {
    let world = World::new();
    let (fifo, cleaned) = (world.fifo(), world.path("cleaned"));
    let script = format!(
        "trap 'echo done >{}; exit' TERM; echo $$ >{}; while :; do sleep 0.01; done",
        cleaned.display(),
        fifo.display()
    );
    let cancelled = CancellationToken::new();
    let ready = async {
        let group = tokio::fs::read_to_string(&fifo).await.unwrap();
        cancelled.cancel();
        group
    };
    let (group, result) = tokio::join!(ready, world.call("i", &script, "").run(&cancelled));
    assert_eq!(result.unwrap_err().error, "Cancelled");
    assert_eq!(fs::read_to_string(cleaned).unwrap(), "done\n");
    gone(&group).await;
    assert!(world.containers().is_empty());
}

#[tokio::test]
async fn a_container_does_not_outlive_its_client() {
    let world = World::new();
    let fifo = world.fifo();
    // The client is the parent of the container.
    let script = format!(
        "kill -9 $PPID; echo $$ >{}; exec sleep 1000",
        fifo.display()
    );
    let ready = async { tokio::fs::read_to_string(&fifo).await.unwrap() };
    let (group, result) = tokio::join!(ready, outcome(world.call("i", &script, "")));
    let error = result.unwrap_err();
    assert_eq!(error.error, "ContainerLost", "{error}");
    gone(&group).await;
    assert!(world.containers().is_empty());
}

#[tokio::test]
async fn dropping_the_work_removes_the_container() {
    let world = World::new();
    let fifo = world.fifo();
    let script = format!("echo $$ >{}; exec sleep 1000", fifo.display());
    let cancelled = CancellationToken::new();
    let group = tokio::select! {
        _ = world.call("i", &script, "").run(&cancelled) => panic!("it sleeps"),
        group = tokio::fs::read_to_string(&fifo) => group.unwrap(),
    };
    gone(&group).await;
    while !world.containers().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_a_killed_worker_left_behind_is_removed() {
    let world = World::new();
    let owner = owner::labels()[0]
        .split_once("worker=")
        .unwrap()
        .1
        .to_owned();
    let (mut dead, own) = (owner.clone(), owner);
    dead.push('7');
    for (name, label) in [
        ("dead", dead.as_str()),
        ("own", &own),
        ("far", "boot:pid:[2]:7:7"),
    ] {
        let folder = world.path("containers").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("label"), label).unwrap();
    }
    sweep(&world.engine()).await;
    let mut left = world.containers();
    left.sort();
    assert_eq!(
        left,
        [world.path("containers/far"), world.path("containers/own")]
    );
}

#[test]
fn every_problem_of_a_container_is_told() {
    let text = r#"
        image = "-v"
        engine = "other"
        mounts = ["/no/such/folder:/x", "relative/x:/x", "x", "/tmp:x", "volume:/x"]
        memory = "lots"
        cpus = 0.0
        directory = "x"
        user = "a b"
        arguments = ["--privileged", "--volume=/:/host", "--init"]
    "#;
    let file: FileContainer = toml::from_str(text).unwrap();
    let problems = ContainerSettings::check(&file).unwrap_err();
    let expected = [
        "engine `other` is neither podman nor docker; write its path",
        "container: image `-v` is no image",
        "container: user `a b` is no user",
        "container: memory `lots` must look like \"512m\" (b, k, m or g)",
        "container: cpus must be more than 0, not 0",
        "container: directory x must be absolute",
        "container: mount `/no/such/folder:/x`: /no/such/folder does not exist",
        "container: mount `relative/x:/x` must name an absolute path or a volume",
        "container: mount `x` must look like \"/host:/inside:ro\"",
        "container: mount `/tmp:x` must name an absolute path inside",
        "container: argument `--privileged` is not among those that may be given",
        "container: argument `--volume=/:/host` is not among those that may be given",
    ];
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}
