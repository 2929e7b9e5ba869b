//! Every metric is in the text, under both names.

use stepfleet_asl::Payload;
use stepfleet_engine::event::TaskResource;
use stepfleet_engine::execution::Status;
use stepfleet_engine::{EventId, FrameId, PayloadId, Timestamp, Worker};

use super::*;

fn task_events() -> Vec<Event> {
    let data = || stepfleet_engine::Data {
        id: PayloadId(1),
        payload: Payload::parse("{}").unwrap(),
    };
    let frame = FrameId(0);
    let scheduled = EventBody::ActivityScheduled {
        frame,
        activity: "a".into(),
        input: data(),
        timeout_seconds: None,
        heartbeat_seconds: None,
    };
    let started = EventBody::ActivityStarted {
        frame,
        worker: Worker::default(),
    };
    let succeeded = EventBody::ActivitySucceeded {
        frame,
        output: data(),
    };
    let resource = || TaskResource {
        service: "states".into(),
        action: "startExecution.sync".into(),
    };
    let begun = EventBody::TaskScheduled {
        frame,
        resource: resource(),
        region: "us-east-1".into(),
        parameters: data(),
        timeout_seconds: None,
        heartbeat_seconds: None,
    };
    let on = EventBody::TaskStarted {
        frame,
        resource: resource(),
    };
    let failed = EventBody::TaskFailed {
        frame,
        resource: resource(),
        failure: Default::default(),
    };
    [scheduled, started, succeeded, begun, on, failed]
        .into_iter()
        .map(|body| Event {
            previous: EventId(0),
            body,
        })
        .collect()
}

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:m";

fn closed(status: Status) -> Closed {
    Closed {
        status,
        started_at: Timestamp(1_000),
        closed_at: Timestamp(3_000),
        redriven: true,
    }
}

fn record_everything(metrics: &Metrics) {
    metrics.request(Face::Aws, "StartExecution", "OK", 0.002);
    metrics.request(Face::Grpc, "StartExecution", "InvalidName", 0.001);
    let machine = metrics.machine(MACHINE);
    metrics.started(MachineType::Standard, &machine);
    metrics.closed(MachineType::Express, &machine, closed(Status::Succeeded));
    metrics.throttled();
    metrics.executions_open_limit(9);
    metrics.published(MACHINE, 3, 2);
    metrics.redriven();
    metrics.express_open(4);
    metrics.executions_live(3);
    metrics.executions_resident(2);
    metrics.quarantined();
    metrics.recorded(&task_events());
    metrics.activity_queue_depth("arn:aws:states:us-east-1:000000000000:activity:a", 7);
    metrics.appended(3, 2);
    metrics.log_bytes(4096);
    metrics.sessions(1);
    metrics.refused("overload");
    metrics.exported(Signal::ExecutionLog, "delivered", 2);
}

