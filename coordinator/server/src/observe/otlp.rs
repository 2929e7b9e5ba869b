//! OpenTelemetry's protocol over gRPC: what it takes to send to a collector, and the execution log and spans in its form.

mod span;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use stepfleet_engine::execution::Header;
use stepfleet_engine::{HistoryEvent, Severity};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};

use super::insist::{Attempt, Patience, insist};
use super::queue::{Losses, Next, Receiver};
use super::record::{Records, severity_text};
use super::spans::Span;

/// Records that are sent at once, about.
const SEND_MAX: usize = 512;
/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a batch is tried before it is given up.
const PATIENCE: Patience = Patience {
    pause_max: Duration::from_secs(5),
    give_up: Duration::from_secs(60),
};

/// A connection that is made when it is first needed.
///
/// # Errors
/// The URL is none of a collector.
pub(super) fn channel(url: &str) -> anyhow::Result<Channel> {
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .with_context(|| format!("`{url}` is no URL"))?
        .timeout(TIMEOUT)
        .connect_timeout(TIMEOUT);
    if endpoint.uri().scheme_str() == Some("https") {
        let tls = ClientTlsConfig::new().with_native_roots();
        endpoint = endpoint.tls_config(tls).context("TLS")?;
    }
    Ok(endpoint.connect_lazy())
}

/// Sends until the collector takes it, says that it never will, or it has been tried for long.
pub(super) async fn send(
    losses: &Losses,
    count: u64,
    mut attempt: impl FnMut() -> BoxFuture<'static, Result<(), Status>>,
) {
    let judged = |answer: Result<(), Status>| match answer {
        Ok(()) => Attempt::Taken,
        Err(status) if is_retryable(status.code()) => Attempt::Failed(status.message().to_owned()),
        Err(status) => Attempt::Refused(status.message().to_owned()),
    };
    insist(&PATIENCE, losses, count, || attempt().map(judged)).await;
}

/// As OpenTelemetry's specification lists them, and what a connection that breaks is told as.
fn is_retryable(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::Unknown
    )
}

/// Sends log records until the queue is gone.
pub(super) async fn serve_logs(receiver: Receiver<Records>, channel: Channel, losses: Arc<Losses>) {
    let client = LogsServiceClient::new(channel);
    let export = move |batch: Vec<LogRecord>| -> BoxFuture<'static, Result<(), Status>> {
        let mut client = client.clone();
        Box::pin(async move { client.export(request(batch)).await.map(|_answer| ()) })
    };
    let add = |records: &Records, batch: &mut Vec<LogRecord>| {
        batch.extend(
            records
                .events
                .iter()
                .map(|event| log_record(records, event)),
        );
    };
    serve(receiver, losses, add, export).await;
}

/// Sends spans until the queue is gone.
pub(super) async fn serve_spans(
    receiver: Receiver<Vec<Span>>,
    channel: Channel,
    losses: Arc<Losses>,
) {
    let client = TraceServiceClient::new(channel);
    let export = move |batch: Vec<proto::Span>| -> BoxFuture<'static, Result<(), Status>> {
        let mut client = client.clone();
        Box::pin(async move {
            let request = span::request(batch);
            client.export(request).await.map(|_answer| ())
        })
    };
    let add = |spans: &Vec<Span>, batch: &mut Vec<proto::Span>| {
        batch.extend(spans.iter().map(span::of));
    };
    serve(receiver, losses, add, export).await;
}

async fn serve<T, R: Clone>(
    mut receiver: Receiver<T>,
    losses: Arc<Losses>,
    add: impl Fn(&T, &mut Vec<R>),
    export: impl Fn(Vec<R>) -> BoxFuture<'static, Result<(), Status>>,
) {
    while let Some(mut next) = receiver.next().await {
        let mut batch = Vec::new();
        let flushed = loop {
            match next {
                Next::Value(value) => add(&value, &mut batch),
                Next::Flush(answer) => break Some(answer),
            }
            if batch.len() >= SEND_MAX {
                break None;
            }
            match receiver.try_next() {
                Some(more) => next = more,
                None => break None,
            }
        };
        if !batch.is_empty() {
            send(&losses, batch.len() as u64, || export(batch.clone())).await;
        }
        if let Some(answer) = flushed {
            let _gone = answer.send(());
        }
    }
}

fn request(log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource()),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope()),
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

/// The body is the record as AWS writes it.
fn log_record(records: &Records, event: &HistoryEvent) -> LogRecord {
    let severity = event.kind.severity();
    let number = match severity {
        Severity::Info => SeverityNumber::Info,
        Severity::Error => SeverityNumber::Error,
        Severity::Fatal => SeverityNumber::Fatal,
    };
    let at = nanos(event.at.0);
    let group = text(&records.logging().log_group);
    let groups = any_value::Value::ArrayValue(ArrayValue {
        values: vec![group],
    });
    let groups = AnyValue {
        value: Some(groups),
    };
    let mut attributes = vec![attribute("aws.log.group.arns", groups)];
    attributes.extend(subject(&records.header));
    LogRecord {
        time_unix_nano: at,
        observed_time_unix_nano: at,
        severity_number: number.into(),
        severity_text: severity_text(severity).to_owned(),
        body: Some(text(&records.text(event))),
        attributes,
        event_name: event.kind.as_str().to_owned(),
        ..LogRecord::default()
    }
}

/// Who sends.
pub(super) fn resource() -> Resource {
    Resource {
        attributes: vec![
            attribute("service.name", text("stepfleet")),
            attribute("service.version", text(env!("CARGO_PKG_VERSION"))),
        ],
        ..Resource::default()
    }
}

pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "stepfleet".to_owned(),
        ..InstrumentationScope::default()
    }
}

/// What a record or a span is about.
pub(super) fn subject(header: &Header) -> [KeyValue; 2] {
    [
        attribute(
            "aws.step_functions.execution.arn",
            text(&header.execution_arn),
        ),
        attribute(
            "aws.step_functions.state_machine.arn",
            text(&header.machine_arn),
        ),
    ]
}

pub(super) fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

pub(super) fn text(text: &str) -> AnyValue {
    AnyValue {
        value: Some(any_value::Value::StringValue(text.to_owned())),
    }
}

pub(super) fn nanos(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests;
