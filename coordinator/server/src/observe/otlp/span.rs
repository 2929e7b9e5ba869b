//! A span in OpenTelemetry's form.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as proto;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use stepfleet_engine::execution::StateKind;

use super::{attribute, nanos, resource, scope, subject, text};
use crate::observe::spans::{Span, SpanStatus};

/// Bytes of a cause that a span shows.
const CAUSE_BYTES_MAX: usize = 1024;

pub(super) fn request(spans: Vec<proto::Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![proto::ResourceSpans {
            resource: Some(resource()),
            scope_spans: vec![proto::ScopeSpans {
                scope: Some(scope()),
                spans,
                ..proto::ScopeSpans::default()
            }],
            ..proto::ResourceSpans::default()
        }],
    }
}

pub(super) fn of(span: &Span) -> proto::Span {
    let header = &span.header;
    let mut attributes = subject(header).to_vec();
    if span.redrive_count > 0 {
        let count = any_value::Value::IntValue(i64::from(span.redrive_count));
        let count = AnyValue { value: Some(count) };
        attributes.push(attribute("aws.step_functions.redrive_count", count));
    }
    let (name, kind) = match &span.state {
        None => (header.machine_name.to_string(), SpanKind::Server),
        Some((name, kind)) => {
            attributes.push(attribute("state.name", text(name)));
            attributes.push(attribute("state.type", text(state_type(*kind))));
            (name.to_string(), SpanKind::Internal)
        }
    };
    let status = match &span.status {
        SpanStatus::Good => proto::Status::default(),
        SpanStatus::Aborted => failed("aborted"),
        SpanStatus::Failed(failure) => {
            if let Some(error) = &failure.error {
                attributes.push(attribute("error.type", text(error)));
            }
            let cause = failure.cause.as_deref().unwrap_or_default();
            failed(&cause[..cause.floor_char_boundary(CAUSE_BYTES_MAX)])
        }
    };
    proto::Span {
        trace_id: span.trace_id.to_be_bytes().to_vec(),
        span_id: span.id.to_be_bytes().to_vec(),
        parent_span_id: span
            .parent
            .map_or_else(Vec::new, |id| id.to_be_bytes().to_vec()),
        name,
        kind: kind.into(),
        start_time_unix_nano: nanos(span.from.0),
        end_time_unix_nano: nanos(span.to.0),
        attributes,
        status: Some(status),
        ..proto::Span::default()
    }
}

fn failed(message: &str) -> proto::Status {
    proto::Status {
        message: message.to_owned(),
        code: StatusCode::Error.into(),
    }
}

fn state_type(kind: StateKind) -> &'static str {
    match kind {
        StateKind::Pass => "Pass",
        StateKind::Task => "Task",
        StateKind::Choice => "Choice",
        StateKind::Wait => "Wait",
        StateKind::Succeed => "Succeed",
        StateKind::Fail => "Fail",
        StateKind::Parallel => "Parallel",
        StateKind::Map => "Map",
    }
}
