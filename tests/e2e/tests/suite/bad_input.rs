//! Bad input by every door: a clear error, and the process goes on.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, Settings, World, activity, call_aws, create_machine, outcome, refusal,
    request, scenario, start, until,
};
use stepfleet_sdk::{Client, api};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::machines::{callback, pass};

const PREFIX: &str = "arn:aws:states:us-east-1:000000000000";

/// Serves a good request after a bad one.
async fn still_works(client: &Client, machine: &str) -> Result<()> {
    let arn = client.start(machine, &json!({ "fine": true })).await?;
    let ended = outcome(client, &arn, Deadline::seconds(10)).await?;
    ensure!(
        ended.status() == api::ExecutionStatus::Succeeded,
        "{ended:?}"
    );
    Ok(())
}

async fn coordinator(world: &World) -> Result<(Coordinator, Client, String)> {
    let coordinator = Settings::new(world, "coordinator").start(world).await?;
    let client = coordinator.client()?;
    let machine = create_machine(&client, "pass", &pass()).await?;
    Ok((coordinator, client, machine))
}

/// Operation, body, error, and a part of the message.
fn refused_calls() -> Vec<(&'static str, Value, &'static str, String)> {
    let name = "x".repeat(81);
    let role = "arn:aws:iam::000000000000:role/r";
    let machine = format!("{PREFIX}:stateMachine:gone");
    let execution = format!("{PREFIX}:execution:gone:e");
    let activity = format!("{PREFIX}:activity:gone");
    let pass = format!("{PREFIX}:stateMachine:pass");
    let say = str::to_owned;
    vec![
        (
            "CreateActivity",
            json!({ "name": "a b" }),
            "InvalidName",
            say("Invalid Name: 'a b'"),
        ),
        (
            "CreateActivity",
            json!({ "name": "a\u{7f}b" }),
            "InvalidName",
            say("Invalid Name: 'a"),
        ),
        (
            "CreateActivity",
            json!({ "name": name }),
            "ValidationException",
            format!(
                "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must have length less than or equal to 80"
            ),
        ),
        (
            "CreateActivity",
            json!({}),
            "ValidationException",
            say("'name' failed to satisfy constraint: Member must not be null"),
        ),
        (
            "DescribeActivity",
            json!({ "activityArn": activity }),
            "ActivityDoesNotExist",
            format!("Activity Does Not Exist: '{activity}'"),
        ),
        (
            "GetActivityTask",
            json!({ "activityArn": activity }),
            "ActivityDoesNotExist",
            format!("Activity Does Not Exist: '{activity}'"),
        ),
        (
            "DescribeStateMachine",
            json!({ "stateMachineArn": "nonsense" }),
            "InvalidArn",
            say("Invalid Arn: 'Invalid ARN prefix: nonsense'"),
        ),
        (
            "DescribeStateMachine",
            json!({ "stateMachineArn": machine }),
            "StateMachineDoesNotExist",
            format!("State Machine Does Not Exist: '{machine}'"),
        ),
        (
            "StartExecution",
            json!({ "stateMachineArn": machine }),
            "StateMachineDoesNotExist",
            format!("State Machine Does Not Exist: '{machine}'"),
        ),
        (
            "StartExecution",
            json!({ "stateMachineArn": activity }),
            "InvalidArn",
            say("Invalid Arn"),
        ),
        (
            "StartExecution",
            json!({ "stateMachineArn": pass, "input": "{" }),
            "InvalidExecutionInput",
            say("Invalid State Machine Execution Input: '"),
        ),
        (
            "StartExecution",
            json!({ "stateMachineArn": pass, "name": "a/b" }),
            "InvalidName",
            say("Invalid Name: 'a/b'"),
        ),
        (
            "DescribeExecution",
            json!({ "executionArn": execution }),
            "ExecutionDoesNotExist",
            format!("Execution Does Not Exist: '{execution}'"),
        ),
        (
            "GetExecutionHistory",
            json!({ "executionArn": execution }),
            "ExecutionDoesNotExist",
            format!("Execution Does Not Exist: '{execution}'"),
        ),
        (
            "StopExecution",
            json!({ "executionArn": execution }),
            "ExecutionDoesNotExist",
            format!("Execution Does Not Exist: '{execution}'"),
        ),
        (
            "DescribeExecution",
            json!({ "executionArn": format!("{PREFIX}:express:m:e:u") }),
            "InvalidArn",
            say("Invalid Arn: 'Resource type not valid in this context: express'"),
        ),
        (
            "ListStateMachines",
            json!({ "nextToken": "nonsense" }),
            "InvalidToken",
            say("Invalid Token: 'Invalid token'"),
        ),
        (
            "ListStateMachines",
            json!({ "maxResults": 1001 }),
            "ValidationException",
            say(
                "'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000",
            ),
        ),
        (
            "ListExecutions",
            json!({ "stateMachineArn": pass, "statusFilter": "SLEEPING" }),
            "ValidationException",
            say("Member must satisfy enum value set"),
        ),
        (
            "SendTaskSuccess",
            json!({ "taskToken": "forged", "output": "{}" }),
            "InvalidToken",
            say("Invalid Token: 'Invalid token'"),
        ),
        (
            "SendTaskFailure",
            json!({ "taskToken": "forged" }),
            "InvalidToken",
            say("Invalid Token: 'Invalid token'"),
        ),
        (
            "SendTaskHeartbeat",
            json!({ "taskToken": "forged" }),
            "InvalidToken",
            say("Invalid Token: 'Invalid token'"),
        ),
        (
            "CreateStateMachine",
            json!({ "name": "m", "roleArn": role, "definition": "{}" }),
            "InvalidDefinition",
            say("These fields are required: [States, StartAt] at /"),
        ),
        (
            "CreateStateMachine",
            json!({ "name": "m", "roleArn": role, "definition": "nonsense" }),
            "InvalidDefinition",
            say("Invalid State Machine Definition"),
        ),
        (
            "UpdateStateMachine",
            json!({ "stateMachineArn": pass }),
            "MissingRequiredParameter",
            say("Either the definition, the role ARN"),
        ),
        (
            "StartSyncExecution",
            json!({ "stateMachineArn": pass }),
            "UnknownOperationException",
            String::new(),
        ),
        (
            "SelfDestruct",
            json!({}),
            "UnknownOperationException",
            String::new(),
        ),
    ]
}

