//! Tasks as spans of OpenTelemetry: children of what their execution's trace says, by the global tracer provider.

use std::sync::Arc;

use opentelemetry::trace::{
    FutureExt as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags,
    TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue, global};

use super::registry::{Activity, Handler, Work};
use super::task::TaskContext;

const SCOPE: &str = "stepfleet-sdk";

/// The activity with every task of it in a span.
pub(crate) fn traced(activity: Activity) -> Activity {
    let handler = activity.handler.clone();
    let within = move |input, task: TaskContext| -> Work {
        let span = start(&task);
        let work = {
            // What a handler does before its first wait belongs to it too.
            let _current = span.clone().attach();
            handler.work(input, task)
        };
        let ended = span.clone();
        let work = async move {
            let ending = work.await;
            if let Err(failure) = &ending {
                let span = ended.span();
                span.set_attribute(KeyValue::new("error.type", failure.error.clone()));
                span.set_status(Status::error(failure.cause.clone()));
            }
            ended.span().end();
            ending
        };
        Box::pin(work.with_context(span))
    };
    Activity {
        handler: Handler(Arc::new(within)),
        ..activity
    }
}

fn start(task: &TaskContext) -> Context {
    let parent = match task.traceparent().and_then(remote) {
        Some(remote) => Context::new().with_remote_span_context(remote),
        None => Context::new(),
    };
    let tracer = global::tracer(SCOPE);
    let builder = tracer
        .span_builder(task.activity().to_owned())
        .with_kind(SpanKind::Consumer)
        .with_attributes([
            KeyValue::new(
                "aws.step_functions.execution.arn",
                task.execution_arn().to_owned(),
            ),
            KeyValue::new("stepfleet.activity", task.activity().to_owned()),
            KeyValue::new("stepfleet.attempt", i64::from(task.attempt())),
        ]);
    let span = tracer.build_with_context(builder, &parent);
    parent.with_span(span)
}

/// W3C's `version-trace-parent-flags`, of any version.
fn remote(text: &str) -> Option<SpanContext> {
    let mut parts = text.splitn(4, '-').skip(1);
    let trace_id = TraceId::from_hex(parts.next()?).ok()?;
    let span_id = SpanId::from_hex(parts.next()?).ok()?;
    let flags = u8::from_str_radix(parts.next()?.get(..2)?, 16).ok()?;
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    let context = SpanContext::new(trace_id, span_id, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_understood_or_left() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = remote(text).unwrap();
        assert!(context.is_remote() && context.is_sampled());
        assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
        for bad in [
            "",
            "00",
            "00-0-0-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        ] {
            assert!(remote(bad).is_none(), "{bad}");
        }
    }
}
