//! What changes of status read like, and that a webhook gets each of them, whatever it does at first.

use std::collections::VecDeque;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use stepfleet_asl::Payload;
use stepfleet_engine::event::Failure;
use stepfleet_engine::execution::{Execution, Header, Status};
use stepfleet_engine::{Data, Event, EventBody, EventId, EventSeq, PayloadId, Timestamp};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;

use super::*;
use crate::catalog::Revision;
use crate::clock::SystemClock;
use crate::metrics::Metrics;
use crate::observe::Decided;
use crate::observe::queue::Signal;
use crate::observe::settings::Watched;
use crate::service::api::MachineType;

fn header(id: u128) -> Arc<Header> {
    Arc::new(Header {
        id: stepfleet_engine::ExecutionId(id),
        hash: stepfleet_engine::KeyHash(1),
        namespace: "123456789012".into(),
        machine_name: "m".into(),
        machine_arn: "arn:machine".into(),
        execution_arn: "arn:execution".into(),
        name: "e".into(),
        incarnation: 1,
        revision: 1,
        role_arn: "arn:role".into(),
        trace_header: None,
        version_arn: Some("arn:machine:1".into()),
        alias_arn: None,
        origin: None,
    })
}

fn data(text: &str) -> Data {
    Data {
        id: PayloadId(1),
        payload: Payload::trusted(text),
    }
}

/// What an execution tells that begins with `input` and goes on with `body` in one decision.
fn changes(id: u128, input: &str, body: Option<EventBody>, status: Status) -> Vec<Change> {
    let started = EventBody::ExecutionStarted {
        header: header(id),
        input: data(input),
        deadline: None,
        keeps_frames: true,
    };
    let bodies = Some(started).into_iter().chain(body);
    let event = |body| Event {
        previous: EventId(0),
        body,
    };
    let events: Vec<Event> = bodies.map(event).collect();
    let at = Timestamp(1_551_210_161_700);
    let mut execution = Execution::from_started(at, &events[0]).unwrap();
    execution.status = status;
    let definition = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}"#;
    let revision = Arc::new(Revision {
        program: Arc::new(crate::catalog::compile_for_test(definition).unwrap()),
        role_arn: "arn:role".into(),
        meters: Metrics::default().machine("m"),
        watched: Watched::default(),
    });
    let maker = Maker {
        region: "eu-central-1".into(),
        limits: Limits::default(),
    };
    maker.changes(&Decided {
        revision: &revision,
        machine_type: MachineType::Standard,
        first_seq: EventSeq(1),
        last_event: EventId(0),
        before: None,
        events: &events,
        at,
        execution: &execution,
    })
}

fn read(change: &Change) -> Value {
    serde_json::from_str(&change.text()).unwrap()
}

#[test]
fn a_change_reads_as_on_eventbridge() {
    let output = EventBody::ExecutionSucceeded {
        output: data("[1]"),
    };
    let changes = changes(7, "{}", Some(output), Status::Succeeded);
    let [running, succeeded] = &changes[..] else {
        panic!("{changes:?}");
    };
    let mut event = read(succeeded);
    let id = event["id"].take();
    assert_eq!(
        event,
        json!({
            "version": "0", "id": null,
            "detail-type": "Step Functions Execution Status Change",
            "source": "aws.states", "account": "123456789012",
            "time": "2019-02-26T19:42:41Z", "region": "eu-central-1",
            "resources": ["arn:execution"],
            "detail": {
                "executionArn": "arn:execution", "stateMachineArn": "arn:machine", "name": "e",
                "status": "SUCCEEDED",
                "startDate": 1_551_210_161_700_i64, "stopDate": 1_551_210_161_700_i64,
                "input": "{}", "inputDetails": {"included": true},
                "output": "[1]", "outputDetails": {"included": true},
                "stateMachineVersionArn": "arn:machine:1", "stateMachineAliasArn": null,
                "redriveCount": 0, "redriveDate": null, "redriveStatus": "NOT_REDRIVABLE",
                "redriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
                "error": null, "cause": null,
            },
        })
    );
    let running = read(running);
    assert_eq!(running["detail"]["status"], "RUNNING");
    assert_eq!(running["detail"]["stopDate"], json!(null));
    assert_eq!(running["detail"]["output"], json!(null));
    assert_ne!(running["id"], id);
}

