//! The AWS SDK for Rust, by changing its endpoint and leaving out the host prefix. Needs STEPFLEET_BIN.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use aws_sdk_sfn::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::{ConfigBag, Credentials, Intercept, Region, RuntimeComponents};
use aws_sdk_sfn::error::{BoxError, ProvideErrorMetadata as _};
use aws_sdk_sfn::types::{
    ExecutionStatus, StateMachineType, SyncExecutionStatus, TestExecutionStatus,
};
use aws_sdk_sfn::{Client, Config};
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::endpoint::EndpointPrefix;

const ID: &str = "AKIARUST";
const SECRET: &str = "a secret of forty characters or about so";
const ROLE: &str = "arn:aws:iam::000000000000:role/tests";
const PASS: &str = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}"#;

/// The SDK has no setting for this.
#[derive(Debug)]
struct NoHostPrefix;

impl Intercept for NoHostPrefix {
    fn name(&self) -> &'static str {
        "NoHostPrefix"
    }

    fn read_before_serialization(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        cfg.interceptor_state().unset::<EndpointPrefix>();
        Ok(())
    }
}

/// A coordinator with one access key; it ends with its owner.
struct Coordinator {
    process: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

impl Coordinator {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys.toml");
        let text = format!(
            "[[access_keys]]\nid = \"{ID}\"\nsecret = \"{SECRET}\"\npolicies = [\"administrator\"]\n"
        );
        std::fs::write(&keys, text).unwrap();
        let probe = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = probe.local_addr().unwrap().to_string();
        drop(probe);
        let program = std::env::var_os("STEPFLEET_BIN").expect("STEPFLEET_BIN names the program");
        let process = Command::new(program)
            .args(["dev", "--listen", &address, "--access-keys"])
            .arg(&keys)
            .arg("--data")
            .arg(folder.path().join("data"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut coordinator = Self {
            process,
            endpoint: format!("http://{address}"),
            _folder: folder,
        };
        let client = coordinator.client(SECRET);
        while client.list_activities().send().await.is_err() {
            assert_eq!(coordinator.process.try_wait().unwrap(), None);
        }
        coordinator
    }

    fn client(&self, secret: &str) -> Client {
        let config = Config::builder()
            .endpoint_url(&self.endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(ID, secret, None, None, "tests"))
            .http_client(Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .interceptor(NoHostPrefix);
        Client::from_conf(config.build())
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

async fn create(client: &Client, name: &str, definition: &str, kind: StateMachineType) -> String {
    let call = client
        .create_state_machine()
        .name(name)
        .definition(definition);
    let made = call.role_arn(ROLE).r#type(kind).send().await.unwrap();
    made.state_machine_arn
}

#[tokio::test]
async fn the_rust_sdk_works_by_its_endpoint() {
    let coordinator = Coordinator::start().await;
    let client = coordinator.client(SECRET);
    a_worker_does_a_task(&client).await;
    synchronous_calls_are_answered(&client).await;
    refusals_have_their_type(&client, &coordinator.client("another secret")).await;
}

async fn a_worker_does_a_task(client: &Client) {
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
    let machine = create(client, "doubles", &definition, StateMachineType::Standard).await;
    let start = client
        .start_execution()
        .state_machine_arn(&machine)
        .input("21");
    let execution = start.send().await.unwrap().execution_arn;
    let task = client
        .get_activity_task()
        .activity_arn(&activity)
        .send()
        .await
        .unwrap();
    assert_eq!(task.input(), Some("21"));
    let token = task.task_token().unwrap();
    client
        .send_task_heartbeat()
        .task_token(token)
        .send()
        .await
        .unwrap();
    client
        .send_task_success()
        .task_token(token)
        .output("42")
        .send()
        .await
        .unwrap();
    let description = loop {
        let seen = client
            .describe_execution()
            .execution_arn(&execution)
            .send()
            .await
            .unwrap();
        if seen.status != ExecutionStatus::Running {
            break seen;
        }
    };
    assert_eq!(description.status, ExecutionStatus::Succeeded);
    assert_eq!(description.output(), Some("42"));
}

async fn synchronous_calls_are_answered(client: &Client) {
    let machine = create(client, "express", PASS, StateMachineType::Express).await;
    let call = client
        .start_sync_execution()
        .state_machine_arn(&machine)
        .input("[1]");
    let ran = call.send().await.unwrap();
    assert_eq!(
        (&ran.status, ran.output()),
        (&SyncExecutionStatus::Succeeded, Some("[1]"))
    );
    let state = r#"{"Type": "Pass", "Result": 7, "End": true}"#;
    let tested = client.test_state().definition(state).send().await.unwrap();
    assert_eq!(
        (tested.status(), tested.output()),
        (Some(&TestExecutionStatus::Succeeded), Some("7"))
    );
}

async fn refusals_have_their_type(client: &Client, stranger: &Client) {
    let none = "arn:aws:states:us-east-1:000000000000:stateMachine:none";
    let call = client.describe_state_machine().state_machine_arn(none);
    let error = call.send().await.unwrap_err().into_service_error();
    assert!(error.is_state_machine_does_not_exist(), "{error:?}");
    assert_eq!(
        error.message(),
        Some(&*format!("State Machine Does Not Exist: '{none}'"))
    );
    let error = stranger.list_activities().send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidSignatureException"), "{error:?}");
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
}
