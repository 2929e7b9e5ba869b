//! Tokens of an identity provider, with a real one: whose count, what for, and what happens when its keys change or it
//! cannot be asked.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, Issuer, Settings, TokenSigner, World, create_machine, now_ms, outcome,
    request, scenario, start, until,
};
use stepfleet_sdk::{Client, Endpoint, api};

use crate::machines::one_activity;
use crate::programs::{stepfleet, text, worker};

const ACTIVITY: &str = "arn:aws:states:us-east-1:000000000000:activity:work";

async fn believing(world: &World, issuer: &Issuer) -> Result<Coordinator> {
    let url = &issuer.url;
    let mut settings = Settings::new(world, "coordinator");
    settings.sections = format!(
        r#"
[http]
allow_addresses = ["127.0.0.1/32"]
plain = true

[[auth.issuers]]
name = "corp"
issuer = "{url}"
audience = "stepfleet"
policies_claim = "policies"
policies_allowed = ["worker"]

[[auth.issuers.rules]]
claim = "groups"
value = "ops"
policies = ["administrator"]
"#
    );
    settings.start(world).await
}

/// Claims that count for an hour.
fn claims(issuer: &Issuer, more: &Value) -> Value {
    let exp = now_ms() / 1000 + 3600;
    let mut claims = json!({"iss": issuer.url, "aud": "stepfleet", "sub": "ann", "exp": exp});
    for (name, value) in more.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    claims
}

fn client(coordinator: &Coordinator, token: &str) -> Result<Client> {
    let endpoint = Endpoint::new(coordinator.url()).api_key(token).retries(0);
    Ok(Client::connect_lazy(endpoint)?)
}

/// What a call with this token is told: nothing if it is taken.
async fn told(coordinator: &Coordinator, token: &str) -> Result<Option<String>> {
    let client = client(coordinator, token)?;
    let listed = client
        .list_state_machines(api::ListStateMachinesRequest::default())
        .await;
    Ok(listed.err().map(|error| error.to_string()))
}

/// Over gRPC and by the AWS API.
async fn is_told(coordinator: &Coordinator, token: &str, why: &str) -> Result<()> {
    let message = told(coordinator, token).await?.unwrap_or_default();
    let expect = format!("The security token included in the request is invalid{why}");
    ensure!(
        message.contains(&expect),
        "expected `{expect}`, and got `{message}`"
    );
    let bearer = format!("Authorization: Bearer {token}");
    let headers = ["X-Amz-Target: AWSStepFunctions.ListStateMachines", &bearer];
    let address = coordinator.address();
    let answer = request(&address, "POST / HTTP/1.1", &headers, b"{}").await?;
    ensure!(
        answer.error() == "UnrecognizedClientException" && answer.message().contains(&expect),
        "{answer:?}"
    );
    Ok(())
}

#[test]
fn a_token_counts_by_its_policies_for_clients_the_command_line_and_workers() {
    scenario(async |world: &World| {
        let signer = TokenSigner::new("one")?;
        let issuer = Issuer::start(&signer).await?;
        let coordinator = believing(world, &issuer).await?;
        let ops = signer.token(&claims(&issuer, &json!({"groups": ["staff", "ops"]})))?;
        let own = claims(
            &issuer,
            &json!({"sub": "bob", "policies": ["worker", "administrator"]}),
        );
        let own = signer.token(&own)?;

        let admin = client(&coordinator, &ops)?;
        let create = api::CreateActivityRequest {
            name: "work".to_owned(),
            ..Default::default()
        };
        admin.create_activity(create).await?;
        let machine = create_machine(&admin, "work", &one_activity(ACTIVITY)).await?;

        let file = world.file("token", &ops)?.display().to_string();
        let url = coordinator.url();
        let list = [
            "--endpoint",
            &url,
            "--key-file",
            &file,
            "activity",
            "list",
            "--output",
            "json",
        ];
        let listed = stepfleet(&list, &[]).await?;
        ensure!(
            listed.status.success() && text(&listed).contains(ACTIVITY),
            "{}",
            text(&listed)
        );

        let config =
            format!("endpoint = \"{url}\"\n\n[[activity]]\nname = \"work\"\nshell = \"cat\"\n");
        let _worker = worker(world, "worker", &config, &[("STEPFLEET_API_KEY", &own)])?;
        let execution = start(&admin, &machine, "one", &json!({"a": 1})).await?;
        let ended = outcome(&admin, &execution, Deadline::seconds(30)).await?;
        ensure!(ended.output.as_deref() == Some("{\"a\":1}"), "{ended:?}");

        // A policy that its issuer may not give counts for nothing, whatever the token says.
        let refused = start(&client(&coordinator, &own)?, &machine, "two", &json!({})).await;
        let message = refused
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        ensure!(
            message.contains("User: corp:bob is not authorized to perform: states:StartExecution"),
            "{message}"
        );
        let audit = std::fs::read_to_string(coordinator.settings().data.join("logs/audit.jsonl"))?;
        ensure!(!audit.contains(&ops), "the audit log has a token");
        Ok(())
    });
}

