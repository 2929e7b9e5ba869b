//! Bad input by every door: a clear error, and the process goes on.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, Settings, World, call_aws, create_machine, outcome, refusal, request,
    scenario, start, until,
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

/// A call that must be refused: operation, body, error, and a part of the message.
type Refused = (&'static str, Value, &'static str, String);

fn refused(operation: &'static str, body: Value, error: &'static str, message: &str) -> Refused {
    (operation, body, error, message.to_owned())
}

/// What does not exist.
fn unknown_things() -> Vec<Refused> {
    let machine = format!("{PREFIX}:stateMachine:gone");
    let execution = format!("{PREFIX}:execution:gone:e");
    let activity = format!("{PREFIX}:activity:gone");
    let of = |kind: &str, arn: &str| format!("{kind} Does Not Exist: '{arn}'");
    let mut calls = Vec::new();
    for operation in ["DescribeActivity", "GetActivityTask"] {
        let body = json!({ "activityArn": activity });
        calls.push((
            operation,
            body,
            "ActivityDoesNotExist",
            of("Activity", &activity),
        ));
    }
    for operation in ["DescribeStateMachine", "StartExecution", "ListExecutions"] {
        let body = json!({ "stateMachineArn": machine });
        calls.push((
            operation,
            body,
            "StateMachineDoesNotExist",
            of("State Machine", &machine),
        ));
    }
    for operation in [
        "DescribeExecution",
        "GetExecutionHistory",
        "RedriveExecution",
        "StopExecution",
    ] {
        let body = json!({ "executionArn": execution });
        calls.push((
            operation,
            body,
            "ExecutionDoesNotExist",
            of("Execution", &execution),
        ));
    }
    calls.push(refused(
        "SelfDestruct",
        json!({}),
        "UnknownOperationException",
        "",
    ));
    calls
}

/// Names and ARNs that are none.
fn malformed_names() -> Vec<Refused> {
    let name = "x".repeat(81);
    let too_long = format!(
        "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must have \
         length less than or equal to 80"
    );
    let pass = format!("{PREFIX}:stateMachine:pass");
    let express = format!("{PREFIX}:express:m:e:u");
    let activity = format!("{PREFIX}:activity:a");
    let null = "'name' failed to satisfy constraint: Member must not be null";
    let prefix = "Invalid Arn: 'Invalid ARN prefix: nonsense'";
    let resource = "Invalid Arn: 'Resource type not valid in this context: express'";
    vec![
        refused(
            "CreateActivity",
            json!({ "name": "a b" }),
            "InvalidName",
            "Invalid Name: 'a b'",
        ),
        refused(
            "CreateActivity",
            json!({ "name": "a\u{7f}b" }),
            "InvalidName",
            "Invalid Name: 'a",
        ),
        refused(
            "CreateActivity",
            json!({ "name": name }),
            "ValidationException",
            &too_long,
        ),
        refused("CreateActivity", json!({}), "ValidationException", null),
        refused(
            "StartExecution",
            json!({ "stateMachineArn": pass, "name": "a/b" }),
            "InvalidName",
            "Invalid Name: 'a/b'",
        ),
        refused(
            "DescribeStateMachine",
            json!({ "stateMachineArn": "nonsense" }),
            "InvalidArn",
            prefix,
        ),
        refused(
            "DescribeExecution",
            json!({ "executionArn": express }),
            "InvalidArn",
            resource,
        ),
        refused(
            "StartExecution",
            json!({ "stateMachineArn": activity }),
            "InvalidArn",
            "Invalid Arn",
        ),
    ]
}

/// Contents that make no sense.
fn malformed_contents() -> Vec<Refused> {
    let pass = format!("{PREFIX}:stateMachine:pass");
    let create = |definition: &str| {
        let role = "arn:aws:iam::000000000000:role/r";
        json!({ "name": "m", "roleArn": role, "definition": definition })
    };
    let token = "Invalid Token: 'Invalid token'";
    let forged = json!({ "taskToken": "forged" });
    let most = "'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000";
    let status = json!({ "stateMachineArn": pass, "statusFilter": "SLEEPING" });
    vec![
        refused(
            "StartExecution",
            json!({ "stateMachineArn": pass, "input": "{" }),
            "InvalidExecutionInput",
            "Invalid State Machine Execution Input: '",
        ),
        refused(
            "ListStateMachines",
            json!({ "nextToken": "nonsense" }),
            "InvalidToken",
            token,
        ),
        refused(
            "ListStateMachines",
            json!({ "maxResults": 1001 }),
            "ValidationException",
            most,
        ),
        refused(
            "ListExecutions",
            status,
            "ValidationException",
            "Member must satisfy enum value set",
        ),
        refused(
            "SendTaskSuccess",
            json!({ "taskToken": "forged", "output": "{}" }),
            "InvalidToken",
            token,
        ),
        refused("SendTaskFailure", forged.clone(), "InvalidToken", token),
        refused("SendTaskHeartbeat", forged, "InvalidToken", token),
        refused(
            "CreateStateMachine",
            create("{}"),
            "InvalidDefinition",
            "These fields are required: [States, StartAt] at /",
        ),
        refused(
            "CreateStateMachine",
            create("nonsense"),
            "InvalidDefinition",
            "Invalid State Machine Definition",
        ),
        refused(
            "UpdateStateMachine",
            json!({ "stateMachineArn": pass }),
            "MissingRequiredParameter",
            "Either the definition, the role ARN",
        ),
    ]
}

#[test]
fn refused_calls_say_why_in_the_words_of_step_functions() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let calls = [unknown_things(), malformed_names(), malformed_contents()].concat();
        let mut wrong = Vec::new();
        for (operation, body, error, message) in calls {
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
        let reason = refusal(
            client
                .create_activity(api::CreateActivityRequest {
                    name: "a b".into(),
                    ..Default::default()
                })
                .await,
        )?;
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
