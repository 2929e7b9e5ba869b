"""Tasks as spans of OpenTelemetry: children of what their execution's trace says, by the global tracer provider. Without the
package `opentelemetry-api` nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..task import TaskError
from .handlers import Ending

if TYPE_CHECKING:
    from .tasks import Held

try:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    PRESENT = True
except ImportError:
    PRESENT = False

_SCOPE = "stepfleet-sdk"


class Span:
    """What a task's end is told to."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def ended(self, ending: Ending) -> Ending:
        """Tells how the task ended, and gives that back."""
        if self._span is not None and isinstance(ending, TaskError):
            self._span.set_attribute("error.type", ending.error)
            self._span.set_status(trace.Status(trace.StatusCode.ERROR, ending.cause))
        return ending


@contextmanager
def span(held: Held) -> Iterator[Span]:
    """The span of a task; current while its handler runs."""
    if not PRESENT:
        yield Span()
        return
    push, activity = held.push, held.served.activity.name
    parent = TraceContextTextMapPropagator().extract({"traceparent": push.traceparent}, Context())
    attributes: dict[str, str | int] = {
        "aws.step_functions.execution.arn": push.execution_arn,
        "stepfleet.activity": activity,
        "stepfleet.attempt": push.attempt,
    }
    tracer = trace.get_tracer(_SCOPE)
    with tracer.start_as_current_span(
        activity, parent, trace.SpanKind.CONSUMER, attributes=attributes, record_exception=False
    ) as started:
        yield Span(started)