#[test]
fn a_token_that_does_not_count_is_refused_and_told_why() {
    scenario(async |world: &World| {
        let signer = TokenSigner::new("one")?;
        let issuer = Issuer::start(&signer).await?;
        let coordinator = believing(world, &issuer).await?;
        let good = claims(&issuer, &json!({"groups": "ops"}));
        ensure!(told(&coordinator, &signer.token(&good)?).await?.is_none());
        let stranger = TokenSigner::new("one")?;
        let unknown = TokenSigner::new("two")?;
        let with = |more: &Value| claims(&issuer, more);
        let head = |head: Value| signer.sign(&head, &good);
        let ended = now_ms() / 1000 - 120;
        let unsigned = head(json!({"alg": "none"}))?;
        let unsigned = unsigned
            .rsplit_once('.')
            .map(|(signed, _)| format!("{signed}."));
        for (token, why) in [
            (
                signer.token(&with(&json!({"iss": "https://elsewhere.example"})))?,
                "",
            ),
            (
                signer.token(&with(&json!({"aud": "another"})))?,
                ": it is not for this coordinator",
            ),
            (
                signer.token(&with(&json!({"exp": ended})))?,
                ": it has expired",
            ),
            (
                signer.token(&with(&json!({"nbf": ended + 3600})))?,
                ": it has expired, or does not count yet",
            ),
            (
                signer.token(&with(&json!({"exp": null})))?,
                ": its claims are not what they must be: `exp` is missing",
            ),
            (unsigned.unwrap_or_default(), ""),
            (
                head(json!({"alg": "HS256", "kid": "one"}))?,
                ": its algorithm is not one of its issuer's",
            ),
            (stranger.token(&good)?, ": its signature is wrong"),
            (unknown.token(&good)?, ": its issuer has no such key"),
        ] {
            is_told(&coordinator, &token, why).await?;
        }
        let audit = coordinator.settings().data.join("logs/audit.jsonl");
        until(
            "the refusals are logged",
            Deadline::seconds(10),
            async || {
                let audit = std::fs::read_to_string(&audit)?;
                Ok(audit.contains("its issuer has no such key").then_some(()))
            },
        )
        .await
    });
}

#[test]
fn a_new_key_of_an_issuer_is_found_and_known_ones_count_while_it_is_away() {
    scenario(async |world: &World| {
        let (old, new) = (TokenSigner::new("old")?, TokenSigner::new("new")?);
        let mut issuer = Issuer::start(&old).await?;
        let coordinator = believing(world, &issuer).await?;
        let claims = claims(&issuer, &json!({"groups": "ops"}));
        let (by_old, by_new) = (old.token(&claims)?, new.token(&claims)?);
        ensure!(told(&coordinator, &by_old).await?.is_none());
        issuer.publish(&new);
        // Strangers cannot make it ask again at once.
        ensure!(told(&coordinator, &by_new).await?.is_some());
        until("the new key is found", Deadline::seconds(60), async || {
            Ok(told(&coordinator, &by_new).await?.is_none().then_some(()))
        })
        .await?;
        let message = told(&coordinator, &by_old).await?.unwrap_or_default();
        ensure!(message.contains("its issuer has no such key"), "{message}");
        issuer.stop().await;
        ensure!(told(&coordinator, &by_new).await?.is_none());
        ensure!(told(&coordinator, &by_old).await?.is_some());
        Ok(())
    });
}
