//! What a collector gets of the execution logs of a whole coordinator in memory.

use serde_json::{Value, json};

use super::*;
use crate::config::{Config, ExecutionLog, LogTo};
use crate::face::testing;
use crate::observe::testing::Collector;
use crate::service::api::{Accepted, Caller, CreateStateMachine, MachineType, StartExecution};

const LOGGED: &str = r#"{"level":"ALL","includeExecutionData":true,"destinations":[{"cloudWatchLogsLogGroup":{"logGroupArn":"arn:group:*"}}]}"#;

fn string(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        other => panic!("no text: {other:?}"),
    }
}

#[tokio::test]
async fn a_collector_gets_every_record_of_both_types_though_it_refused_at_first() {
    let mut collector = Collector::start(2).await;
    let config = Config {
        execution_log: ExecutionLog {
            to: LogTo::Otlp,
            otlp: Some(collector.url.clone()),
            ..ExecutionLog::default()
        },
        ..Config::default()
    };
    let (face, _drain) = testing::face_with(config).await;
    let caller = Caller::trusted("test", "000000000000");
    let definition = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}});
    for machine_type in [MachineType::Standard, MachineType::Express] {
        let request = CreateStateMachine {
            name: format!("{machine_type:?}"),
            definition: definition.to_string(),
            machine_type,
            accepted: Accepted {
                logging_configuration: Some(LOGGED.to_owned()),
                ..Accepted::default()
            },
            ..CreateStateMachine::default()
        };
        let machine = face.service.create_state_machine(&caller, request).await;
        let request = StartExecution {
            machine_arn: machine.unwrap().arn,
            ..StartExecution::default()
        };
        let started = face.service.start_execution(&caller, request).await;
        let arn = started.unwrap().arn;
        for (id, kind) in [
            ("1", "ExecutionStarted"),
            ("2", "PassStateEntered"),
            ("3", "PassStateExited"),
            ("4", "ExecutionSucceeded"),
        ] {
            let record = collector.logs.recv().await.unwrap();
            assert_eq!(
                (&*record.event_name, &*record.severity_text),
                (kind, "INFO")
            );
            let body: Value = serde_json::from_str(&string(record.body)).unwrap();
            assert_eq!((&body["id"], &body["type"]), (&json!(id), &json!(kind)));
            assert_eq!(body["execution_arn"], json!(arn));
            assert_eq!(body.get("log_group_arn"), None);
            assert!(record.time_unix_nano > 0);
            let names = record.attributes.iter().map(|attribute| &*attribute.key);
            assert!(names.eq([
                "aws.log.group.arns",
                "aws.step_functions.execution.arn",
                "aws.step_functions.state_machine.arn",
            ]));
        }
    }
    let metrics = face.service.shared.metrics.render();
    let retried = r#"stepfleet_exports_total{signal="execution_log",outcome="retried"} 2"#;
    assert!(metrics.contains(retried), "{metrics}");
    assert!(!metrics.contains("dropped"), "{metrics}");
}

#[test]
fn a_collector_behind_no_url_is_refused() {
    assert!(channel("not a url").is_err());
}
