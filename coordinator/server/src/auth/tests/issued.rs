//! Credentials that were issued: what they open, until when, and what their changes end.

use axum::Router;
use stepfleet_proto::v1::access_service_client::AccessServiceClient;
use stepfleet_proto::v1::activity_service_client::ActivityServiceClient;
use stepfleet_proto::v1::task_service_client::TaskServiceClient;
use stepfleet_proto::v1::{self, CredentialKind};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};

use super::*;
use crate::auth::credentials::Credentials;
use crate::auth::records::{CredentialRecord, Kind, Proof, SecretRecord};
use crate::catalog::records::Versioned;
use crate::face::testing;
use stepfleet_engine::Timestamp;

const ADMIN: &str = "the-administrator";
const OUTSIDER: &str = "of-another-account";

/// A coordinator with an administrator of the installation, and one of another account.
async fn served() -> Router {
    let mut config = Config::default();
    for (name, namespace) in [(ADMIN, None), (OUTSIDER, Some("111111111111"))] {
        config.auth.keys.push(ApiKey {
            name: name.to_owned(),
            sha256: HEXLOWER_PERMISSIVE.encode(&Sha256::digest(name.as_bytes())),
            rights: Rights {
                policies: vec!["administrator".to_owned()],
                namespace: namespace.map(str::to_owned),
            },
        });
    }
    let (face, _drain) = testing::face_with(config.clone()).await;
    let access = face.service.shared.access.clone();
    let fleet = crate::rpc::fleet::FleetFace {
        service: face.service.clone(),
        session_ttl: std::time::Duration::from_secs(60),
    };
    let (grpc, _health) = crate::rpc::routes(face.clone(), fleet).await.unwrap();
    let router = crate::net::dispatch(grpc, crate::aws::router(face));
    testing::judging_by(router, &config, access)
}

