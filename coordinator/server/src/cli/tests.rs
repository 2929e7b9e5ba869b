//! Whole commands against a coordinator that answers from canned data.

use std::ffi::OsString;

use clap::Parser as _;

use super::testing::coordinator::{self, Journal};
use super::testing::output_as;
use super::{Cli, Command, run};

/// What a command wrote and did.
struct Ran {
    code: u8,
    results: String,
    remarks: String,
    journal: Journal,
}

impl Ran {
    /// Everything for a snapshot, without the port that was drawn.
    fn text(&self, command: &str) -> String {
        let mut text = format!("$ stepfleet {command}\n{}", self.results);
        for line in self.remarks.lines() {
            text.push_str(&format!("! {line}\n"));
        }
        for line in self.journal.lock().unwrap().iter() {
            text.push_str(&format!("> {line}\n"));
        }
        text.push_str(&format!("= {}\n", self.code));
        text
    }
}

fn words(command: &str) -> impl Iterator<Item = OsString> {
    std::iter::once("stepfleet")
        .chain(command.split(' '))
        .map(OsString::from)
}

async fn call(command: &str, url: &str, journal: Journal) -> Ran {
    let cli = Cli::try_parse_from(words(&format!("--endpoint {url} {command}"))).unwrap();
    let (mut output, written) = output_as(cli.global.format);
    let Command::Client(client_command) = &cli.command else {
        panic!("no client command")
    };
    let code = run(client_command, &cli.global, &mut output).await;
    let results = written.results.text().replace(url, "URL");
    Ran {
        code,
        results,
        remarks: written.remarks.text().replace(url, "URL"),
        journal,
    }
}

/// Carries the commands out, each against a fresh coordinator, and puts everything they wrote together.
async fn transcript(commands: &[&str]) -> String {
    let mut text = Vec::new();
    for command in commands {
        let (url, journal) = coordinator::start().await;
        text.push(call(command, &url, journal).await.text(command));
    }
    text.join("\n")
}

