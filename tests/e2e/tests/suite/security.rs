//! TLS, client certificates and keys, with real files: who may come in, and what is refused before anything starts.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use stepfleet_e2e::{
    Certificates, Coordinator, Deadline, Settings, World, call_aws, create_machine, outcome,
    refusal, request, scenario, start,
};
use stepfleet_sdk::{Client, Endpoint, api};

use crate::machines::{one_activity, pass};
use crate::programs::{stepfleet, text, worker};

const KEY: &str = "a-long-and-random-key-for-the-tests-0123456789";

fn key_section() -> String {
    let hash: String = Sha256::digest(KEY)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!(
        "\n[[auth.keys]]\nname = \"tests\"\npolicies = [\"administrator\"]\nsha256 = \"{hash}\"\n"
    )
}

/// A coordinator with TLS and one key, that can be reached from everywhere; and the file of its authority.
async fn secured(
    world: &World,
    authority: &Certificates,
    client_auth: &str,
) -> Result<(Coordinator, PathBuf)> {
    let (certificate, key) = authority.server(world)?;
    let ca = authority.authority(world)?;
    let mut settings = Settings::new(world, "coordinator");
    settings.sections = format!("\n[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
    if client_auth != "none" {
        settings.sections.push_str(&format!(
            "client_ca = {ca:?}\nclient_auth = \"{client_auth}\"\n\n\
             [[auth.certificates]]\nname = \"worker-?\"\npolicies = [\"read-only\"]\n"
        ));
    }
    settings.sections.push_str(&key_section());
    settings.host = "0.0.0.0".to_owned();
    settings.secure = true;
    Ok((settings.start(world).await?, ca))
}

fn endpoint(coordinator: &Coordinator, ca: &Path) -> Result<Endpoint> {
    let url = format!("https://localhost:{}", coordinator.settings().port);
    Ok(Endpoint::new(url).retries(10).ca_file(ca)?)
}

async fn list(endpoint: Endpoint) -> Result<api::ListStateMachinesResponse, stepfleet_sdk::Error> {
    let client = Client::connect_lazy(endpoint)?;
    client
        .list_state_machines(api::ListStateMachinesRequest::default())
        .await
}

#[test]
fn an_address_that_others_can_reach_needs_tls_and_keys() {
    scenario(async |world: &World| {
        let mut settings = Settings::new(world, "coordinator");
        settings.host = "0.0.0.0".to_owned();
        let (status, output) = settings.refused(world).await?;
        ensure!(!status.success(), "exit status {status}");
        for hint in ["[tls]", "[[auth.keys]]", "127.0.0.1"] {
            ensure!(output.contains(hint), "no advice `{hint}` in: {output}");
        }
        settings.sections = key_section();
        let (status, output) = settings.refused(world).await?;
        ensure!(!status.success() && output.contains("[tls]"), "{output}");
        Ok(())
    });
}

#[test]
fn certificates_that_cannot_be_used_are_named() {
    scenario(async |world: &World| {
        let authority = Certificates::new("authority")?;
        let (certificate, key) = authority.server(world)?;
        let (other, _) = authority.client(world, "other")?;
        let missing = world.path("nowhere.crt");
        for (certificate, key, named) in [
            (&missing, &key, &missing),
            (&certificate, &certificate, &certificate),
            (&other, &key, &key),
        ] {
            let mut settings = Settings::new(world, "coordinator");
            settings.sections = format!("\n[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
            let (status, output) = settings.refused(world).await?;
            ensure!(!status.success(), "exit status {status}");
            let name = named
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            ensure!(output.contains(&name), "`{name}` is not in: {output}");
        }
        Ok(())
    });
}

#[test]
fn with_a_key_everything_works_and_without_nothing_does() {
    scenario(async |world: &World| {
        let authority = Certificates::new("authority")?;
        let (coordinator, ca) = secured(world, &authority, "none").await?;
        let endpoint = endpoint(&coordinator, &ca)?;
        list(endpoint.clone().api_key(KEY)).await?;
        for wrong in [
            endpoint.clone(),
            endpoint.clone().api_key("wrong"),
            endpoint.clone().api_key(&KEY[1..]),
        ] {
            let reason = refusal(list(wrong).await)?;
            let refused = [
                "UnrecognizedClientException",
                "MissingAuthenticationTokenException",
                "AccessDeniedException",
            ];
            ensure!(refused.contains(&reason.as_str()), "{reason}");
        }
        // Another authority is not believed.
        let stranger = Certificates::new("stranger")?.authority(world)?;
        let url = endpoint.url().to_owned();
        ensure!(
            list(
                Endpoint::new(url)
                    .retries(0)
                    .ca_file(stranger)?
                    .api_key(KEY)
            )
            .await
            .is_err(),
            "no check of the certificate"
        );
        // Plain text on the TLS port is no way in.
        let plain = call_aws(&coordinator.address(), "ListStateMachines", "{}").await;
        ensure!(
            plain.is_err() || plain.is_ok_and(|answer| answer.status != 200),
            "plain text was served"
        );
        Ok(())
    });
}

#[test]
fn worker_and_command_line_work_with_a_key_and_tls() {
    scenario(async |world: &World| {
        let authority = Certificates::new("authority")?;
        let (coordinator, ca) = secured(world, &authority, "none").await?;
        let endpoint = endpoint(&coordinator, &ca)?;
        let (url, ca) = (endpoint.url().to_owned(), ca.display().to_string());
        let client = Client::connect_lazy(endpoint.api_key(KEY))?;
        let key_file = world.file("key", KEY)?.display().to_string();
        let connection = ["--endpoint", &url, "--ca", &ca];

        let arguments = [
            &connection[..],
            &["--key-file", &key_file, "activity", "create", "work"],
        ]
        .concat();
        let created = stepfleet(&arguments, &[]).await?;
        ensure!(created.status.success(), "{}", text(&created));
        let refused = stepfleet(&[&connection[..], &["status"]].concat(), &[]).await?;
        ensure!(
            !refused.status.success(),
            "the command line works without a key: {}",
            text(&refused)
        );

        let config =
            format!("endpoint = \"{url}\"\n\n[[activity]]\nname = \"work\"\nshell = \"cat\"\n");
        let environment = [
            ("STEPFLEET_API_KEY", KEY),
            ("STEPFLEET_CA_FILE", ca.as_str()),
        ];
        let _worker = worker(world, "worker", &config, &environment)?;
        let arn = "arn:aws:states:us-east-1:000000000000:activity:work";
        let machine = create_machine(&client, "work", &one_activity(arn)).await?;
        let execution = start(&client, &machine, "e", &json!({ "a": 1 })).await?;
        let ended = outcome(&client, &execution, Deadline::seconds(30)).await?;
        ensure!(ended.output.as_deref() == Some("{\"a\":1}"), "{ended:?}");

        let mut outsider = worker(
            world,
            "outsider",
            &config,
            &[("STEPFLEET_CA_FILE", ca.as_str())],
        )?;
        let status = outsider.end(Deadline::seconds(30)).await?;
        ensure!(
            !status.success(),
            "a worker without a key goes on: {}",
            outsider.output()
        );
        Ok(())
    });
}

#[test]
fn a_client_certificate_is_a_way_in_and_a_foreign_one_is_none() {
    scenario(async |world: &World| {
        let authority = Certificates::new("authority")?;
        let (coordinator, ca) = secured(world, &authority, "required").await?;
        let endpoint = endpoint(&coordinator, &ca)?;
        let (certificate, key) = authority.client(world, "worker-1")?;
        list(endpoint.clone().client_identity_files(certificate, key)?).await?;
        let stranger = Certificates::new("stranger")?;
        let (certificate, key) = stranger.client(world, "worker-1")?;
        let foreign = endpoint
            .clone()
            .retries(0)
            .client_identity_files(certificate, key)?;
        ensure!(
            list(foreign).await.is_err(),
            "a foreign certificate was believed"
        );
        ensure!(
            list(endpoint.retries(0).api_key(KEY)).await.is_err(),
            "no certificate was asked for"
        );
        Ok(())
    });
}

#[test]
fn where_certificates_are_optional_a_key_does_as_well() {
    scenario(async |world: &World| {
        let authority = Certificates::new("authority")?;
        let (coordinator, ca) = secured(world, &authority, "optional").await?;
        let endpoint = endpoint(&coordinator, &ca)?;
        let (certificate, key) = authority.client(world, "worker-1")?;
        list(endpoint.clone().client_identity_files(certificate, key)?).await?;
        list(endpoint.clone().api_key(KEY)).await?;
        refusal(list(endpoint).await)?;
        Ok(())
    });
}

#[test]
fn keys_count_on_the_aws_api_and_metrics_but_not_for_health() {
    scenario(async |world: &World| {
        let mut settings = Settings::new(world, "coordinator");
        settings.sections = key_section();
        let coordinator = settings.start(world).await?;
        let address = coordinator.address();
        let bearer = format!("Authorization: Bearer {KEY}");
        let target = "X-Amz-Target: AWSStepFunctions.ListStateMachines";
        let line = "POST / HTTP/1.1";
        let open = request(&address, line, &[target, &bearer], b"{}").await?;
        ensure!(open.status == 200, "{open:?}");
        for headers in [vec![target], vec![target, "Authorization: Bearer wrong"]] {
            let closed = request(&address, line, &headers, b"{}").await?;
            ensure!(closed.status == 403, "{closed:?}");
        }
        // A signature cannot be verified yet; that is said, not passed over.
        let signed = "Authorization: AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/states/aws4_request, SignedHeaders=host, Signature=00";
        let refused = request(&address, line, &[target, signed], b"{}").await?;
        ensure!(
            refused.status == 403 && !refused.message().is_empty(),
            "{refused:?}"
        );
        for (path, key, status) in [
            ("/livez", false, 200),
            ("/readyz", false, 200),
            ("/metrics", false, 403),
            ("/metrics", true, 200),
        ] {
            let headers: &[&str] = if key { &[&bearer] } else { &[] };
            let answer = request(&address, &format!("GET {path} HTTP/1.1"), headers, b"").await?;
            let refused = status == 403 && matches!(answer.status, 401 | 403);
            ensure!(answer.status == status || refused, "{path}: {answer:?}");
        }
        let machine = Client::connect_lazy(Endpoint::new(coordinator.url()).api_key(KEY))?;
        create_machine(&machine, "pass", &pass()).await?;
        Ok(())
    });
}
