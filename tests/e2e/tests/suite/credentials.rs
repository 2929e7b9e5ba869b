//! Credentials from their issue to their end, with the real command line and a real worker.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stepfleet_e2e::{
    Coordinator, Deadline, Process, Settings, World, create_machine, outcome, scenario, start,
    until,
};
use stepfleet_sdk::{Client, Endpoint, api};

use crate::machines::one_activity;
use crate::programs::{stepfleet, text, worker};

const ADMIN: &str = "the-first-key-of-an-administrator-0123456789";
const ACTIVITY: &str = "arn:aws:states:us-east-1:000000000000:activity:work";

async fn guarded(world: &World) -> Result<Coordinator> {
    let hash: String = Sha256::digest(ADMIN)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut settings = Settings::new(world, "coordinator");
    settings.sections = format!(
        "\n[[auth.keys]]\nname = \"admin\"\npolicies = [\"administrator\"]\nsha256 = \"{hash}\"\n"
    );
    settings.start(world).await
}

/// What the command line says to the administrator, as JSON.
async fn asked(coordinator: &Coordinator, arguments: &[&str]) -> Result<Value> {
    let url = coordinator.url();
    let all = [&["--endpoint", &url][..], arguments, &["--output", "json"]].concat();
    let ran = stepfleet(&all, &[("STEPFLEET_API_KEY", ADMIN)]).await?;
    ensure!(ran.status.success(), "{arguments:?}: {}", text(&ran));
    Ok(serde_json::from_slice(&ran.stdout)?)
}

fn secret(answer: &Value) -> String {
    answer["secret"].as_str().unwrap_or_default().to_owned()
}

fn config(coordinator: &Coordinator) -> String {
    let url = coordinator.url();
    format!("endpoint = \"{url}\"\n\n[[activity]]\nname = \"work\"\nshell = \"cat\"\n")
}

/// A worker by this secret ends by itself, and not well.
async fn ends(mut worker: Process) -> Result<()> {
    let status = worker.end(Deadline::seconds(20)).await?;
    ensure!(
        !status.success(),
        "goes on by a secret that has ended: {}",
        worker.output()
    );
    Ok(())
}

/// A worker that was at work keeps trying to come back, as its file may get another secret; until then it has no work.
async fn is_shut_out(worker: &Process) -> Result<()> {
    let deadline = Deadline::seconds(20);
    until("the worker is without coordinator", deadline, async || {
        Ok(worker
            .output()
            .contains("without coordinator")
            .then_some(()))
    })
    .await
}

#[test]
fn a_worker_works_by_its_credential_until_it_is_revoked() {
    scenario(async |world: &World| {
        let coordinator = guarded(world).await?;
        let admin = Client::connect_lazy(Endpoint::new(coordinator.url()).api_key(ADMIN))?;
        let name = "work".to_owned();
        let create = api::CreateActivityRequest {
            name,
            ..Default::default()
        };
        admin.create_activity(create).await?;
        let machine = create_machine(&admin, "work", &one_activity(ACTIVITY)).await?;

        let issue = [
            "credential",
            "issue",
            "builder",
            "--policy",
            "worker",
            "--expires",
            "1d",
        ];
        let first = secret(&asked(&coordinator, &issue).await?);
        let config = config(&coordinator);
        let by_first = worker(world, "first", &config, &[("STEPFLEET_API_KEY", &first)])?;
        let execution = start(&admin, &machine, "one", &json!({"a": 1})).await?;
        let ended = outcome(&admin, &execution, Deadline::seconds(30)).await?;
        ensure!(ended.output.as_deref() == Some("{\"a\":1}"), "{ended:?}");

        // A worker may work, and nothing else.
        let own =
            Client::connect_lazy(Endpoint::new(coordinator.url()).api_key(&first).retries(0))?;
        let started = start(&own, &machine, "mine", &json!({})).await;
        ensure!(started.is_err(), "a worker started an execution");

        // After a rotation both secrets are good; when the first ends, its stream does.
        let rotated = asked(&coordinator, &["credential", "rotate", "builder"]).await?;
        let second = secret(&rotated);
        let execution = start(&admin, &machine, "two", &json!({"a": 2})).await?;
        outcome(&admin, &execution, Deadline::seconds(30)).await?;
        let last = ["credential", "rotate", "builder", "--overlap", "0s"];
        let third = secret(&asked(&coordinator, &last).await?);
        is_shut_out(&by_first).await?;
        let by_second = worker(world, "second", &config, &[("STEPFLEET_API_KEY", &second)])?;
        ends(by_second).await?;

        let by_third = worker(world, "third", &config, &[("STEPFLEET_API_KEY", &third)])?;
        let execution = start(&admin, &machine, "three", &json!({"a": 3})).await?;
        outcome(&admin, &execution, Deadline::seconds(30)).await?;
        asked(&coordinator, &["credential", "revoke", "builder"]).await?;
        is_shut_out(&by_third).await?;
        let execution = start(&admin, &machine, "four", &json!({})).await?;
        let listed = asked(&coordinator, &["credential", "list"]).await?;
        let builder = &listed["credentials"][0];
        ensure!(
            builder["revoked"].is_string() && builder["lastUsed"].is_string(),
            "{listed}"
        );
        let describe = api::DescribeExecutionRequest {
            execution_arn: execution,
        };
        let running = admin.describe_execution(describe).await?;
        ensure!(
            running.status() == api::ExecutionStatus::Running,
            "somebody worked"
        );
        Ok(())
    });
}

#[test]
fn credentials_and_policies_survive_a_kill() {
    scenario(async |world: &World| {
        let mut coordinator = guarded(world).await?;
        let policy = world.file(
            "policy.json",
            json!({"Statement": [
                {"Effect": "Allow", "Action": "states:List*", "Resource": "*"},
                {"Effect": "Deny", "Action": "states:ListActivities", "Resource": "*"},
            ]})
            .to_string(),
        )?;
        let policy = policy.display().to_string();
        asked(&coordinator, &["policy", "put", "lists", &policy]).await?;
        let issue = ["credential", "issue", "viewer", "--policy", "lists"];
        let key = secret(&asked(&coordinator, &issue).await?);
        coordinator.kill()?;
        coordinator.restart().await?;
        let viewer = Client::connect_lazy(Endpoint::new(coordinator.url()).api_key(&key))?;
        viewer
            .list_state_machines(api::ListStateMachinesRequest::default())
            .await?;
        let denied = viewer
            .list_activities(api::ListActivitiesRequest::default())
            .await;
        let message = denied
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        ensure!(
            message.contains("User: viewer is not authorized to perform: states:ListActivities")
                && message.contains("explicit deny"),
            "{message}"
        );
        Ok(())
    });
}