fn file(name: &str, content: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[tokio::test]
async fn state_machines_are_listed_shown_and_deleted() {
    let commands = [
        "machine list",
        "machine list --limit 1",
        "machine list --output json",
        "machine show orders",
        "--output json machine show orders",
        "machine show orders --definition",
        "machine delete orders",
        "machine delete typo",
        "machine update orders --role-arn arn:aws:iam::1:role/x",
        "machine update orders --log off --trace=false",
    ];
    insta::assert_snapshot!(transcript(&commands).await);
}

#[tokio::test]
async fn versions_are_published_and_aliases_lead_to_them() {
    let commands = [
        "version publish orders --description second",
        "version list orders",
        "version list orders --output json",
        "version delete orders:2",
        "version delete orders:9",
        "version delete orders",
        "alias set orders:live 2",
        "alias set orders:new 1=90% 2=10",
        "alias set orders:live 1 2",
        "alias list orders",
        "alias show orders:live",
        "alias show orders:live --output json",
        "alias delete orders:live",
        "alias delete live",
    ];
    insta::assert_snapshot!(transcript(&commands).await);
}

#[tokio::test]
async fn tags_are_set_listed_and_removed() {
    let commands = [
        "tag set orders team=blue stage=live",
        "tag list orders --output json",
        "tag list checksum --activity",
        "tag remove orders team",
    ];
    insta::assert_snapshot!(transcript(&commands).await);
}

#[tokio::test]
async fn executions_are_started_followed_and_shown() {
    let commands = [
        "run start orders --input {\"n\":1}",
        "run start orders --name good --wait",
        "run start orders --name good --wait --output json",
        "run start orders --name bad --wait",
        "run start orders --name good --watch",
        "run start quick",
        "run start quick --wait",
        "run watch orders:good --output json",
        "run show orders:bad",
        "run show orders:good --output json",
        "run stop orders:good --error Enough",
        "run sync orders --name good --input {\"n\":1}",
        "run sync orders --name bad --output json",
    ];
    insta::assert_snapshot!(transcript(&commands).await);
}

#[tokio::test]
async fn executions_are_redriven() {
    let commands = [
        "run redrive orders:bad",
        "run redrive orders:bad --client-token mine --output json",
        "run redrive orders:bad --wait",
        "run redrive orders:good",
        "run show orders:bad --output json",
    ];
    insta::assert_snapshot!(transcript(&commands).await);
}

#[tokio::test]
async fn executions_and_histories_are_listed() {
    let commands = [
        "run list",
        "run list orders --limit 2 --status failed",
        "run list orders --output json",
        "run history orders:good",
        "run history orders:good --output json",
    ];
    insta::assert_snapshot!(transcript(&commands).await);
}

#[tokio::test]
async fn activities_show_who_waits() {
    let commands = [
        "activity create checksum --tag team=a",
        "activity list",
        "activity list --output json",
        "activity show compress",
        "activity stats compress",
        "activity stats compress --output json",
        "activity pause compress",
        "activity resume compress --output json",
        "activity require compress region=eu gpu",
        "activity require compress --none",
        "activity limit compress --concurrency 5 --rate 0.5",
        "activity limit compress --away 0",
        "activity limit compress --away never --output json",
        "activity limit compress --away default",
        "activity purge compress --cause upgrade",
        "activity delete checksum",
        "activity show typo",
    ];
    insta::assert_snapshot!(transcript(&commands).await);
}

#[tokio::test]
async fn workers_are_listed_and_shown() {
    let commands = [
        "fleet list",
        "fleet list --label region=eu --label gpu --output json",
        "fleet list --activity nothing",
        "fleet show builder-1",
        "fleet show builder-1 --output json",
        "fleet show typo",
        "fleet drain builder-1",
        "fleet drain --activity checksum --label region=eu --output json",
        "fleet resume builder-1",
        "status",
        "status --output json",
    ];
    insta::assert_snapshot!(transcript(&commands).await);
}

#[tokio::test]
async fn credentials_are_issued_listed_rotated_and_revoked() {
    let commands = [
        "credential issue builder --policy worker",
        "credential issue partner --policy caller --policy own --kind access-key --expires 90d --namespace 111111111111",
        "credential issue builder --policy worker --output json",
        "credential issue taken --policy worker",
        "credential list",
        "credential list --namespace 111111111111",
        "credential list --limit 1 --output json",
        "credential rotate builder",
        "credential rotate builder --overlap 0s --output json",
        "credential revoke builder",
        "credential revoke builder --output json",
    ];
    insta::assert_snapshot!(transcript(&commands).await);
}

#[tokio::test]
async fn policies_are_put_shown_and_tested() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    std::fs::write(&file, "{\"Statement\": []}\n").unwrap();
    let put = format!("policy put night-shift {}", file.display());
    let commands = [
        &*put,
        "policy list",
        "policy list --output json",
        "policy show worker",
        "policy show typo",
        "policy delete night-shift",
        "policy test builder states:GetActivityTask arn:some",
        "policy test builder states:GetActivityTask",
        "policy test builder states:GetActivityTask arn:secret --output json",
    ];
    let text = transcript(&commands).await;
    insta::assert_snapshot!(text.replace(&file.display().to_string(), "FILE"));
}

#[tokio::test]
async fn a_secret_goes_into_a_file_of_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let with = |name: &str| {
        let file = file.display();
        format!("credential issue {name} --policy worker --secret-file {file}")
    };
    let text = transcript(&[&with("taken")]).await;
    assert!(text.contains("already exists") && !file.exists(), "{text}");
    let text = transcript(&[&with("builder")]).await;
    assert!(!text.contains("the-secret"), "{text}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "the-secret");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A file that is there is nobody's to overwrite, and nothing is issued for it.
    let text = transcript(&[&with("builder")]).await;
    assert!(!text.contains("> issue"), "{text}");
}

#[tokio::test]
async fn callbacks_are_listed_and_completed() {
    let commands = [
        "task list",
        "task list --tokens --execution orders:two",
        "task list --limit 1 --output json",
        "task list --machine orders --older-than 1h",
        "task list --machine others",
        "task list --older-than 1d12h",
        "task show token-of-the-first-callback",
        "task show --execution orders:two --state Sign --output json",
        "task show --execution orders:two",
        "task show nobody's",
        "task complete some-token",
        "task fail some-token --error No",
        "task success some-token --output {\"ok\":true}",
        "task success --execution orders:one",
        "task success --execution orders:two",
        "task failure --execution orders:two --state Sign --error No --cause never",
        "task heartbeat some-token --output json",
        "task success old",
        "task success --execution orders:three",
        "task revoke-url https://flow.example.com/callbacks/grant",
        "task revoke-url https://flow.example.com/callbacks/grant --output json",
    ];
    insta::assert_snapshot!(transcript(&commands).await);
}

