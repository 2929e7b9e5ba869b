//! Revocation of one URL: what it ends, what it leaves, and who may ask for it.

use futures::stream;
use stepfleet_proto::v1::RevokeCallbackUrlRequest;
use stepfleet_proto::v1::task_service_client::TaskServiceClient;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::*;
use crate::face::Face;
use crate::metrics::Metrics;
use crate::rpc::fleet::FleetFace;

const ACCOUNT: &str = "000000000000";
const BASE: &str = "https://flow.example.com/base";

impl World {
    async fn revoke(&self, account: &str, url: &str) -> Result<(), ApiError> {
        let caller = Caller::trusted("foo", account);
        self.service.revoke_callback_url(&caller, url).await
    }

    fn kept(&self) -> usize {
        use crate::control::ControlStore as _;
        self.service.shared.control.scan("callback-revoked/").len()
    }

    /// What the one open callback of an execution shows.
    async fn shown(&self, arn: &str) -> Value {
        let caller = Caller::trusted("foo", ACCOUNT);
        let request = ListCallbacks {
            execution_arn: Some(arn.to_owned()),
            ..ListCallbacks::default()
        };
        let listed = self.service.list_callbacks(&caller, request).await.unwrap();
        serde_json::from_str(&listed.items[0].parameters).unwrap()
    }
}

fn path_of(shown: &Value) -> String {
    let url = shown["url"].as_str().unwrap();
    url.strip_prefix(BASE).unwrap().to_owned()
}

#[tokio::test]
async fn a_revoked_url_is_over_and_its_task_goes_on() {
    let world = world(URL).await;
    let (arn, shown) = world.start("e").await;
    let (other, other_path) = world.path("other").await;
    let path = path_of(&shown);
    let url = shown["url"].as_str().unwrap();
    // However much of it somebody has copied from what is done by it.
    for url in [url, &format!("{url}/success?x=/"), url] {
        assert_eq!(world.revoke(ACCOUNT, url).await, Ok(()));
    }
    assert_eq!(world.kept(), 1);
    for what in ["success", "failure", "heartbeat", "approve", "reject"] {
        let (status, text) = world.post(&format!("{path}/{what}"), "{}").await;
        assert!(status == 410 && text.contains("is over"), "{what}: {text}");
    }
    let page = Request::get(&path).body(Body::empty()).unwrap();
    let (status, text, _) = world.send(page).await;
    assert!(status == 410 && text.contains("is over"), "{text}");
    assert_eq!(world.execution(&arn).await["status"], "RUNNING");
    let complete = json!({"taskToken": shown["token"], "output": "1"});
    world.aws("SendTaskSuccess", &complete).await;
    assert_eq!(world.execution(&arn).await["output"], "1");
    assert_eq!(
        world.post(&format!("{other_path}/success"), "2").await.0,
        200
    );
    assert_eq!(world.execution(&other).await["output"], "2");
}

