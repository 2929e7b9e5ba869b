//! Executions that tasks start, in one process: whose child it is, and how its end is heard.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::aws;
use crate::face::{Face, testing};
use crate::service::api::{Caller, StartExecution};
use crate::service::error::ErrorCode;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

struct World {
    face: Arc<Face>,
    caller: Caller,
}

impl World {
    async fn new() -> Self {
        let (face, _) = testing::face().await;
        face.open_to_tasks();
        let caller = Caller::trusted("tests", "000000000000");
        Self { face, caller }
    }

    async fn call(&self, operation: &str, request: &Value) -> Value {
        let request = request.to_string();
        let call = aws::call(&self.face, &self.caller, operation, request.as_bytes());
        let (answer, _) = call.await.unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    async fn machine(&self, name: &str, state: Value) -> String {
        let definition = json!({"StartAt": "S", "States": {"S": state}}).to_string();
        let request = json!({
            "name": name,
            "definition": definition,
            "roleArn": "arn:aws:iam::000000000000:role/tests",
        });
        let created = self.call("CreateStateMachine", &request).await;
        created["stateMachineArn"].as_str().unwrap().to_owned()
    }

    async fn start(&self, machine: &str, origin: Option<&str>) -> Result<String, ErrorCode> {
        let request = StartExecution {
            machine_arn: machine.to_owned(),
            name: Some("child".to_owned()),
            input: None,
            trace_header: None,
            origin: origin.map(Arc::from),
        };
        let started = self
            .face
            .service
            .start_execution(&self.caller, request)
            .await;
        started
            .map(|started| started.arn)
            .map_err(|error| error.code)
    }

    async fn until_closed(&self, arn: &str) {
        let closed = self.face.service.until_closed(&self.caller, arn);
        timeout(PATIENCE, closed).await.unwrap().unwrap();
    }
}

fn pass() -> Value {
    json!({"Type": "Pass", "End": true})
}

fn wait() -> Value {
    json!({"Type": "Wait", "Seconds": 3600, "End": true})
}

#[tokio::test]
async fn a_closed_child_is_found_by_its_own_attempt_and_refused_to_all_others() {
    let world = World::new().await;
    let machine = world.machine("m", pass()).await;
    let child = world.start(&machine, Some("attempt 0")).await.unwrap();
    world.until_closed(&child).await;
    assert_eq!(world.start(&machine, Some("attempt 0")).await, Ok(child));
    for other in [Some("attempt 1"), None] {
        let refused = world.start(&machine, other).await;
        assert_eq!(refused, Err(ErrorCode::ExecutionAlreadyExists), "{other:?}");
    }
}

#[tokio::test]
async fn the_end_of_an_execution_is_told_after_it_and_before() {
    let world = World::new().await;
    let machine = world.machine("m", wait()).await;
    let arn = world.start(&machine, None).await.unwrap();
    let (first, second) = (world.until_closed(&arn), world.until_closed(&arn));
    let stop = async {
        let request = json!({"executionArn": arn});
        world.call("StopExecution", &request).await
    };
    tokio::join!(first, second, stop);
    world.until_closed(&arn).await;
}

#[tokio::test]
async fn what_is_done_for_an_attempt_ends_with_it() {
    let world = World::new().await;
    let request = json!({"name": "a"});
    let activity = world.call("CreateActivity", &request).await["activityArn"].clone();
    let child = world.machine("child", wait()).await;
    let task = |resource: &str, parameters: Value| {
        let resource = format!("arn:aws:states:::{resource}");
        json!({"Type": "Task", "Resource": resource, "Parameters": parameters, "TimeoutSeconds": 1, "End": true})
    };
    let polls = task(
        "aws-sdk:sfn:getActivityTask",
        json!({"ActivityArn": activity}),
    );
    let waits = task(
        "states:startExecution.sync",
        json!({"StateMachineArn": child}),
    );
    let open = || world.face.service.shared.calls.count();
    for (name, state) in [("polls", polls), ("waits", waits)] {
        let machine = world.machine(name, state).await;
        let parent = world.start(&machine, None).await.unwrap();
        world.until_closed(&parent).await;
        let given_up = async {
            while open() > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, given_up).await.unwrap();
    }
    let request = json!({"stateMachineArn": child});
    let children = world.call("ListExecutions", &request).await;
    let children = children["executions"].as_array().unwrap();
    assert_eq!(children.len(), 1);
    world
        .until_closed(children[0]["executionArn"].as_str().unwrap())
        .await;
}
