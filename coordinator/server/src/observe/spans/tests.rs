//! The spans that a collector gets of executions of a whole coordinator in memory: their tree, their times, their ends.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::config::{Config, Tracing};
use crate::face::{Face, testing};
use crate::observe::testing::Collector;
use crate::service::api::{Accepted, Caller, CreateStateMachine, MachineType, StartExecution};

const X_RAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

struct World {
    face: Arc<Face>,
    caller: Caller,
    collector: Collector,
}

async fn world() -> World {
    let collector = Collector::start(0).await;
    let config = Config {
        tracing: Tracing {
            otlp: Some(collector.url.clone()),
            ..Tracing::default()
        },
        ..Config::default()
    };
    let (face, _drain) = testing::face_with(config).await;
    face.open_to_tasks();
    World {
        face,
        caller: Caller::trusted("test", "000000000000"),
        collector,
    }
}

impl World {
    async fn create(&self, name: &str, definition: &Value, machine_type: MachineType) -> String {
        let request = CreateStateMachine {
            name: name.to_owned(),
            definition: definition.to_string(),
            machine_type,
            accepted: Accepted {
                tracing_configuration: Some(r#"{"enabled":true}"#.to_owned()),
                ..Accepted::default()
            },
            ..CreateStateMachine::default()
        };
        let machine = self
            .face
            .service
            .create_state_machine(&self.caller, request);
        machine.await.unwrap().arn
    }

    async fn start(&self, machine: &str, trace_header: Option<&str>) {
        let request = StartExecution {
            machine_arn: machine.to_owned(),
            trace_header: trace_header.map(str::to_owned),
            ..StartExecution::default()
        };
        let started = self.face.service.start_execution(&self.caller, request);
        started.await.unwrap();
    }

    async fn spans(&mut self, count: usize) -> BTreeMap<String, Span> {
        let mut spans = BTreeMap::new();
        for _ in 0..count {
            let span = self.collector.spans.recv().await.unwrap();
            spans.insert(span.name.clone(), span);
        }
        spans
    }
}

fn failing() -> Value {
    let pass = |next: Option<&str>| match next {
        Some(next) => json!({"Type": "Pass", "Next": next}),
        None => json!({"Type": "Pass", "End": true}),
    };
    json!({"StartAt": "First", "States": {
        "First": pass(Some("Both")),
        "Both": {"Type": "Parallel", "Next": "Broken", "Branches": [
            {"StartAt": "A", "States": {"A": pass(None)}},
            {"StartAt": "B", "States": {"B": pass(Some("C")), "C": pass(None)}},
        ]},
        "Broken": {"Type": "Fail", "Error": "Broken", "Cause": "it is"},
    }})
}

fn is_failed(span: &Span) -> bool {
    let status = span.status.as_ref().map(|status| status.code);
    status == Some(i32::from(StatusCode::Error))
}

#[tokio::test]
async fn states_are_below_what_contains_them_and_the_execution_below_its_parent() {
    let mut world = world().await;
    for machine_type in [MachineType::Standard, MachineType::Express] {
        let machine = format!("m{machine_type:?}");
        let arn = world.create(&machine, &failing(), machine_type).await;
        world.start(&arn, Some(X_RAY)).await;
        let spans = world.spans(7).await;
        let root = &spans[&machine];
        assert_eq!(root.parent_span_id, 0x5399_5c3f_42cd_8ad8_u64.to_be_bytes());
        let trace_id = 0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793_u128.to_be_bytes();
        for span in spans.values() {
            assert_eq!(span.trace_id, trace_id);
            assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
            assert!(span.start_time_unix_nano >= root.start_time_unix_nano);
        }
        for (name, parent) in [
            ("First", &machine[..]),
            ("Both", &machine),
            ("A", "Both"),
            ("B", "Both"),
            ("C", "Both"),
            ("Broken", &machine),
        ] {
            assert_eq!(spans[name].parent_span_id, spans[parent].span_id, "{name}");
        }
        let failed: Vec<&str> = spans
            .values()
            .filter(|span| is_failed(span))
            .map(|span| &*span.name)
            .collect();
        assert_eq!(failed, ["Broken", &machine]);
        let status = root.status.as_ref().unwrap();
        assert_eq!(status.message, "it is");
    }
}

#[tokio::test]
async fn what_is_not_sampled_has_no_spans() {
    let mut world = world().await;
    let arn = world.create("m", &failing(), MachineType::Express).await;
    world
        .start(&arn, Some(&X_RAY.replace("Sampled=1", "Sampled=0")))
        .await;
    world.start(&arn, None).await;
    // The first that comes is of the second.
    let spans = world.spans(7).await;
    assert!(spans["m"].parent_span_id.is_empty());
    assert!(world.collector.spans.try_recv().is_err());
}

#[tokio::test]
async fn a_child_goes_on_with_the_trace_of_its_parent() {
    let mut world = world().await;
    let pass = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}});
    let child = world.create("child", &pass, MachineType::Standard).await;
    let call = json!({"StartAt": "Call", "States": {"Call": {
        "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync",
        "Parameters": {"StateMachineArn": child}, "End": true,
    }}});
    let parent = world.create("parent", &call, MachineType::Standard).await;
    world.start(&parent, None).await;
    let spans = world.spans(4).await;
    assert_eq!(spans["child"].parent_span_id, spans["Call"].span_id);
    assert_eq!(spans["P"].parent_span_id, spans["child"].span_id);
    assert_eq!(spans["Call"].parent_span_id, spans["parent"].span_id);
    let ids: std::collections::BTreeSet<&Vec<u8>> =
        spans.values().map(|span| &span.trace_id).collect();
    assert_eq!(ids.len(), 1);
}