fn by<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer: MetadataValue<_> = format!("Bearer {key}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

fn issue(name: &str, policy: &str) -> v1::IssueCredentialRequest {
    v1::IssueCredentialRequest {
        name: name.to_owned(),
        policies: vec![policy.to_owned()],
        ..Default::default()
    }
}

async fn secret(router: &Router, request: v1::IssueCredentialRequest) -> String {
    let mut access = AccessServiceClient::new(router.clone());
    let issued = access.issue_credential(by(ADMIN, request)).await.unwrap();
    issued.into_inner().secret
}

async fn activities(router: &Router, key: &str) -> Result<(), Status> {
    let mut client = ActivityServiceClient::new(router.clone());
    let request = by(key, v1::ListActivitiesRequest::default());
    client.list_activities(request).await.map(drop)
}

fn code<T>(answer: Result<T, Status>) -> Code {
    answer.err().map_or(Code::Ok, |status| status.code())
}

#[tokio::test]
async fn a_credential_opens_what_its_policies_allow_until_it_is_rotated_or_revoked() {
    let router = served().await;
    let mut access = AccessServiceClient::new(router.clone());
    let first = secret(&router, issue("viewer", "read-only")).await;
    assert!(first.starts_with("stepfleet_") && first.len() > 60);
    assert_eq!(code(activities(&router, &first).await), Code::Ok);
    let create = v1::CreateActivityRequest {
        name: "a".into(),
        ..Default::default()
    };
    let mut client = ActivityServiceClient::new(router.clone());
    let created = client.create_activity(by(&first, create)).await;
    assert_eq!(code(created), Code::PermissionDenied);
    // Half a secret is none.
    assert_eq!(
        code(activities(&router, &first[..first.len() - 1]).await),
        Code::Unauthenticated
    );
    let again = access
        .issue_credential(by(ADMIN, issue("viewer", "worker")))
        .await;
    assert_eq!(code(again), Code::Aborted);

    let rotate = |overlap_seconds| v1::RotateCredentialRequest {
        name: "viewer".into(),
        overlap_seconds,
        ..Default::default()
    };
    let second = access
        .rotate_credential(by(ADMIN, rotate(3600)))
        .await
        .unwrap()
        .into_inner();
    assert!(second.credential.unwrap().previous_until_date.is_some());
    for good in [&first, &second.secret] {
        assert_eq!(code(activities(&router, good).await), Code::Ok);
    }
    let third = access
        .rotate_credential(by(ADMIN, rotate(0)))
        .await
        .unwrap()
        .into_inner();
    for ended in [&first, &second.secret] {
        assert_eq!(
            code(activities(&router, ended).await),
            Code::Unauthenticated
        );
    }
    assert_eq!(code(activities(&router, &third.secret).await), Code::Ok);

    let revoke = v1::RevokeCredentialRequest {
        name: "viewer".into(),
        ..Default::default()
    };
    access.revoke_credential(by(ADMIN, revoke)).await.unwrap();
    assert_eq!(
        code(activities(&router, &third.secret).await),
        Code::Unauthenticated
    );
    let listed = access
        .list_credentials(by(ADMIN, v1::ListCredentialsRequest::default()))
        .await;
    let listed = listed.unwrap().into_inner().credentials;
    assert_eq!(listed.len(), 1);
    assert!(listed[0].revocation_date.is_some() && listed[0].last_used_date.is_some());
    // Its name is free again.
    let fourth = secret(&router, issue("viewer", "read-only")).await;
    assert_eq!(code(activities(&router, &fourth).await), Code::Ok);
}

#[tokio::test]
async fn a_revocation_ends_a_poll_that_waits() {
    let router = served().await;
    let create = v1::CreateActivityRequest {
        name: "a".into(),
        ..Default::default()
    };
    let mut client = ActivityServiceClient::new(router.clone());
    let created = client.create_activity(by(ADMIN, create)).await.unwrap();
    let key = secret(&router, issue("poller", "worker")).await;
    let poll = v1::GetActivityTaskRequest {
        activity_arn: created.into_inner().activity_arn,
        worker_name: String::new(),
    };
    let mut tasks = TaskServiceClient::new(router.clone());
    let request = by(&key, poll);
    let waiting = crate::task::spawn(
        "poll",
        async move { tasks.get_activity_task(request).await },
    );
    let revoke = async {
        // Once it was used, the poll has passed the door.
        loop {
            let mut access = AccessServiceClient::new(router.clone());
            let request = by(ADMIN, v1::ListCredentialsRequest::default());
            let listed = access.list_credentials(request).await.unwrap().into_inner();
            if listed.credentials[0].last_used_date.is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let name = "poller".to_owned();
        let namespace = String::new();
        let request = v1::RevokeCredentialRequest { name, namespace };
        let mut access = AccessServiceClient::new(router.clone());
        access.revoke_credential(by(ADMIN, request)).await.unwrap();
    };
    revoke.await;
    let ended = tokio::time::timeout(std::time::Duration::from_secs(5), waiting);
    assert_eq!(code(ended.await.unwrap().unwrap()), Code::PermissionDenied);
}

#[tokio::test]
async fn nobody_reaches_into_another_account_but_who_operates_the_installation() {
    let router = served().await;
    let mut access = AccessServiceClient::new(router.clone());
    let elsewhere = |namespace: &str| v1::IssueCredentialRequest {
        namespace: namespace.to_owned(),
        ..issue("x", "administrator")
    };
    let refused = access
        .issue_credential(by(OUTSIDER, elsewhere("000000000000")))
        .await;
    assert_eq!(code(refused), Code::PermissionDenied);
    let own = access
        .issue_credential(by(OUTSIDER, elsewhere("111111111111")))
        .await
        .unwrap();
    assert_eq!(
        code(activities(&router, &own.into_inner().secret).await),
        Code::Ok
    );
    let other = access
        .issue_credential(by(ADMIN, elsewhere("222222222222")))
        .await;
    assert_eq!(code(other), Code::Ok);
    let listed = access
        .list_credentials(by(ADMIN, v1::ListCredentialsRequest::default()))
        .await;
    assert!(listed.unwrap().into_inner().credentials.is_empty());
}

#[tokio::test]
async fn a_policy_counts_from_its_put_and_stays_while_somebody_has_it() {
    let router = served().await;
    let mut access = AccessServiceClient::new(router.clone());
    let put = |action: &str| v1::PutPolicyRequest {
        name: "mine".into(),
        document:
            serde_json::json!({"Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}})
                .to_string(),
        namespace: String::new(),
    };
    let missing = access.issue_credential(by(ADMIN, issue("x", "mine"))).await;
    assert_eq!(code(missing), Code::NotFound);
    let warned = access
        .put_policy(by(ADMIN, put("states:ListActivity")))
        .await
        .unwrap();
    assert_eq!(warned.into_inner().unknown_actions, ["states:ListActivity"]);
    let key = secret(&router, issue("x", "mine")).await;
    assert_eq!(
        code(activities(&router, &key).await),
        Code::PermissionDenied
    );
    access
        .put_policy(by(ADMIN, put("states:ListActivities")))
        .await
        .unwrap();
    assert_eq!(code(activities(&router, &key).await), Code::Ok);
    let delete = || {
        let (name, namespace) = ("mine".to_owned(), String::new());
        by(ADMIN, v1::DeletePolicyRequest { name, namespace })
    };
    assert_eq!(code(access.delete_policy(delete()).await), Code::Aborted);
    let test = |action: &str| v1::TestPolicyRequest {
        principal: "x".into(),
        action: action.into(),
        ..Default::default()
    };
    for (action, decision) in [
        ("states:listactivities", v1::PolicyDecision::Allowed),
        ("states:DeleteActivity", v1::PolicyDecision::ImplicitDeny),
    ] {
        let tested = access.test_policy(by(ADMIN, test(action))).await.unwrap();
        assert_eq!(tested.into_inner().decision(), decision, "{action}");
    }
    let revoke = v1::RevokeCredentialRequest {
        name: "x".into(),
        ..Default::default()
    };
    access.revoke_credential(by(ADMIN, revoke)).await.unwrap();
    assert_eq!(code(access.delete_policy(delete()).await), Code::Ok);
    let taken = v1::PutPolicyRequest {
        name: "worker".into(),
        ..put("*")
    };
    assert_eq!(
        code(access.put_policy(by(ADMIN, taken)).await),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn an_access_key_is_for_signatures_alone() {
    let router = served().await;
    let request = v1::IssueCredentialRequest {
        kind: CredentialKind::AccessKey.into(),
        ..issue("deploy", "developer")
    };
    let mut access = AccessServiceClient::new(router.clone());
    let issued = access
        .issue_credential(by(ADMIN, request))
        .await
        .unwrap()
        .into_inner();
    let key_id = issued.credential.unwrap().key_id;
    assert!(key_id.starts_with("SFAK") && key_id.len() == 20 && issued.secret.len() == 40);
    assert_eq!(
        code(activities(&router, &issued.secret).await),
        Code::Unauthenticated
    );
}

fn record(expires_at: Option<i64>) -> CredentialRecord {
    let secret = |id: &str, proof, until| SecretRecord {
        id: id.to_owned(),
        proof,
        until,
    };
    let hash = |text: &str| {
        let digest = Sha256::digest(text.as_bytes());
        Proof::Sha256(HEXLOWER_PERMISSIVE.encode(&digest))
    };
    CredentialRecord {
        namespace: "000000000000".into(),
        name: "n".into(),
        kind: Kind::ApiKey,
        policies: Vec::new(),
        created_at: 0,
        issued_by: "a".into(),
        expires_at,
        revoked_at: None,
        used_at: None,
        secrets: vec![
            secret("new", hash("stepfleet_new_s"), None),
            secret("old", hash("stepfleet_old_s"), Some(500)),
        ],
    }
}

#[test]
fn a_secret_is_good_until_its_own_end_or_its_credentials() {
    let credentials = Credentials::default();
    credentials.put(Versioned {
        version: 1,
        record: record(Some(1000)),
    });
    for (token, now, good) in [
        ("stepfleet_new_s", 999, true),
        ("stepfleet_new_s", 1000, false),
        ("stepfleet_old_s", 499, true),
        ("stepfleet_old_s", 500, false),
        ("stepfleet_new_t", 1, false),
        ("stepfleet_none_s", 1, false),
        ("stepfleet_new", 1, false),
        ("new_s", 1, false),
        ("", 1, false),
    ] {
        let shown = credentials.api_key(token, Timestamp(now));
        assert_eq!(shown.is_some(), good, "{token} at {now}");
    }
    let shown = credentials
        .api_key("stepfleet_old_s", Timestamp(1))
        .unwrap();
    assert_eq!(
        credentials.end_of(&shown, Timestamp(1)),
        Some(Some(Timestamp(500)))
    );
    let mut revoked = record(Some(1000));
    revoked.revoked_at = Some(2);
    credentials.put(Versioned {
        version: 2,
        record: revoked,
    });
    assert_eq!(credentials.end_of(&shown, Timestamp(3)), None);
    // An older record that comes late changes nothing.
    credentials.put(Versioned {
        version: 1,
        record: record(None),
    });
    assert_eq!(credentials.end_of(&shown, Timestamp(3)), None);
}

#[test]
fn stored_records_of_this_release_are_read_for_ever() {
    let text = r#"{"namespace":"000000000000","name":"n","kind":"access-key","policies":["worker"],"created_at":1,
        "issued_by":"a","secrets":[{"id":"SFAK","proof":{"secret":"s"}}]}"#;
    let record: CredentialRecord = serde_json::from_str(text).unwrap();
    assert_eq!(record.kind, Kind::AccessKey);
    assert_eq!(record.ends_at(), None);
    assert!(!format!("{record:?}").contains("\"s\""), "{record:?}");
}