#[test]
fn a_failure_tells_why_and_can_be_redriven() {
    let failure = || Failure {
        error: Some("Broken".into()),
        cause: Some("late".into()),
    };
    let (error, cause) = (json!("Broken"), json!("late"));
    for (body, status, name, told) in [
        (
            EventBody::ExecutionFailed(failure()),
            Status::Failed,
            "FAILED",
            (&error, &cause),
        ),
        // As in descriptions.
        (
            EventBody::ExecutionTimedOut(failure()),
            Status::TimedOut,
            "TIMED_OUT",
            (&Value::Null, &Value::Null),
        ),
    ] {
        let changes = changes(7, "{}", Some(body), status);
        let detail = &read(&changes[1])["detail"];
        assert_eq!(detail["status"], name);
        assert_eq!((&detail["error"], &detail["cause"]), told);
        assert_eq!(detail["redriveStatus"], "REDRIVABLE");
        assert_eq!(detail["redriveStatusReason"], Value::Null);
    }
}

#[test]
fn what_is_too_long_is_left_out_the_input_first() {
    let (half, whole) = (130 * 1024, 250 * 1024);
    let text = |bytes| format!("\"{}\"", "x".repeat(bytes));
    for (input, output, included) in [
        (half, 10, (true, true)),
        (half, half, (false, true)),
        (10, whole, (false, false)),
    ] {
        let body = EventBody::ExecutionSucceeded {
            output: data(&text(output)),
        };
        let changes = changes(7, &text(input), Some(body), Status::Succeeded);
        let detail = &read(&changes[1])["detail"];
        let shown = |name: &str| {
            let details = &detail[format!("{name}Details")]["included"];
            assert_eq!(details, &json!(detail[name].is_string()));
            detail[name].is_string()
        };
        assert_eq!((shown("input"), shown("output")), included);
    }
}

/// A server that answers with these statuses first, and with 204 then.
struct Receiving {
    url: String,
    taken: mpsc::Receiver<(HeaderMap, Value)>,
}

#[derive(Clone)]
struct Receiver {
    statuses: Arc<Mutex<VecDeque<StatusCode>>>,
    taken: mpsc::Sender<(HeaderMap, Value)>,
}