#[test]
fn refused_calls_say_why_in_the_words_of_step_functions() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let mut wrong = Vec::new();
        for (operation, body, error, message) in refused_calls() {
            let answer = call_aws(&coordinator.address(), operation, &body.to_string()).await?;
            let right = answer.error() == error && answer.message().contains(&message);
            if answer.status != 400 || !right {
                wrong.push(format!(
                    "{operation} {body:.200}: want {error} `{message}`, got {answer:?}"
                ));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        still_works(&client, &machine).await
    });
}

#[test]
fn bodies_that_are_no_request_are_refused() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let address = coordinator.address();
        for body in [
            "",
            "{",
            "[]",
            "nonsense",
            "\"x\"",
            "{\"name\": 1}",
            "{\"name\": {\"a\": []}}",
            "\0\0\0",
        ] {
            let answer = call_aws(&address, "CreateActivity", body).await?;
            let errors = ["SerializationException", "ValidationException"];
            ensure!(
                answer.status == 400 && errors.contains(&answer.error().as_str()),
                "{body}: {answer:?}"
            );
            ensure!(answer.header("x-amzn-requestid").is_some(), "{answer:?}");
        }
        let deep = format!(
            "{{\"name\": {}{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let answer = call_aws(&address, "CreateActivity", &deep).await?;
        ensure!(answer.status == 400, "{answer:?}");
        let answer = request(&address, "POST / HTTP/1.1", &[], b"{}").await?;
        ensure!(
            answer.status >= 400 && answer.status < 500,
            "without a target: {answer:?}"
        );
        let answer = request(&address, "GET /nowhere HTTP/1.1", &[], b"").await?;
        ensure!(answer.status == 404, "{answer:?}");
        let answer = request(&address, "DELETE / HTTP/1.1", &[], b"").await?;
        ensure!(answer.status >= 400 && answer.status < 500, "{answer:?}");
        still_works(&client, &machine).await
    });
}

#[test]
fn what_is_too_large_is_refused_by_its_size() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let address = coordinator.address();
        let fits = json!("x".repeat(262_142)).to_string();
        let input = json!({ "stateMachineArn": machine, "input": fits });
        let answer = call_aws(&address, "StartExecution", &input.to_string()).await?;
        ensure!(answer.status == 200, "{answer:?}");
        let input =
            json!({ "stateMachineArn": machine, "input": json!("x".repeat(262_143)).to_string() });
        let answer = call_aws(&address, "StartExecution", &input.to_string()).await?;
        ensure!(answer.error() == "ValidationException", "{answer:?}");
        ensure!(answer.message().contains("262144"), "{}", answer.message());

        let mut large = pass();
        large["Comment"] = json!("x".repeat(1_048_576));
        let body = json!({ "name": "large", "roleArn": "arn:aws:iam::000000000000:role/r", "definition": large.to_string() });
        let answer = call_aws(&address, "CreateStateMachine", &body.to_string()).await?;
        ensure!(answer.error() == "ValidationException", "{answer:?}");
        let request = api::CreateStateMachineRequest {
            name: "large".to_owned(),
            definition: large.to_string(),
            ..Default::default()
        };
        refusal(client.create_state_machine(request).await)?;

        let huge = format!("{{\"name\": \"{}\"}}", "x".repeat(20 << 20));
        let answer = call_aws(&address, "CreateActivity", &huge).await?;
        ensure!(matches!(answer.status, 400 | 413), "{}", answer.status);
        still_works(&client, &machine).await
    });
}

