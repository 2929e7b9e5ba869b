// Tasks as spans of OpenTelemetry: children of what their execution's trace says, by the global tracer provider. Without the
// package `@opentelemetry/api` nothing is done.
import type * as OpenTelemetry from "@opentelemetry/api";
import type { Push } from "../api.js";
import { TaskError } from "../task.js";
import type { Ending } from "./handlers.js";

const SCOPE = "stepfleet-sdk";
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;

let present: typeof OpenTelemetry | undefined;

/** Looks for the package. */
export async function findOpenTelemetry(): Promise<void> {
  try {
    present = await import("@opentelemetry/api");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
  }
}

/** Runs a handler in the span of its task. */
export async function inSpan(push: Push, activity: string, run: () => Promise<Ending>): Promise<Ending> {
  if (present === undefined) return run();
  const { context, trace, SpanKind, SpanStatusCode } = present;
  const parent = parentOf(push.traceparent, present);
  const attributes = {
    "aws.step_functions.execution.arn": push.executionArn,
    "stepfleet.activity": activity,
    "stepfleet.attempt": push.attempt,
  };
  const span = trace.getTracer(SCOPE).startSpan(activity, { kind: SpanKind.CONSUMER, attributes }, parent);
  const ending = await context.with(trace.setSpan(parent, span), run);
  if (ending instanceof TaskError) {
    span.setAttribute("error.type", ending.error);
    span.setStatus({ code: SpanStatusCode.ERROR, message: ending.cause });
  }
  span.end();
  return ending;
}

function parentOf(traceparent: string, otel: typeof OpenTelemetry): OpenTelemetry.Context {
  const [, traceId = "", spanId = "", flags = "0"] = TRACEPARENT.exec(traceparent) ?? [];
  const remote = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
  if (!otel.isSpanContextValid(remote)) return otel.ROOT_CONTEXT;
  return otel.trace.setSpanContext(otel.ROOT_CONTEXT, remote);
}
