//! Spans of tasks: where they are sent is what OpenTelemetry's variables say, and what handlers do hangs below them.

use std::env;

use anyhow::{Context as _, bail};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, Key, global};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use stepfleet_sdk::TaskContext;
use tracing::warn;

const SERVICE: &str = "stepfleet-worker";

/// Sends spans, until it is ended.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

/// Begins to send spans if the environment asks for it: `OTEL_TRACES_EXPORTER=otlp`, or an endpoint of OTLP.
///
/// # Errors
/// The environment asks for what this program cannot do.
pub(crate) fn start() -> anyhow::Result<Option<Traces>> {
    let given = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let endpoint = given("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        .or_else(|| given("OTEL_EXPORTER_OTLP_ENDPOINT"));
    let wanted = match given("OTEL_TRACES_EXPORTER").as_deref() {
        None => endpoint.is_some(),
        Some("otlp") => true,
        Some("none") => false,
        Some(other) => bail!("OTEL_TRACES_EXPORTER must be otlp or none, not {other}"),
    };
    let disabled =
        given("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !wanted || disabled {
        return Ok(None);
    }
    let protocol = given("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        .or_else(|| given("OTEL_EXPORTER_OTLP_PROTOCOL"));
    if let Some(other) = protocol.filter(|protocol| protocol != "grpc") {
        bail!("OTEL_EXPORTER_OTLP_PROTOCOL must be grpc, not {other}");
    }
    let exporter = SpanExporter::builder().with_tonic().build();
    let exporter = exporter.context("spans cannot be exported")?;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource())
        .with_batch_exporter(exporter)
        .build();
    global::set_tracer_provider(provider.clone());
    Ok(Some(Traces(provider)))
}

impl Traces {
    /// Sends what is left.
    pub(crate) async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown()).await;
        if let Ok(Err(error)) = ended {
            warn!(%error, "the last spans were not sent");
        }
    }
}

/// W3C's trace context for what a handler does: its task's span, or what the execution says; none when that is not traced.
pub(crate) fn parent(task: &TaskContext) -> Option<String> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    if !span.is_valid() {
        return task.traceparent().map(str::to_owned);
    }
    let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags().to_u8());
    Some(format!("00-{trace}-{id}-{flags:02x}"))
}

/// Who sends; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say it better.
fn resource() -> Resource {
    let found = Resource::builder().build();
    let name = found.get(&Key::from_static_str("service.name"));
    let named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if named {
        return found;
    }
    Resource::builder().with_service_name(SERVICE).build()
}