#[tokio::test]
async fn mistakes_are_told_with_what_helps() {
    let commands = [
        "status",
        "status --output json",
        "run show orders",
        "run show orders:nobody",
        "run start orders --input {n:1}",
        "machine create /nowhere/orders.json",
        "machine create -",
        "--key-file /nowhere/key status",
    ];
    insta::assert_snapshot!(transcript(&commands).await);
}

#[tokio::test]
async fn a_definition_is_created_under_the_name_of_its_file() {
    let (_folder, path) = file(
        "refund.asl.json",
        "{\n  \"States\": {\"A\": {\"Type\": \"Tusk\"}}\n}",
    );
    let commands = [
        format!("machine create {path} --type express --tag a=b"),
        format!("machine create {path} --name other --output json"),
        format!("machine create {path} --log error --log-data --trace"),
        format!("machine validate {path}"),
        format!("machine validate {path} --output json"),
    ];
    let commands: Vec<_> = commands.iter().map(String::as_str).collect();
    let text = transcript(&commands)
        .await
        .replace(&path, "refund.asl.json");
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn a_backup_appears_when_it_is_complete_and_replaces_nothing() {
    let (url, journal) = coordinator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.backup");
    let command = format!("backup {}", path.display());
    let ran = call(&command, &url, journal.clone()).await;
    assert_eq!(
        (ran.code, std::fs::read_to_string(&path).unwrap().as_str()),
        (0, "first second")
    );
    let ran = call(&command, &url, journal.clone()).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.remarks.contains("exists; --force replaces it"),
        "{}",
        ran.remarks
    );
    assert_eq!(
        call(&format!("{command} --force"), &url, journal)
            .await
            .code,
        0
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn an_empty_backup_is_no_backup() {
    let (url, journal) = coordinator::start_with_backup(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.backup");
    let ran = call(&format!("backup {}", path.display()), &url, journal).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.remarks.contains("the coordinator sent an empty backup"),
        "{}",
        ran.remarks
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_coordinator_that_is_not_there_is_told_with_how_to_start_one() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let ran = call("status", &url, Journal::default()).await;
    assert_eq!((ran.code, ran.results.as_str()), (1, ""));
    assert!(
        ran.remarks
            .starts_with("error: cannot show the status: no coordinator answers at URL (")
    );
    assert!(ran.remarks.contains("`stepfleet dev`"), "{}", ran.remarks);
}

#[test]
fn usage_errors_exit_with_2() {
    for command in [
        "",
        "run",
        "run show",
        "fleet drain",
        "activity limit compress",
        "activity limit compress --away soon",
        "activity require compress",
        "fleet list --label =x",
        "task success",
        "run list --status odd",
        "nonsense",
    ] {
        let error = Cli::try_parse_from(words(command)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{command}: {error}");
    }
}

#[test]
fn the_result_format_stands_before_or_after_the_command() {
    use super::output::Format;
    let cases = [
        ("run list", Format::Table),
        ("run list --output json", Format::Json),
        ("--output json run list", Format::Json),
        ("--output json run list --output table", Format::Table),
        ("--output json task success t --output [1]", Format::Json),
        ("task success t --output [1]", Format::Table),
    ];
    for (command, expect) in cases {
        assert_eq!(
            Cli::try_parse_from(words(command)).unwrap().global.format,
            expect,
            "{command}"
        );
    }
}

#[tokio::test]
async fn completions_name_every_command() {
    let ran = call("completions bash", "http://unused", Journal::default()).await;
    assert_eq!(ran.code, 0);
    for word in ["machine", "heartbeat", "--endpoint", "--output"] {
        assert!(ran.results.contains(word), "{word}");
    }
}

#[test]
fn the_command_line_is_well_formed() {
    <Cli as clap::CommandFactory>::command().debug_assert();
}
