//! Real commands.

use std::path::Path;

use tempfile::TempDir;
use tokio::fs::File;

use super::*;
use crate::config::OutputMode;
use crate::ending::OUTPUT_BYTES_MAX;

fn shell(text: &str) -> Call {
    Call {
        arguments: ["/bin/sh", "-c", text].map(str::to_owned).to_vec(),
        shell: true,
        stdin: Some(String::new()),
        directory: None,
        environment: std::env::vars_os().collect(),
        identity: None,
        limit: None,
        kill_after: Duration::from_secs(30),
        output_bytes_max: OUTPUT_BYTES_MAX,
        overflow: Overflow::Fail,
        log: TaskLog::default(),
        progress: None,
    }
}

async fn outcome(call: Call) -> Result<String, TaskError> {
    call.run(&CancellationToken::new())
        .await?
        .outcome(OutputMode::Auto, OUTPUT_BYTES_MAX)
}

/// Runs until the command writes to `$FIFO`, then cancels; gives what it wrote and how it ended.
async fn cancel_when_ready(mut call: Call, folder: &TempDir) -> (String, Result<Left, TaskError>) {
    let fifo = folder.path().join("ready");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    call.environment.insert("FIFO".into(), fifo.clone().into());
    let cancelled = CancellationToken::new();
    let ready = async {
        let mut text = String::new();
        File::open(&fifo)
            .await
            .unwrap()
            .read_to_string(&mut text)
            .await
            .unwrap();
        cancelled.cancel();
        text
    };
    let (ready, result) = tokio::join!(ready, call.run(&cancelled));
    (ready.trim().to_owned(), result)
}

/// Whether a process works: zombies do not.
fn is_running(id: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(id).join("stat"));
    stat.is_ok_and(|stat| {
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| !rest.starts_with('Z'))
    })
}

async fn gone(id: &str) {
    while is_running(id) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn input_goes_in_and_output_comes_out() {
    let mut call = shell("cat; printf ' '; printf '%s' \"$EXTRA\"; pwd");
    call.stdin = Some("[1,".to_owned());
    call.environment.insert("EXTRA".into(), "2]".into());
    call.directory = Some(PathBuf::from("/"));
    assert_eq!(outcome(call).await, Ok("\"[1, 2]/\"".to_owned()));
}

#[tokio::test]
async fn a_large_input_that_is_not_read_does_no_harm() {
    let mut call = shell("echo 1");
    call.stdin = Some("x".repeat(250_000));
    assert_eq!(outcome(call).await, Ok("1".to_owned()));
}

#[tokio::test]
async fn a_large_input_comes_back_whole() {
    let mut call = shell("cat");
    let text = format!("\"{}\"", "x".repeat(250_000));
    call.stdin = Some(text.clone());
    assert_eq!(outcome(call).await, Ok(text));
}

#[tokio::test]
async fn failures_of_real_commands_have_their_names() {
    let failure = |error: &str, cause: &str| Err(TaskError::new(error, cause));
    let cases = [
        (
            "echo why >&2; exit 3",
            failure("CommandFailed", "exit status 3: why"),
        ),
        (
            "kill -9 $$",
            failure("CommandKilled", "killed by signal 9 (SIGKILL)"),
        ),
        (
            "echo '{\"Error\":\"Mine\",\"Cause\":\"c\"}' >&2; exit 1",
            failure("Mine", "c"),
        ),
    ];
    for (text, expect) in cases {
        assert_eq!(outcome(shell(text)).await, expect, "{text}");
    }
    let error = outcome(shell("no-such-program-here")).await.unwrap_err();
    assert_eq!(error.error, "CommandNotFound");
    let mut call = shell("");
    call.arguments = vec!["no-such-program-here".to_owned()];
    let text = "program `no-such-program-here` was not found";
    assert_eq!(outcome(call).await, failure("CommandNotFound", text));
    let mut call = shell("");
    call.directory = Some(PathBuf::from("/no/such/folder"));
    let text = "directory /no/such/folder does not exist";
    assert_eq!(outcome(call).await, failure("CommandNotFound", text));
    let mut call = shell("");
    call.arguments = vec!["/etc/passwd".to_owned()];
    assert_eq!(outcome(call).await.unwrap_err().error, "CommandFailed");
}

#[tokio::test]
async fn an_endless_output_ends_the_command() {
    assert_eq!(
        outcome(shell("yes")).await,
        Err(too_large(OUTPUT_BYTES_MAX))
    );
    let fits = format!("head -c {OUTPUT_BYTES_MAX} /dev/zero | tr '\\0' 1");
    assert_eq!(
        outcome(shell(&fits)).await.map(|output| output.len()),
        Ok(OUTPUT_BYTES_MAX)
    );
}

#[tokio::test]
async fn an_endless_standard_error_keeps_its_end() {
    let error = outcome(shell("seq 1 100000 >&2; exit 1"))
        .await
        .unwrap_err();
    assert!(error.cause.starts_with("exit status 1: ") && error.cause.ends_with("99999\n100000"));
    assert!(error.cause.len() <= 32 * 1024);
}

#[tokio::test]
async fn a_command_beyond_its_time_is_ended() {
    let mut call = shell("echo partial >&2; exec sleep 1000");
    call.limit = Some(TimeLimit::new(Duration::from_millis(200)));
    let error = outcome(call).await.unwrap_err();
    assert_eq!(error.error, "CommandTimedOut");
    assert_eq!(error.cause, "still running after 0 s: partial");
}

#[tokio::test]
async fn a_cancelled_command_may_clean_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut call = shell(
        "trap 'echo done >cleaned; exit 0' TERM; echo $$ >$FIFO; while :; do sleep 0.01; done",
    );
    call.directory = Some(folder.path().to_owned());
    let (id, result) = cancel_when_ready(call, &folder).await;
    assert_eq!(result.unwrap_err().error, "Cancelled");
    assert_eq!(
        fs::read_to_string(folder.path().join("cleaned")).unwrap(),
        "done\n"
    );
    assert!(!is_running(&id));
}

#[tokio::test]
async fn a_child_that_ignores_sigterm_is_killed_with_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let mut call = shell("(trap '' TERM; exec sleep 1000) & echo $! >$FIFO; wait");
    call.kill_after = Duration::from_millis(100);
    let (child, result) = cancel_when_ready(call, &folder).await;
    assert_eq!(result.unwrap_err().error, "Cancelled");
    gone(&child).await;
}

#[tokio::test]
async fn what_a_command_leaves_behind_is_killed() {
    let call = shell("sleep 1000 >/dev/null 2>&1 </dev/null & echo \\\"$!\\\"");
    let output = outcome(call).await.unwrap();
    gone(output.trim_matches('"')).await;
}

#[tokio::test]
async fn dropping_the_work_kills_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("ready");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut call = shell("sleep 1000 & echo $! >$FIFO; wait");
    call.environment.insert("FIFO".into(), fifo.clone().into());
    let cancelled = CancellationToken::new();
    let mut child = String::new();
    {
        let ready = async {
            File::open(&fifo)
                .await
                .unwrap()
                .read_to_string(&mut child)
                .await
                .unwrap();
        };
        tokio::select! {
            _ = call.run(&cancelled) => panic!("it waits for its child"),
            () = ready => {}
        }
    }
    gone(child.trim()).await;
}
