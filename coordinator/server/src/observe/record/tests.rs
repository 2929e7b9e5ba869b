//! What records are made of decisions, by level, and how they read.

use serde_json::{Value, json};
use stepfleet_asl::Payload;
use stepfleet_engine::event::Failure;
use stepfleet_engine::execution::Execution;
use stepfleet_engine::{Data, Event, EventBody, PayloadId, Timestamp};

use super::*;
use crate::catalog::Revision;
use crate::observe::settings::Watched;

fn header() -> Arc<Header> {
    Arc::new(Header {
        id: stepfleet_engine::ExecutionId(7),
        hash: stepfleet_engine::KeyHash(1),
        namespace: "000000000000".into(),
        machine_name: "m".into(),
        machine_arn: "arn:machine".into(),
        execution_arn: "arn:execution".into(),
        name: "e".into(),
        incarnation: 1,
        revision: 1,
        role_arn: "arn:role".into(),
        trace_header: None,
        version_arn: None,
        alias_arn: None,
        origin: None,
    })
}

fn revision(level: &str, data: bool) -> Arc<Revision> {
    let logging = json!({
        "level": level, "includeExecutionData": data,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": "arn:group:*"}}],
    });
    let definition = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}"#;
    Arc::new(Revision {
        program: Arc::new(crate::catalog::compile_for_test(definition).unwrap()),
        role_arn: "arn:role".into(),
        meters: crate::metrics::Metrics::default().machine("m"),
        watched: Watched::of(Some(&logging.to_string()), None),
    })
}

fn events(input: &str) -> Vec<Event> {
    let data = || Data {
        id: PayloadId(1),
        payload: Payload::trusted(input),
    };
    let failure = Failure {
        error: Some("Broken".into()),
        cause: None,
    };
    let bodies = [
        EventBody::ExecutionStarted {
            header: header(),
            input: data(),
            deadline: None,
            keeps_frames: true,
        },
        EventBody::WaitScheduled {
            frame: stepfleet_engine::FrameId(0),
            until: Timestamp(9),
        },
        EventBody::MapStateStarted {
            frame: stepfleet_engine::FrameId(0),
            items: data(),
            length: 3,
            max_concurrency: 0,
        },
        EventBody::MapStateFailed {
            frame: stepfleet_engine::FrameId(0),
        },
        EventBody::ExecutionFailed(failure),
    ];
    let event = |body| Event {
        previous: EventId(0),
        body,
    };
    bodies.into_iter().map(event).collect()
}

fn records(level: &str, data: bool, input: &str) -> Vec<Value> {
    let (revision, events) = (revision(level, data), events(input));
    let execution = Execution::from_started(Timestamp(1_500), &events[0]).unwrap();
    let decided = Decided {
        revision: &revision,
        machine_type: crate::service::api::MachineType::Standard,
        first_seq: stepfleet_engine::EventSeq(1),
        last_event: EventId(4),
        before: None,
        events: &events,
        at: Timestamp(1_500),
        execution: &execution,
    };
    let logging = revision.watched.logging.as_ref().unwrap();
    let mut lines = String::new();
    if let Some(records) = Records::of(logging, &decided) {
        records.write_lines(&mut lines);
    }
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_record_reads_as_on_aws() {
    let records = records("ALL", true, "{}");
    assert_eq!(
        records[0],
        json!({
            "id": "5",
            "type": "ExecutionStarted",
            "details": {"input": "{}", "inputDetails": {"truncated": false}, "roleArn": "arn:role"},
            "previous_event_id": "0",
            "event_timestamp": "1500",
            "execution_arn": "arn:execution",
            "redrive_count": "0",
            "log_group_arn": "arn:group:*",
        })
    );
    // Internal events have no number, and numbers are texts.
    assert_eq!(records[1]["id"], "6");
    assert_eq!(records[1]["details"], json!({"length": "3"}));
    assert_eq!(records[2]["details"], json!({}));
    assert_eq!(records[3]["details"], json!({"error": "Broken"}));
}

#[test]
fn the_level_says_which_events_are_logged() {
    let kinds = |level| -> Vec<String> {
        let records = records(level, false, "{}").into_iter();
        records
            .map(|record| record["type"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds("ALL").len(), 4);
    assert_eq!(kinds("ERROR"), ["MapStateFailed", "ExecutionFailed"]);
    assert_eq!(kinds("FATAL"), ["ExecutionFailed"]);
}

#[test]
fn data_stands_in_it_only_when_it_is_asked_for() {
    let record = &records("ALL", false, "{}")[0];
    assert_eq!(record["details"], json!({"roleArn": "arn:role"}));
}

#[test]
fn long_data_is_cut_between_two_characters() {
    let input = format!("\"{}\"", "é".repeat(DATA_BYTES_MAX));
    let record = &records("ALL", true, &input)[0];
    let shown = record["details"]["input"].as_str().unwrap();
    assert_eq!(shown.len(), DATA_BYTES_MAX - 1);
    assert!(input.starts_with(shown));
    assert_eq!(
        record["details"]["inputDetails"],
        json!({"truncated": true})
    );
}
