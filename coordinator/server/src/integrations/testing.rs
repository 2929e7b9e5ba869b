//! A coordinator in memory whose executions call endpoints, for tests of integrations.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::aws;
use crate::config::outbound::Http;
use crate::config::{Config, Filed};
use crate::face::{Face, testing};
use crate::service::api::Caller;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub face: Arc<Face>,
    caller: Caller,
}

impl World {
    /// `filed` has connections and functions.
    pub(crate) async fn new(http: Http, filed: &str) -> Self {
        let filed: Filed = toml::from_str(filed).unwrap();
        let config = Config {
            http,
            filed,
            ..Config::default()
        };
        config.check().unwrap();
        let (face, _) = testing::face_with(config).await;
        face.open_to_tasks();
        let caller = Caller::trusted("tests", "000000000000");
        Self { face, caller }
    }

    pub(crate) async fn call(&self, operation: &str, request: &Value) -> Result<Value, String> {
        let request = request.to_string();
        let call = aws::call(&self.face, &self.caller, operation, request.as_bytes());
        let (answer, delivery) = call.await.map_err(|error| error.to_string())?;
        if let Some(delivery) = delivery {
            delivery.confirm();
        }
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    /// A machine of one state.
    pub(crate) async fn machine(&self, kind: &str, state: &Value) -> String {
        let definition = json!({"StartAt": "S", "States": {"S": state}}).to_string();
        let request = json!({
            "name": format!("m{}", self.face.service.shared.entropy.uuid()),
            "definition": definition,
            "roleArn": "arn:aws:iam::000000000000:role/tests",
            "type": kind,
        });
        let created = self.call("CreateStateMachine", &request).await.unwrap();
        created["stateMachineArn"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn start(&self, state: &Value, input: &Value) -> String {
        let machine = self.machine("STANDARD", state).await;
        let request = json!({"stateMachineArn": machine, "input": input.to_string()});
        let started = self.call("StartExecution", &request).await.unwrap();
        started["executionArn"].as_str().unwrap().to_owned()
    }

    /// The description of a closed execution and its history, as text.
    pub(crate) async fn closed(&self, arn: &str) -> (Value, String) {
        let closed = self.face.service.until_closed(&self.caller, arn);
        timeout(PATIENCE, closed).await.unwrap().unwrap();
        let request = json!({"executionArn": arn});
        let described = self.call("DescribeExecution", &request).await.unwrap();
        let history = self.call("GetExecutionHistory", &request).await.unwrap();
        (described, history.to_string())
    }

    pub(crate) async fn run(&self, state: &Value, input: &Value) -> (Value, String) {
        let arn = self.start(state, input).await;
        self.closed(&arn).await
    }
}
