"""Tasks as spans of the real OpenTelemetry packages."""

from __future__ import annotations

import unittest
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from harness import until
from stepfleet_sdk import Task, TaskError
from test_session import Case

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Spans(Case):
    """The worker's part of a trace."""

    exporter: InMemorySpanExporter

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(cls.exporter))
        trace.set_tracer_provider(provider)

    async def test_tasks_are_spans_below_their_state(self) -> None:
        async def handler(task: Task[Any]) -> str:
            with trace.get_tracer("program").start_as_current_span("inside"):
                if task.input == "bad":
                    raise TaskError("Boom", "it was bad")
                return "done"

        async with self.serving(handler) as (stream, _):
            parent = f"00-{TRACE}-{PARENT}-01"
            await stream.push(1, "t1", input='"good"', traceparent=parent, execution_arn="arn:e", attempt=2)
            await until("a result", stream.results)
            await stream.push(2, "t2", input='"bad"')
            await until("a failure", lambda: len(stream.results()) == 2)
        spans = {(span.name, span.status.is_ok): span for span in self.exporter.get_finished_spans()}
        self.assertEqual(len(self.exporter.get_finished_spans()), 4)
        task = next(s for s in self.exporter.get_finished_spans() if s.name == "a")
        self.assertEqual(trace.format_trace_id(task.context.trace_id), TRACE)
        assert task.parent is not None and task.attributes is not None
        self.assertEqual(trace.format_span_id(task.parent.span_id), PARENT)
        self.assertEqual(task.kind, trace.SpanKind.CONSUMER)
        self.assertEqual(task.attributes["aws.step_functions.execution.arn"], "arn:e")
        self.assertEqual(task.attributes["stepfleet.attempt"], 2)
        inside = self.exporter.get_finished_spans()[0]
        assert inside.parent is not None
        self.assertEqual((inside.name, inside.parent.span_id), ("inside", task.context.span_id))
        failed = spans[("a", False)]
        assert failed.attributes is not None
        self.assertEqual(failed.attributes["error.type"], "Boom")
        self.assertEqual((failed.parent, failed.status.description), (None, "it was bad"))


if __name__ == "__main__":
    unittest.main()