#[test]
fn garbage_on_the_port_harms_nobody() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let contents: [Vec<u8>; 6] = [
            vec![0; 4096],
            (0..=255).cycle().take(10_000).collect(),
            b"GET / HTTP/9.9\r\n\r\n".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            [http2.as_slice(), &[0xff; 1000]].concat(),
            // A frame that promises more than any server reads.
            [http2.as_slice(), b"\xff\xff\xff\x00\x00\x00\x00\x00\x01"].concat(),
        ];
        for bytes in contents {
            let mut stream = TcpStream::connect(coordinator.address()).await?;
            stream.write_all(&bytes).await?;
            stream.shutdown().await?;
            let mut answer = Vec::new();
            // A reset is an answer too.
            let _ = stream.read_to_end(&mut answer).await;
            still_works(&client, &machine).await?;
        }
        Ok(())
    });
}

#[test]
fn refused_grpc_calls_carry_the_name_of_the_exception() {
    scenario(async |world: &World| {
        let (_coordinator, client, machine) = coordinator(world).await?;
        let describe = |arn: &str| api::DescribeStateMachineRequest {
            state_machine_arn: arn.to_owned(),
        };
        let reason = refusal(client.describe_state_machine(describe("nonsense")).await)?;
        ensure!(reason == "InvalidArn", "{reason}");
        let gone = format!("{PREFIX}:stateMachine:gone");
        let reason = refusal(client.describe_state_machine(describe(&gone)).await)?;
        ensure!(reason == "StateMachineDoesNotExist", "{reason}");
        let reason = refusal(activity(&client, "a b").await.map_err(sdk_error))?;
        ensure!(reason == "InvalidName", "{reason}");
        let reason = refusal(client.heartbeat("forged").await)?;
        ensure!(reason == "InvalidToken", "{reason}");
        let request = api::StartExecutionRequest {
            state_machine_arn: machine.clone(),
            input: "{".to_owned(),
            ..Default::default()
        };
        let reason = refusal(client.start_execution(request).await)?;
        ensure!(reason == "InvalidExecutionInput", "{reason}");
        let request = api::ListExecutionsRequest {
            state_machine_arn: machine.clone(),
            page_token: "nonsense".to_owned(),
            ..Default::default()
        };
        let reason = refusal(client.list_executions(request).await)?;
        ensure!(reason == "InvalidToken", "{reason}");
        still_works(&client, &machine).await
    });
}

#[test]
fn tokens_that_were_changed_or_belong_elsewhere_open_nothing() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let waiting = create_machine(&client, "callback", &callback()).await?;
        let arn = start(&client, &waiting, "e", &json!({})).await?;
        let token = open_token(&client).await?;
        for at in [0, token.len() / 2, token.len() - 1] {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let reason = refusal(client.heartbeat(&String::from_utf8(changed)?).await)?;
            ensure!(reason == "InvalidToken", "byte {at}: {reason}");
        }
        for cut in ["", &token[..token.len() - 4], &format!("{token}AAAA")] {
            let reason = refusal(client.heartbeat(cut).await)?;
            ensure!(
                ["InvalidToken", "ValidationException"].contains(&reason.as_str()),
                "{reason}"
            );
        }
        // Another installation's token.
        let other = Settings::new(world, "other").start(world).await?;
        let theirs = create_machine(&other.client()?, "callback", &callback()).await?;
        start(&other.client()?, &theirs, "e", &json!({})).await?;
        let foreign = open_token(&other.client()?).await?;
        let reason = refusal(client.complete(&foreign, &json!(1)).await)?;
        ensure!(reason == "InvalidToken", "{reason}");

        let body = json!({ "taskToken": token, "output": "nonsense" }).to_string();
        let answer = call_aws(&coordinator.address(), "SendTaskSuccess", &body).await?;
        ensure!(answer.error() == "InvalidOutput", "{answer:?}");
        client.complete(&token, &json!(1)).await?;
        outcome(&client, &arn, Deadline::seconds(10)).await?;
        still_works(&client, &machine).await
    });
}

async fn open_token(client: &Client) -> Result<String> {
    until("a callback waits", Deadline::seconds(10), async || {
        let page = client
            .list_callbacks(api::ListCallbacksRequest::default())
            .await?;
        Ok(page
            .callbacks
            .into_iter()
            .next()
            .map(|callback| callback.task_token))
    })
    .await
}

fn sdk_error(error: anyhow::Error) -> stepfleet_sdk::Error {
    error.downcast().context("an error of the SDK").unwrap()
}