async fn receiving(statuses: &[StatusCode]) -> Receiving {
    let (sender, taken) = mpsc::channel(1000);
    let receiver = Receiver {
        statuses: Arc::new(Mutex::new(statuses.iter().copied().collect())),
        taken: sender,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/hook", axum::routing::post(receive))
        .with_state(receiver);
    crate::task::spawn("receiver", async move {
        axum::serve(listener, router).await.unwrap();
    });
    Receiving { url, taken }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if let Some(status) = receiver.statuses.lock().unwrap().pop_front() {
        return status;
    }
    let event = serde_json::from_slice(&body).unwrap();
    receiver.taken.send((headers, event)).await.unwrap();
    StatusCode::NO_CONTENT
}

fn open(config: Config) -> (StatusEvents, Metrics) {
    let metrics = Metrics::default();
    let clock = Arc::new(SystemClock::default());
    let losses = Losses::new(Signal::StatusEvents, metrics.clone(), clock);
    let opened = StatusEvents::open(&config, Limits::default(), &Arc::new(losses));
    (opened.unwrap().unwrap(), metrics)
}

fn posting(url: &str) -> Config {
    let mut config = Config::default();
    config.status_events.webhook = Some(url.to_owned());
    config.ephemeral = true;
    config
}

#[tokio::test]
async fn a_webhook_that_recovers_gets_every_event_in_the_order_of_its_execution() {
    let bad = [
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    let mut receiving = receiving(&bad).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let mut config = posting(&receiving.url);
    config.status_events.bearer_file = Some(secret);
    let (events, metrics) = open(config);
    let output = || EventBody::ExecutionSucceeded { output: data("1") };
    for id in 0..20 {
        for change in changes(id << 8, "{}", Some(output()), Status::Succeeded) {
            events.tell(change);
        }
    }
    events.flush().await;
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..40 {
        let (headers, event) = receiving.taken.recv().await.unwrap();
        assert_eq!(headers["authorization"], "Bearer s3cret");
        assert_eq!(headers["content-type"], "application/json");
        let status = event["detail"]["status"].as_str().unwrap().to_owned();
        *seen.entry(status).or_default() += 1;
        let count = |status: &str| seen.get(status).copied().unwrap_or(0);
        assert!(count("RUNNING") >= count("SUCCEEDED"));
    }
    let text = metrics.render();
    for line in [
        r#"{signal="status_events",outcome="delivered"} 40"#,
        r#"{signal="status_events",outcome="retried"} 3"#,
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[tokio::test]
async fn what_the_receiver_calls_wrong_is_not_sent_again() {
    let mut receiving = receiving(&[StatusCode::BAD_REQUEST]).await;
    let (events, metrics) = open(posting(&receiving.url));
    for change in changes(1, "{}", None, Status::Running) {
        events.tell(change);
    }
    events.flush().await;
    assert!(receiving.taken.try_recv().is_err());
    let dropped = r#"{signal="status_events",outcome="dropped"} 1"#;
    assert!(metrics.render().contains(dropped), "{}", metrics.render());
}

#[tokio::test]
async fn what_was_not_taken_is_told_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", closed.local_addr().unwrap());
    drop(closed);
    let config = |url: &str| Config {
        ephemeral: false,
        data: folder.path().to_owned(),
        ..posting(url)
    };
    let (events, _metrics) = open(config(&url));
    let mut ids = Vec::new();
    for id in 1..=3 {
        for change in changes(id << 8, "{}", None, Status::Running) {
            ids.push(read(&change)["id"].clone());
            events.tell(change);
        }
    }
    events.spool().unwrap();
    let mut receiving = receiving(&[]).await;
    let (events, _metrics) = open(config(&receiving.url));
    events.flush().await;
    let mut told = Vec::new();
    while let Ok((_, event)) = receiving.taken.try_recv() {
        told.push(event["id"].clone());
    }
    told.sort_by_key(|id| ids.iter().position(|known| known == id));
    assert_eq!(told, ids);
    events.spool().unwrap();
    assert!(!folder.path().join(SPOOL).exists());
}

#[tokio::test]
async fn a_file_has_one_line_for_each_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut config = Config::default();
    config.status_events.file = Some(path.clone());
    let (events, _metrics) = open(config);
    for change in changes(1, "{}", None, Status::Running) {
        events.tell(change);
    }
    events.flush().await;
    let text = std::fs::read_to_string(&path).unwrap();
    let event: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(event["detail"]["executionArn"], "arn:execution");
}

/// Takes one request over TLS, and gives its first line.
async fn take_one_over_tls(folder: &std::path::Path) -> (Config, mpsc::Receiver<String>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, certificate.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let versions = builder.with_safe_default_protocol_versions().unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let tls = versions.with_no_client_auth();
    let tls = tls.with_single_cert(vec![certificate.der().clone()], key.into());
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls.unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = posting(&format!("https://{}/", listener.local_addr().unwrap()));
    config.status_events.ca = Some(ca);
    let (sender, lines) = mpsc::channel(1);
    crate::task::spawn("receiver", async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(acceptor.accept(stream).await.unwrap());
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        stream.get_mut().write_all(answer).await.unwrap();
        sender.send(line).await.unwrap();
        // It may hang up when the client has.
        let _closed = stream.read_line(&mut String::new()).await;
    });
    (config, lines)
}

#[tokio::test]
async fn a_webhook_behind_a_certificate_of_ones_own_is_believed_when_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (config, mut lines) = take_one_over_tls(folder.path()).await;
    let (events, _metrics) = open(config);
    for change in changes(1, "{}", None, Status::Running) {
        events.tell(change);
    }
    assert_eq!(lines.recv().await.unwrap(), "POST / HTTP/1.1\r\n");
    events.flush().await;
}

#[tokio::test]
async fn files_that_are_none_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let refused = |config: Config| {
        let clock = Arc::new(SystemClock::default());
        let losses = Losses::new(Signal::StatusEvents, Metrics::default(), clock);
        let opened = StatusEvents::open(&config, Limits::default(), &Arc::new(losses));
        format!("{:#}", opened.unwrap_err())
    };
    let mut config = posting("https://localhost/");
    config.status_events.ca = Some(empty);
    let text = refused(config);
    assert!(
        text.contains("ca: ") && text.contains("no certificate in PEM form"),
        "{text}"
    );
    let mut config = posting("https://localhost/");
    config.status_events.bearer_file = Some(folder.path().join("missing"));
    let text = refused(config);
    assert!(text.contains("bearer_file: cannot read"), "{text}");
}
