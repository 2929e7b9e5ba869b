// Tasks as spans of the real OpenTelemetry packages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import * as sdk from "stepfleet-sdk";
import { serving } from "./fake.js";
import { until } from "./harness.js";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

test("tasks are spans below their state", async (t) => {
  const exporter = new InMemorySpanExporter();
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
  const { stream } = await serving(t, async (task: sdk.Task<unknown>) => {
    await Promise.resolve();
    trace.getTracer("program").startSpan("inside").end();
    if (task.input === "bad") throw new sdk.TaskError("Boom", "it was bad");
  });
  const traceparent = `00-${TRACE}-${PARENT}-01`;
  stream.push(1, "t1", { input: '"good"', traceparent, executionArn: "arn:e", attempt: 2 });
  await until("a result", () => stream.results().length === 1);
  stream.push(2, "t2", { input: '"bad"' });
  await until("a failure", () => stream.results().length === 2);
  const [inside, task, , failed] = exporter.getFinishedSpans();
  assert.ok(inside && task && failed);
  assert.deepEqual([inside.name, inside.parentSpanContext?.spanId], ["inside", task.spanContext().spanId]);
  assert.deepEqual([task.name, task.kind, task.spanContext().traceId], ["a", SpanKind.CONSUMER, TRACE]);
  assert.equal(task.parentSpanContext?.spanId, PARENT);
  assert.equal(task.attributes["aws.step_functions.execution.arn"], "arn:e");
  assert.equal(task.attributes["stepfleet.attempt"], 2);
  assert.deepEqual(failed.status, { code: SpanStatusCode.ERROR, message: "it was bad" });
  assert.deepEqual([failed.attributes["error.type"], failed.parentSpanContext], ["Boom", undefined]);
});
