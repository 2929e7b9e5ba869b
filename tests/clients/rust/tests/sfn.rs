//! The AWS SDK for Rust against a coordinator with access keys. Needs STEPFLEET_BIN.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_sfn::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sfn::error::ProvideErrorMetadata as _;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEventType, RoutingConfigurationListItem};
use aws_sdk_sfn::{Client, Config};

const ACCESS_KEY: &str = "AKIARUST";
const SECRET: &str = "a secret of forty characters or about so";
const ROLE: &str = "arn:aws:iam::000000000000:role/tests";
const PASS: &str = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}"#;

struct Coordinator {
    process: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

impl Coordinator {
    async fn start() -> Self {
        let program = std::env::var_os("STEPFLEET_BIN").expect("STEPFLEET_BIN names the program");
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = folder.path().join("stepfleet.toml");
        let key = format!("[[auth.access_keys]]\nid = \"{ACCESS_KEY}\"\nsecret = \"{SECRET}\"\n");
        std::fs::write(&config, key).unwrap();
        let process = Command::new(program)
            .args([
                "server",
                "--listen",
                &format!("127.0.0.1:{port}"),
                "--config",
            ])
            .arg(&config)
            .args([Path::new("--data"), &folder.path().join("data")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let endpoint = format!("http://127.0.0.1:{port}");
        let coordinator = Self {
            process,
            endpoint,
            _folder: folder,
        };
        let client = coordinator.client(SECRET);
        until(async || client.list_activities().send().await.ok().map(drop)).await;
        coordinator
    }

    fn client(&self, secret: &str) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(ACCESS_KEY, secret, None, None, "tests"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Client::from_conf(config)
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn until<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < end, "waited 20 s in vain");
        pause.tick().await;
    }
}

async fn create(client: &Client, name: &str, definition: &str) -> String {
    let request = client
        .create_state_machine()
        .name(name)
        .definition(definition);
    let made = request.role_arn(ROLE).publish(true).send().await.unwrap();
    made.state_machine_arn
}

#[tokio::test]
async fn an_activity_worker_does_a_task_of_an_execution() {
    let coordinator = Coordinator::start().await;
    let client = coordinator.client(SECRET);
    let activity = client
        .create_activity()
        .name("double")
        .send()
        .await
        .unwrap()
        .activity_arn;
    let definition = format!(
        r#"{{"StartAt": "T", "States": {{"T": {{"Type": "Task", "Resource": "{activity}", "End": true}}}}}}"#
    );
    let machine = create(&client, "doubles", &definition).await;
    let start = client
        .start_execution()
        .state_machine_arn(machine)
        .input("21");
    let execution = start.send().await.unwrap().execution_arn;
    let poll = client
        .get_activity_task()
        .activity_arn(&activity)
        .worker_name("rust");
    let task = poll.send().await.unwrap();
    assert_eq!(task.input(), Some("21"));
    let token = task.task_token().unwrap();
    client
        .send_task_heartbeat()
        .task_token(token)
        .send()
        .await
        .unwrap();
    let success = || client.send_task_success().task_token(token).output("42");
    success().send().await.unwrap();
    let seen = until(async || {
        let seen = client
            .describe_execution()
            .execution_arn(&execution)
            .send()
            .await
            .unwrap();
        (seen.status != ExecutionStatus::Running).then_some(seen)
    })
    .await;
    assert_eq!(
        (seen.status.clone(), seen.output()),
        (ExecutionStatus::Succeeded, Some("42"))
    );
    let mut pages = client
        .get_execution_history()
        .execution_arn(&execution)
        .max_results(2)
        .into_paginator()
        .send();
    let mut types = Vec::new();
    while let Some(page) = pages.next().await {
        types.extend(page.unwrap().events.into_iter().map(|event| event.r#type));
    }
    assert_eq!(types.len(), 7);
    assert_eq!(types[4], HistoryEventType::ActivitySucceeded);
    let again = success().send().await.unwrap_err().into_service_error();
    assert!(again.is_task_timed_out(), "{again:?}");
}

#[tokio::test]
async fn versions_aliases_and_refusals() {
    let coordinator = Coordinator::start().await;
    let client = coordinator.client(SECRET);
    let machine = create(&client, "versions", PASS).await;
    let route = RoutingConfigurationListItem::builder()
        .state_machine_version_arn(format!("{machine}:1"))
        .weight(100)
        .build()
        .unwrap();
    let alias = client
        .create_state_machine_alias()
        .name("live")
        .routing_configuration(route);
    let alias = alias.send().await.unwrap().state_machine_alias_arn;
    client
        .start_execution()
        .state_machine_arn(alias)
        .send()
        .await
        .unwrap();
    let missing = format!("{machine}-none");
    let error = client
        .describe_state_machine()
        .state_machine_arn(&missing)
        .send()
        .await;
    let error = error.unwrap_err().into_service_error();
    assert!(error.is_state_machine_does_not_exist());
    assert_eq!(
        error.message(),
        Some(&*format!("State Machine Does Not Exist: '{missing}'"))
    );
    let stranger = coordinator.client("not the secret of this key");
    let error = stranger
        .list_activities()
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(error.code(), Some("InvalidSignatureException"));
}