#[test]
fn every_recorded_metric_is_in_the_text() {
    let metrics = Metrics::default();
    record_everything(&metrics);
    let guard = metrics.poller();
    let connection = metrics.connection();
    let text = metrics.render();
    for line in [
        r#"stepfleet_requests_total{face="aws",operation="StartExecution",code="OK"} 1"#,
        r#"stepfleet_requests_total{face="grpc",operation="StartExecution",code="InvalidName"} 1"#,
        r#"stepfleet_request_seconds_count{operation="StartExecution"} 2"#,
        r#"stepfleet_executions_started_total{type="standard"} 1"#,
        r#"stepfleet_executions_closed_total{type="express",status="succeeded"} 1"#,
        "stepfleet_express_executions_open 4",
        "stepfleet_executions_redriven_total 1",
        "stepfleet_executions_live 3",
        "stepfleet_executions_resident 2",
        "stepfleet_executions_quarantined_total 1",
        "stepfleet_activity_tasks_scheduled_total 1",
        "stepfleet_activity_tasks_started_total 1",
        r#"stepfleet_activity_tasks_completed_total{outcome="succeeded"} 1"#,
        r#"activity="arn:aws:states:us-east-1:000000000000:activity:a"} 7"#,
        "stepfleet_append_seconds_count 1",
        "stepfleet_chunks_total 3",
        "stepfleet_events_total 6",
        r#"stepfleet_integration_tasks_scheduled_total{resource="states:startExecution.sync"} 1"#,
        r#"stepfleet_integration_tasks_started_total{resource="states:startExecution.sync"} 1"#,
        r#"stepfleet_integration_tasks_completed_total{resource="states:startExecution.sync",outcome="failed"} 1"#,
        "stepfleet_log_bytes_total 4096",
        "stepfleet_sessions 1",
        "stepfleet_pollers 1",
        "stepfleet_connections 1",
        r#"stepfleet_refused_total{reason="overload"} 1"#,
        r#"stepfleet_exports_total{signal="execution_log",outcome="delivered"} 2"#,
        r#"stepfleet_state_machine_executions_started_total{state_machine="arn:aws:states:us-east-1:000000000000:stateMachine:m"} 1"#,
        r#"stateMachine:m",status="succeeded"} 1"#,
        r#"stepfleet_state_machine_execution_seconds_sum{state_machine="arn:aws:states:us-east-1:000000000000:stateMachine:m"} 2"#,
        r#"stepfleet_state_machine_versions{state_machine="arn:aws:states:us-east-1:000000000000:stateMachine:m"} 3"#,
        "stepfleet_executions_throttled_total 1",
        "stepfleet_executions_open_limit 9",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    drop((guard, connection));
    assert!(metrics.render().contains("stepfleet_pollers 0"));
}

#[test]
fn a_forgotten_activity_leaves_the_text() {
    let metrics = Metrics::default();
    metrics.activity_queue_depth("gone", 1);
    metrics.activity_forgotten("gone");
    assert!(!metrics.render().contains("gone"));
}

#[test]
fn aws_has_the_same_numbers_in_its_names_dimensions_and_units() {
    let metrics = Metrics::default();
    record_everything(&metrics);
    metrics.request(Face::Aws, "StartExecution", "ThrottlingException", 0.001);
    metrics.request(Face::Grpc, "StartExecution", "ThrottlingException", 0.001);
    let text = metrics.render_aws();
    let lines: Vec<&str> = text.lines().collect();
    for line in [
        "# TYPE ExecutionsStarted counter",
        r#"ExecutionsStarted{StateMachineArn="arn:aws:states:us-east-1:000000000000:stateMachine:m"} 1"#,
        r#"ExecutionsSucceeded{StateMachineArn="arn:aws:states:us-east-1:000000000000:stateMachine:m"} 1"#,
        r#"ExecutionsFailed{StateMachineArn="arn:aws:states:us-east-1:000000000000:stateMachine:m"} 0"#,
        r#"RedrivenExecutionsSucceeded{StateMachineArn="arn:aws:states:us-east-1:000000000000:stateMachine:m"} 1"#,
        "# TYPE ExecutionTime histogram",
        r#"ExecutionTime_sum{StateMachineArn="arn:aws:states:us-east-1:000000000000:stateMachine:m"} 2000"#,
        r#"ExecutionTime_bucket{StateMachineArn="arn:aws:states:us-east-1:000000000000:stateMachine:m",le="1"} 0"#,
        r#"ExecutionTime_bucket{StateMachineArn="arn:aws:states:us-east-1:000000000000:stateMachine:m",le="+Inf"} 1"#,
        "ExecutionThrottled 1",
        "OpenExecutionCount 3",
        "OpenExecutionLimit 9",
        "ExecutionsRedriven 1",
        "ActivitiesScheduled 1",
        "ActivitiesSucceeded 1",
        r#"ServiceIntegrationsFailed{ServiceIntegrationResourceArn="states:startExecution.sync"} 1"#,
        r#"VersionCount{StateMachineArn="arn:aws:states:us-east-1:000000000000:stateMachine:m"} 3"#,
        r#"ThrottledEvents{APIName="StartExecution"} 2"#,
    ] {
        assert!(lines.contains(&line), "{line} is missing in\n{text}");
    }
}

#[test]
fn every_twin_is_named_where_its_number_is_declared() {
    let metrics = Metrics::default();
    // A family shows itself with its first series.
    record_everything(&metrics);
    let machines = &metrics.inner.machines;
    machines.activity("a");
    for family in [
        &machines.integration_schedule_seconds,
        &machines.integration_run_seconds,
        &machines.integration_seconds,
    ] {
        let resource = "r".to_owned();
        family.get_or_create_owned(&ResourceLabels { resource });
    }
    let text = metrics.render();
    for twin in &aws::TWINS {
        let unit = text.contains(&format!("# HELP stepfleet_{}_seconds ", twin.ours));
        let name = format!("{}{}", twin.ours, if unit { "_seconds" } else { "" });
        let help = text
            .lines()
            .find(|line| line.starts_with(&format!("# HELP stepfleet_{name} ")));
        let help = help.unwrap_or_else(|| panic!("{name} is not declared"));
        assert!(help.contains(twin.aws), "{help}");
    }
}

#[test]
fn the_number_of_series_is_bounded() {
    let metrics = Metrics::new(2);
    for name in ["a", "b", "c", "d", "b"] {
        metrics.started(MachineType::Standard, &metrics.machine(name));
    }
    let started = |of: &str| {
        let series = "stepfleet_state_machine_executions_started_total";
        let line = format!(r#"{series}{{state_machine="{of}"}} 2"#);
        metrics.render().contains(&line)
    };
    assert!(started("b") && started("other"));
    assert!(!metrics.render().contains(r#"state_machine="c""#));
    // One that is gone makes room.
    metrics.machine_forgotten("a");
    assert!(!metrics.render().contains(r#"state_machine="a""#));
    metrics.machine("e");
    assert!(metrics.render().contains(r#"state_machine="e""#));
}
