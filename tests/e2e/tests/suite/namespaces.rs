//! What a key of one account may not do with what belongs to others.

use anyhow::{Result, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use stepfleet_e2e::{
    Coordinator, Deadline, Settings, World, activity, create_machine, outcome, refusal, scenario,
    start,
};
use stepfleet_sdk::{Client, Endpoint, Error, api};

use crate::machines::{one_activity, pass};
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
    let mut settings = Settings::new(world, "coordinator");
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
