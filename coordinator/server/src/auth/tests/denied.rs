//! Every RPC of the descriptor and every AWS operation, by principals without a grant: denied, whatever the request
//! says. Whoever writes a new one finds it here without doing anything.

use axum::Router;
use axum::body::Body;
use axum::extract::Request as HttpRequest;
use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FileDescriptorSet};
use serde_json::json;
use stepfleet_proto::{ACTIONS, FILE_DESCRIPTOR_SET};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::config::Policy;
use crate::face::testing;
use crate::rpc::fleet::FleetFace;
use crate::service::api::CreateStateMachine;

const API: &str = "stepfleet.v1";
const PREFIX: &str = "arn:aws:states:us-east-1:000000000000";

/// A coordinator with something in it, and keys: `k-<number>` may do the action of that number alone, `k-none` has no
/// policy, `k-missing` one that does not exist, `k-denied` one that allows everything and denies it again.
struct World {
    router: Router,
    token: String,
}

async fn world() -> World {
    let config = config();
    let (face, _drain) = testing::face_with(config.clone()).await;
    let service = face.service.clone();
    let owner = Caller::trusted("owner", "000000000000");
    let tags = Vec::new();
    service
        .create_activity(&owner, "a", tags, None)
        .await
        .unwrap();
    let machine = CreateStateMachine {
        name: "m".to_owned(),
        definition: json!({"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}).to_string(),
        ..CreateStateMachine::default()
    };
    service.create_state_machine(&owner, machine).await.unwrap();
    let task = stepfleet_engine::TaskRef {
        hash: stepfleet_engine::KeyHash(0),
        execution: stepfleet_engine::ExecutionId(1),
        incarnation: 0,
        attempt: stepfleet_engine::Attempt {
            entry: stepfleet_engine::EventId(1),
            attempt: 0,
            generation: 0,
        },
    };
    let token = service.shared.tokens.seal(&task);
    let fleet = FleetFace {
        service,
        session_ttl: std::time::Duration::from_secs(60),
    };
    let (grpc, _health) = crate::rpc::routes(face.clone(), fleet).await.unwrap();
    let router = crate::net::dispatch(grpc, crate::aws::router(face));
    World {
        router: testing::judging(router, &config),
        token,
    }
}

fn config() -> Config {
    let mut config = Config::default();
    let mut add = |name: &str, policies: &[&str]| {
        let hash = Sha256::digest(name.as_bytes());
        config.auth.keys.push(ApiKey {
            name: name.to_owned(),
            sha256: data_encoding::HEXLOWER.encode(&hash),
            rights: Rights {
                policies: policies.iter().map(ToString::to_string).collect(),
                namespace: None,
            },
        });
    };
    add("k-none", &[]);
    add("k-missing", &["nothing-of-this-name"]);
    add("k-denied", &["administrator", "deny"]);
    for number in 0..ACTIONS.len() {
        add(&format!("k-{number}"), &[&format!("p-{number}")]);
    }
    let mut policy = |name: String, effect: &str, action: String| {
        let statement = json!({"Effect": effect, "Action": action, "Resource": "*"});
        config.auth.policies.push(Policy {
            name,
            document: Some(json!({"Statement": statement}).to_string()),
            file: None,
        });
    };
    policy("deny".to_owned(), "Deny", "*".to_owned());
    for (number, (_, action)) in ACTIONS.iter().enumerate() {
        policy(format!("p-{number}"), "Allow", action.to_string());
    }
    config
}

/// Every RPC: its path and its request.
fn rpcs() -> Vec<(String, DescriptorProto)> {
    let set: FileDescriptorSet = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let messages = message_types(&set);
    let files = set.file.iter().filter(|file| file.package() == API);
    let services = files.flat_map(|file| &file.service);
    let of_service = services.flat_map(|service| {
        let path = format!("/{API}.{}/", service.name());
        let methods = service.method.iter();
        methods.map(move |method| (format!("{path}{}", method.name()), method.input_type()))
    });
    of_service
        .map(|(path, input)| (path, messages[input].clone()))
        .collect()
}

fn message_types(set: &FileDescriptorSet) -> BTreeMap<String, DescriptorProto> {
    let files = set.file.iter().filter(|file| file.package() == API);
    let messages = files.flat_map(|file| &file.message_type);
    messages
        .map(|message| (format!(".{API}.{}", message.name()), message.clone()))
        .collect()
}

/// A message with a text in each field that takes one, also in the first item of each list of messages.
fn filled(
    message: &DescriptorProto,
    types: &BTreeMap<String, DescriptorProto>,
    text: &str,
    depth: u8,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut put = |number: i32, value: &[u8]| {
        varint(&mut bytes, u64::try_from(number).unwrap() << 3 | 2);
        varint(&mut bytes, value.len() as u64);
        bytes.extend_from_slice(value);
    };
    for field in &message.field {
        match (field.r#type(), types.get(field.type_name())) {
            (Type::String, _) if field.oneof_index.is_none() || field.proto3_optional() => {
                put(field.number(), text.as_bytes());
            }
            (Type::Message, Some(inner)) if depth > 0 && field.label() == Label::Repeated => {
                put(field.number(), &filled(inner, types, text, depth - 1));
            }
            (Type::Message, Some(inner)) if inner.name() == "Hello" => {
                put(field.number(), &filled(inner, types, text, depth));
            }
            _ => {}
        }
    }
    bytes
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
}

/// Messages as they are on the wire.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

impl World {
    /// The refusal of a call, or none when it was let in.
    async fn call(&self, key: &str, path: &str, message: Vec<u8>) -> Option<Status> {
        let mut client = Grpc::new(self.router.clone());
        client.ready().await.unwrap();
        let mut request = Request::new(tokio_stream::once(Bytes::from(message)));
        let bearer = format!("Bearer {key}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let path: PathAndQuery = path.parse().unwrap();
        match client.streaming(request, path, Raw).await {
            Err(status) => Some(status),
            Ok(response) => response.into_inner().message().await.err(),
        }
    }

    async fn aws(&self, key: &str, operation: &str, body: String) -> (u16, String) {
        let request = HttpRequest::post("/")
            .header("authorization", format!("Bearer {key}"))
            .header("x-amz-target", format!("AWSStepFunctions.{operation}"))
            .body(Body::from(body))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Texts that a request may carry: what exists, what does not, what is another account's, and what is nothing.
    fn texts(&self) -> impl Strategy<Value = String> + use<> {
        prop_oneof![
            Just(String::new()),
            Just("m".to_owned()),
            Just(format!("{PREFIX}:stateMachine:m")),
            Just(format!("{PREFIX}:stateMachine:m:live")),
            Just(format!("{PREFIX}:activity:a")),
            Just(format!("{PREFIX}:execution:m:e")),
            Just("arn:aws:states:us-east-1:111111111111:stateMachine:m".to_owned()),
            Just(self.token.clone()),
            "[ -~]{0,20}",
        ]
    }
}

fn denied(status: Option<Status>) -> bool {
    status.is_some_and(|status| {
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.clone());
        status.code() == Code::PermissionDenied
            && reason.as_deref() == Some("AccessDeniedException")
            && status.message().starts_with("User: ")
    })
}

const WITHOUT: [&str; 3] = ["k-none", "k-missing", "k-denied"];

/// Runs a property over texts within a runtime.
fn over_texts(cases: u32, property: impl Fn(&tokio::runtime::Runtime, &World, String)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(world());
    let mut runner = TestRunner::new(Cases::with_cases(cases));
    let texts = world.texts();
    let tried = runner.run(&texts, |text| {
        property(&runtime, &world, text);
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn every_rpc_is_denied_to_every_principal_without_a_grant() {
    let (rpcs, set) = (
        rpcs(),
        FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap(),
    );
    let types = message_types(&set);
    assert_eq!(rpcs.len(), ACTIONS.len());
    over_texts(24, |runtime, world, text| {
        for (path, request) in &rpcs {
            for key in WITHOUT {
                let message = filled(request, &types, &text, 1);
                let status = runtime.block_on(world.call(key, path, message));
                assert!(denied(status.clone()), "{key} {path} {text:?}: {status:?}");
            }
        }
    });
}

#[tokio::test]
async fn whoever_may_do_one_thing_may_do_nothing_else() {
    let world = world().await;
    for (number, (_, allowed)) in ACTIONS.iter().enumerate() {
        let key = format!("k-{number}");
        for (path, action) in ACTIONS {
            let status = world.call(&key, &format!("/{path}"), Vec::new()).await;
            assert_eq!(
                denied(status.clone()),
                action != allowed,
                "{allowed}: {path}: {status:?}"
            );
        }
    }
}

#[test]
fn every_operation_of_the_aws_api_is_denied_to_every_principal_without_a_grant() {
    const FIELDS: [&str; 9] = [
        "stateMachineArn",
        "executionArn",
        "activityArn",
        "mapRunArn",
        "resourceArn",
        "name",
        "taskToken",
        "stateMachineVersionArn",
        "stateMachineAliasArn",
    ];
    over_texts(24, |runtime, world, text| {
        let members = FIELDS.map(|field| (field.to_owned(), json!(text)));
        let body = serde_json::Value::Object(members.into_iter().collect()).to_string();
        for operation in crate::aws::operations() {
            for key in WITHOUT {
                let (status, answer) = runtime.block_on(world.aws(key, operation, body.clone()));
                let refused = answer.contains("AccessDeniedException")
                    && answer.contains(&format!(
                        "is not authorized to perform: states:{operation} on"
                    ));
                assert!(
                    status == 403 && refused,
                    "{key} {operation} {text:?}: {status} {answer}"
                );
            }
        }
    });
}

#[tokio::test]
async fn a_refusal_does_not_tell_whether_something_exists() {
    let world = world().await;
    for kind in ["stateMachine", "activity"] {
        let (operation, field) = if kind == "activity" {
            ("DescribeActivity", "activityArn")
        } else {
            ("DescribeStateMachine", "stateMachineArn")
        };
        let ask = async |name: &str| {
            let body = json!({field: format!("{PREFIX}:{kind}:{name}")}).to_string();
            let (_, answer) = world.aws("k-none", operation, body).await;
            answer.replace(&format!(":{name} "), ":? ")
        };
        let there = if kind == "activity" { "a" } else { "m" };
        assert_eq!(ask(there).await, ask("missing").await);
    }
    let body = json!({"stateMachineArn": format!("{PREFIX}:stateMachine:m")}).to_string();
    let (_, answer) = world.aws("k-none", "StartExecution", body).await;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        answer["message"],
        "User: k-none is not authorized to perform: states:StartExecution on resource: \
         arn:aws:states:us-east-1:000000000000:stateMachine:m because no identity-based policy allows the \
         states:StartExecution action"
    );
}