#[tokio::test]
async fn the_url_of_a_later_attempt_is_good() {
    let world = world(URL).await;
    let (arn, first) = world.start("e").await;
    let url = first["url"].as_str().unwrap();
    assert_eq!(world.revoke(ACCOUNT, url).await, Ok(()));
    let fail = json!({"taskToken": first["token"], "error": "No"});
    world.aws("SendTaskFailure", &fail).await;
    world
        .aws("RedriveExecution", &json!({"executionArn": arn}))
        .await;
    let second = world.shown(&arn).await;
    let post = async |shown: &Value| {
        let path = format!("{}/success", path_of(shown));
        world.post(&path, "1").await.0
    };
    assert_eq!(post(&first).await, 410);
    assert_eq!(post(&second).await, 200);
    assert_eq!(world.execution(&arn).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn what_is_no_url_of_the_account_is_refused_and_what_is_over_is_not_kept() {
    let world = world(URL).await;
    let (arn, shown) = world.start("e").await;
    let url = shown["url"].as_str().unwrap();
    let token = shown["token"].as_str().unwrap();
    let (_, secret) = url.rsplit_once('/').unwrap();
    for (account, text) in [
        (ACCOUNT, ""),
        (ACCOUNT, token),
        (ACCOUNT, secret),
        (ACCOUNT, &*format!("{BASE}/callbacks/{token}")),
        (ACCOUNT, &*format!("{url}A")),
        (ACCOUNT, "https://flow.example.com/callbacks/"),
        ("111111111111", url),
    ] {
        let refused = world.revoke(account, text).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::ValidationException, "{text}");
        assert!(refused.message.contains("no callback URL"), "{refused}");
    }
    let keys = &world.service.shared.tokens;
    let mut grant = keys.open_grant(secret).unwrap();
    grant.expires_at = world.service.shared.clock.now();
    let expired = format!("{BASE}/callbacks/{}", keys.seal_grant(&grant).unwrap());
    assert_eq!(world.revoke(ACCOUNT, &expired).await, Ok(()));
    world
        .aws("StopExecution", &json!({"executionArn": arn}))
        .await;
    assert_eq!(world.revoke(ACCOUNT, url).await, Ok(()));
    assert_eq!(world.kept(), 0);
}

#[tokio::test]
async fn a_url_that_is_revoked_while_an_answer_comes_takes_it_no_more() {
    let world = world(URL).await;
    let (arn, path) = world.path("e").await;
    let (opened, when_opened) = oneshot::channel();
    let (go, when_told) = oneshot::channel::<()>();
    let body = stream::once(async move {
        opened.send(()).unwrap();
        when_told.await.unwrap();
        Ok::<_, std::io::Error>(Bytes::from_static(b"1"))
    });
    let success = format!("{path}/success");
    let answer = world.post(&success, Body::from_stream(body));
    let revoke = async {
        when_opened.await.unwrap();
        let url = format!("{BASE}{path}");
        assert_eq!(world.revoke(ACCOUNT, &url).await, Ok(()));
        go.send(()).unwrap();
    };
    let ((status, _), ()) = tokio::join!(answer, revoke);
    assert_eq!(status, 410);
    assert_eq!(world.execution(&arn).await["status"], "RUNNING");
}

/// A coordinator where `revoker` may revoke URLs of the machine `n` alone.
async fn with_revoker(file: &std::path::Path) -> (World, Router) {
    let mut config = config(URL);
    config.audit.file = Some(file.to_owned());
    let statement = json!({
        "Effect": "Allow", "Action": "stepfleet:RevokeCallbackUrl", "Resource": "arn:aws:states:*:*:stateMachine:n",
    });
    config.auth.policies.push(config::Policy {
        name: "revoke".to_owned(),
        document: Some(json!({ "Statement": statement }).to_string()),
        file: None,
    });
    let mut key = config.auth.keys[0].clone();
    key.name = "revoker".to_owned();
    // SHA-256 of `bar`.
    key.sha256 = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9".to_owned();
    key.rights.policies = vec!["revoke".to_owned()];
    config.auth.keys.push(key);
    let world = world_by(config.clone()).await;
    let service = world.service.clone();
    let access = service.shared.access.clone();
    let fleet = FleetFace {
        service: service.clone(),
        session_ttl: Duration::from_secs(60),
    };
    let drain = CancellationToken::new();
    let face = Face::new(service, &config.limits, Metrics::default(), drain);
    let (grpc, _health) = crate::rpc::routes(Arc::new(face), fleet).await.unwrap();
    let router = crate::net::dispatch(grpc, Router::new());
    (world, testing::judging_by(router, &config, access))
}

#[tokio::test]
async fn a_permission_on_the_state_machine_of_the_task_is_asked_for_and_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let (world, router) = with_revoker(&file).await;
    let (arn, shown) = world.start("e").await;
    let url = shown["url"].as_str().unwrap();
    let revoke = async |key: &str| {
        let mut request = tonic::Request::new(RevokeCallbackUrlRequest {
            url: url.to_owned(),
        });
        let bearer = format!("Bearer {key}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let mut client = TaskServiceClient::new(router.clone());
        let answer = client.revoke_callback_url(request).await;
        answer.map_or_else(|status| status.code(), |_done| Code::Ok)
    };
    assert_eq!(revoke("bar").await, Code::PermissionDenied);
    assert_eq!(world.kept(), 0);
    assert_eq!(revoke("foo").await, Code::Ok);
    let success = format!("{}/success", path_of(&shown));
    assert_eq!(world.post(&success, "1").await.0, 410);
    world.service.shared.access.audit.flush().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told: Vec<_> = lines
        .filter(|line| {
            line["action"] == "stepfleet:RevokeCallbackUrl" || line["principal"] == "callback-url"
        })
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            ["principal", "decision", "resource", "execution"].map(text)
        })
        .collect();
    let expect = [
        ["revoker", "denied", MACHINE, &arn],
        ["foo", "allowed", MACHINE, &arn],
        ["callback-url", "refused", "", ""],
    ];
    assert_eq!(told, expect, "{text}");
}
