//! Files and flags, good and bad.

use clap::{CommandFactory as _, Parser as _};

use super::*;

fn load(text: &str, flags: &[&str]) -> anyhow::Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let fixed = ["stepfleet-worker", "--config", path];
    Config::load(&Cli::try_parse_from(fixed.iter().chain(flags)).unwrap())
}

/// The whole chain of the error.
fn refusal(text: &str, flags: &[&str]) -> String {
    format!("{:#}", load(text, flags).unwrap_err())
}

#[test]
fn a_complete_file_is_understood() {
    let config = load(
        r#"
        endpoint = "http://coordinator:8083"
        name = "host-1"
        create = false
        drain_seconds = 7
        labels = { zone = "a" }

        [[activity]]
        name = "copy"
        command = ["cp", "{from}", "{to}"]
        input = "arguments"
        output = "text"
        concurrency = 4
        timeout_seconds = 60
        directory = "/"
        [activity.environment]
        KEY = "value"

        [[activity]]
        name = "arn:aws:states:us-east-1:000000000000:activity:sum"
        shell = "sha256sum | cut -d' ' -f1"
        "#,
        &[
            "--kill-seconds",
            "2",
            "--label",
            "disk=ssd",
            "--name",
            "host-2",
        ],
    )
    .unwrap();
    assert_eq!(config.endpoint.url(), "http://coordinator:8083");
    assert_eq!(config.name.as_deref(), Some("host-2"), "flags win");
    assert!(!config.create);
    assert_eq!(
        (config.drain.as_secs(), config.kill_after.as_secs()),
        (7, 2)
    );
    assert_eq!(
        config
            .labels
            .into_iter()
            .map(|(key, value)| key + &value)
            .collect::<Vec<_>>(),
        ["diskssd", "zonea"]
    );
    let [copy, sum] = config.activities.try_into().unwrap();
    assert!(matches!(
        copy.program,
        Program::Command(Arguments::Filled(_))
    ));
    assert_eq!((copy.output, copy.concurrency), (OutputMode::Text, 4));
    assert_eq!(copy.timeout, Some(Duration::from_secs(60)));
    assert_eq!(copy.environment["KEY"], "value");
    assert!(matches!(sum.program, Program::Shell(_)));
    assert_eq!(
        (sum.output, sum.concurrency, sum.timeout),
        (OutputMode::Auto, 1, None)
    );
}

#[test]
fn flags_alone_are_enough() {
    let flags = [
        "stepfleet-worker",
        "-a",
        "sum=sha256sum -b",
        "--concurrency",
        "3",
    ];
    let config = Config::load(&Cli::try_parse_from(flags).unwrap()).unwrap();
    assert!(config.create);
    assert_eq!(config.activities[0].name, "sum");
    assert_eq!(config.activities[0].program.to_string(), "sha256sum -b");
    assert_eq!(config.activities[0].concurrency, 3);
}

#[test]
fn unknown_keys_are_named_with_their_line() {
    let text = refusal("[[activity]]\nname = \"a\"\nshel = \"x\"\n", &[]);
    assert!(
        text.contains("line 3") && text.contains("unknown field `shel`"),
        "{text}"
    );
    assert!(text.contains("`shell`"), "it lists what there is: {text}");
    let text = refusal("endpoints = \"x\"", &[]);
    assert!(text.contains("unknown field `endpoints`"), "{text}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = refusal(
        r#"
        [[activity]]
        name = "a"
        command = ["true"]
        shell = "true"
        [[activity]]
        name = "a"
        shell = "true"
        concurrency = 0
        timeout_seconds = 0
        [[activity]]
        name = "b c"
        [[activity]]
        name = "d"
        shell = "x"
        input = "arguments"
        [[activity]]
        name = "e"
        command = ["cp", "{x"]
        input = "arguments"
        [[activity]]
        name = "f"
        command = ["no-such-program-here"]
        directory = "/no/such/folder"
        "#,
        &["--activity", "g", "--label", "x"],
    );
    for expected in [
        "--activity `g` must look like NAME=COMMAND",
        "activity `a`: has both command and shell; keep one",
        "activity `a`: named twice",
        "activity `a`: concurrency must be 1 to 10000, not 0",
        "activity `a`: timeout_seconds must be at least 1",
        "activity `b c`: the name must have 1 to 80 characters",
        "activity `b c`: needs command = [\"program\", …], shell = \"…\", container = { … } or http = { … }",
        "activity `d`: input = \"arguments\" needs command instead of shell",
        "activity `e`: argument `{x` has a single `{`",
        "activity `f`: directory /no/such/folder does not exist",
        "activity `f`: program `no-such-program-here` was not found",
        "--label `x` must look like KEY=VALUE",
    ] {
        assert!(text.contains(expected), "missing `{expected}` in:\n{text}");
    }
}

#[test]
fn an_empty_configuration_says_what_to_do() {
    let expected =
        "nothing to serve: name activities with --activity NAME=COMMAND or in a --config file";
    assert_eq!(refusal("", &[]), expected);
}

#[test]
fn a_missing_file_is_named() {
    let flags = ["stepfleet-worker", "--config", "/no/such/file.toml"];
    let error = Config::load(&Cli::try_parse_from(flags).unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read configuration /no/such/file.toml"
    );
}

#[test]
fn flags_are_consistent() {
    Cli::command().debug_assert();
}
