//! What a key of one account may not do with what belongs to others.

use anyhow::{Result, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use stepfleet_e2e::{
    Coordinator, Deadline, Settings, World, activity, create_machine, outcome, refusal, scenario,
    start,
};
use stepfleet_sdk::{Client, Endpoint, Error, api};
use tokio::task::JoinSet;

use crate::machines::{one_activity, pass, wait};
use crate::programs::{stepfleet, text};

const OPERATOR: &str = "the-operators-long-and-random-key-0123456789";
const TENANT: &str = "the-tenants-long-and-random-key-0123456789";
const TENANT_ACCOUNT: &str = "111111111111";

fn section(name: &str, key: &str, more: &str) -> String {
    let hash: String = Sha256::digest(key)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!(
        "\n[[auth.keys]]\nname = \"{name}\"\npolicies = [\"administrator\"]\nsha256 = \"{hash}\"\n{more}\n"
    )
}

async fn shared_coordinator(world: &World) -> Result<Coordinator> {
    shared_with(world, Settings::new(world, "coordinator")).await
}

async fn shared_with(world: &World, mut settings: Settings) -> Result<Coordinator> {
    let namespace = format!("namespace = \"{TENANT_ACCOUNT}\"");
    settings.sections = section("operator", OPERATOR, "") + &section("tenant", TENANT, &namespace);
    settings.start(world).await
}

fn client(coordinator: &Coordinator, key: &str) -> Result<Client> {
    let endpoint = Endpoint::new(coordinator.url()).retries(0).api_key(key);
    Ok(Client::connect_lazy(endpoint)?)
}

/// Bytes of a backup.
async fn backup(client: &Client) -> Result<usize, Error> {
    let mut pieces = client.backup(api::BackupRequest {}).await?;
    let mut bytes = 0;
    while let Some(piece) = pieces.next().await? {
        bytes += piece.chunk.len();
    }
    Ok(bytes)
}

#[test]
fn a_key_of_another_account_takes_no_backup() {
    scenario(async |world: &World| {
        let coordinator = shared_coordinator(world).await?;
        let operator = client(&coordinator, OPERATOR)?;
        create_machine(&operator, "pass", &pass()).await?;
        ensure!(backup(&operator).await? > 0, "an empty backup");
        let reason = refusal(backup(&client(&coordinator, TENANT)?).await)?;
        ensure!(reason == "AccessDeniedException", "{reason}");

        let file = world.path("stolen");
        let arguments = [
            "backup",
            file.to_str().expect("a text"),
            "--endpoint",
            &coordinator.url(),
        ];
        let refused = stepfleet(&arguments, &[("STEPFLEET_API_KEY", TENANT)]).await?;
        ensure!(!refused.status.success(), "{}", text(&refused));
        ensure!(
            text(&refused).contains("only callers of account"),
            "{}",
            text(&refused)
        );
        ensure!(!file.exists(), "something was written");
        Ok(())
    });
}

#[test]
fn a_definition_names_no_activity_of_another_account() {
    scenario(async |world: &World| {
        let coordinator = shared_coordinator(world).await?;
        let operator = client(&coordinator, OPERATOR)?;
        let tenant = client(&coordinator, TENANT)?;
        let theirs = activity(&operator, "work").await?;
        let own = activity(&tenant, "work").await?;
        ensure!(own.contains(TENANT_ACCOUNT) && own != theirs, "{own}");

        for (client, foreign) in [(&tenant, &theirs), (&operator, &own)] {
            let request = api::CreateStateMachineRequest {
                name: "foreign".to_owned(),
                definition: one_activity(foreign).to_string(),
                role_arn: "arn:aws:iam::000000000000:role/e2e".to_owned(),
                ..Default::default()
            };
            let reason = refusal(client.create_state_machine(request).await)?;
            ensure!(reason == "InvalidDefinition", "{reason}");
        }
        let machine = create_machine(&tenant, "own", &one_activity(&own)).await?;
        let request = api::UpdateStateMachineRequest {
            state_machine_arn: machine.clone(),
            definition: Some(one_activity(&theirs).to_string()),
            ..Default::default()
        };
        let reason = refusal(tenant.update_state_machine(request).await)?;
        ensure!(reason == "InvalidDefinition", "{reason}");

        // Its own activity serves it as before.
        let execution = start(&tenant, &machine, "e", &json!({})).await?;
        let poll = api::GetActivityTaskRequest {
            activity_arn: own,
            worker_name: "w".to_owned(),
        };
        let task = tenant.get_activity_task(poll).await?;
        tenant.complete(&task.task_token, &json!(1)).await?;
        let ended = outcome(&tenant, &execution, Deadline::seconds(20)).await?;
        ensure!(ended.output.as_deref() == Some("1"), "{ended:?}");
        Ok(())
    });
}

/// What `stepfleet run start` of the machine says to whoever has the key, and whether it was refused.
async fn start_by(coordinator: &Coordinator, key: &str, machine: &str) -> Result<(bool, String)> {
    let url = coordinator.url();
    let environment = [
        ("STEPFLEET_ENDPOINT", url.as_str()),
        ("STEPFLEET_API_KEY", key),
    ];
    let output = stepfleet(&["run", "start", machine], &environment).await?;
    Ok((!output.status.success(), text(&output)))
}

#[test]
fn an_account_has_no_more_open_executions_than_it_may() {
    scenario(async |world: &World| {
        let settings = Settings::new(world, "coordinator");
        let settings = settings.with("limits.namespace_executions_open_max", 3);
        let coordinator = shared_with(world, settings).await?;
        for key in [TENANT, OPERATOR] {
            create_machine(&client(&coordinator, key)?, "wait", &wait(600)).await?;
        }
        for number in 0..3 {
            let (refused, said) = start_by(&coordinator, TENANT, "wait").await?;
            ensure!(!refused, "{number}: {said}");
        }
        let (refused, said) = start_by(&coordinator, TENANT, "wait").await?;
        ensure!(
            refused && said.contains("3 open executions in one account"),
            "{said}"
        );
        let (refused, said) = start_by(&coordinator, OPERATOR, "wait").await?;
        ensure!(!refused, "{said}");
        // One that ends makes room.
        let tenant = client(&coordinator, TENANT)?;
        let request = api::ListExecutionsRequest {
            state_machine_arn: format!(
                "arn:aws:states:us-east-1:{TENANT_ACCOUNT}:stateMachine:wait"
            ),
            ..Default::default()
        };
        let open = tenant.list_executions(request).await?.executions;
        ensure!(open.len() == 3, "{open:?}");
        let request = api::StopExecutionRequest {
            execution_arn: open[0].execution_arn.clone(),
            ..Default::default()
        };
        tenant.stop_execution(request).await?;
        let (refused, said) = start_by(&coordinator, TENANT, "wait").await?;
        ensure!(!refused, "{said}");
        Ok(())
    });
}

#[test]
fn an_account_starts_no_more_a_second_than_it_may_and_the_others_notice_nothing() {
    scenario(async |world: &World| {
        let settings = Settings::new(world, "coordinator");
        let settings = settings.with("limits.namespace_starts_per_s_max", 5);
        let coordinator = shared_with(world, settings).await?;
        let (tenant, operator) = (
            client(&coordinator, TENANT)?,
            client(&coordinator, OPERATOR)?,
        );
        let theirs = create_machine(&tenant, "pass", &pass()).await?;
        let own = create_machine(&operator, "pass", &pass()).await?;
        // So many in one go take less than the seconds that they would need.
        let mut flood = JoinSet::new();
        for number in 0..200 {
            let (tenant, theirs) = (tenant.clone(), theirs.clone());
            let name = format!("e{number}");
            flood.spawn(async move { start(&tenant, &theirs, &name, &json!({})).await });
        }
        let answers = flood.join_all().await;
        let refused = answers.into_iter().filter_map(Result::err);
        let reasons: Vec<_> = refused
            .map(|error| error.reason().map(str::to_owned))
            .collect();
        ensure!(!reasons.is_empty(), "nothing was refused");
        let throttled = Some("ThrottlingException".to_owned());
        ensure!(
            reasons.iter().all(|reason| *reason == throttled),
            "{reasons:?}"
        );
        let execution = start(&operator, &own, "e", &json!({})).await?;
        outcome(&operator, &execution, Deadline::seconds(20)).await?;
        Ok(())
    });
}
