"""What a handler sees of its task, and how it says what went wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from . import _json
from .errors import EncodeError

I_co = TypeVar("I_co", covariant=True)

#: Longest error name, characters; longer ones are cut with a mark.
ERROR_CHARS_MAX = 256
#: Longest cause, characters; longer ones are cut with a mark.
CAUSE_CHARS_MAX = 32_768
#: Longest JSON text of a task's progress, bytes.
PROGRESS_BYTES_MAX = 8192

_CUT_MARK = "… (cut)"


class TaskError(Exception):
    """Raised by a handler: fails the task with an error name, by which Retry and Catch decide, and an explanation.

    Any other exception does so too: its class gives the name, its text and those of its causes the explanation.

    Args:
        error: The error name.
        cause: The explanation.
    """

    def __init__(self, error: str, cause: str = "") -> None:
        self.error = _cut(error, ERROR_CHARS_MAX)
        self.cause = _cut(cause, CAUSE_CHARS_MAX)
        super().__init__(self.error, self.cause)

    def __str__(self) -> str:
        return f"{self.error}: {self.cause}" if self.cause else self.error

    @classmethod
    def of(cls, error: BaseException) -> TaskError:
        """What an exception says as a task's failure."""
        return error if isinstance(error, TaskError) else cls(type(error).__name__, _chain(error))


class TaskCancelled(Exception):
    """Raised by `Task.raise_if_cancelled`: the attempt is over, and nobody wants its result."""


class Task(Generic[I_co]):
    """One attempt of an activity, as its handler gets it. Safe to use from any thread.

    When the attempt is over (it timed out, its execution was stopped, or the worker ends), `cancelled` is set. An async
    handler then gets `asyncio.CancelledError` where it waits; one in a thread looks at `cancelled` itself, or calls
    `raise_if_cancelled` from time to time.
    """

    #: The task's input.
    input: I_co
    #: The task token. It is a secret: whoever has it can complete the task.
    token: str
    #: The execution that waits for this task.
    execution_arn: str
    #: The activity as the worker registered it.
    activity: str
    #: Which attempt of the state this is, as the coordinator counts.
    attempt: int
    #: W3C's trace context of the state, for spans of the worker's own; `None` when the execution is not traced.
    traceparent: str | None
    #: What an attempt before this one said of its progress last; `None` when none did. Such an attempt failed or timed out,
    #: lost its worker, or was before a redrive. After a crash of the coordinator it may be ten seconds old.
    last_progress: Any
    #: The state's HeartbeatSeconds, if it has them. The worker sends heartbeats by itself, three in this time.
    heartbeat_seconds: int | None
    #: Set when the attempt is over.
    cancelled: threading.Event

    def __init__(
        self,
        input: I_co,
        *,
        token: str,
        execution_arn: str,
        activity: str,
        attempt: int,
        traceparent: str | None,
        last_progress: Any,
        heartbeat_seconds: int | None,
        cancelled: threading.Event,
        beat: Callable[[str], None],
    ) -> None:
        self.input = input
        self.token = token
        self.execution_arn = execution_arn
        self.activity = activity
        self.attempt = attempt
        self.traceparent = traceparent
        self.last_progress = last_progress
        self.heartbeat_seconds = heartbeat_seconds
        self.cancelled = cancelled
        self._beat = beat

    def heartbeat(self, progress: object = None) -> None:
        """Says now that the task is alive, and how far it is: people see it, and the next attempt gets what was said last as
        its `last_progress`.

        Progress that comes faster than it can be sent replaces what was there; what a task said last before it failed goes
        out with its failure.

        Args:
            progress: Any JSON value of at most 8192 bytes of text; `None` says nothing.

        Raises:
            EncodeError: `progress` is no JSON, or longer.
        """
        if progress is None:
            self._beat("")
            return
        text = _json.encode(progress)
        size = len(text.encode())
        if size > PROGRESS_BYTES_MAX:
            raise EncodeError(f"the progress has {size} bytes, of at most {PROGRESS_BYTES_MAX}")
        self._beat(text)

    def raise_if_cancelled(self) -> None:
        """Ends the handler when the attempt is over.

        Raises:
            TaskCancelled: It is.
        """
        if self.cancelled.is_set():
            raise TaskCancelled

    def __repr__(self) -> str:
        # The token stays out of logs.
        return f"Task(activity={self.activity!r}, execution_arn={self.execution_arn!r}, attempt={self.attempt})"


def _chain(error: BaseException) -> str:
    """The texts of an exception and of those behind it, without repeating one that is in another."""
    text = str(error)
    behind = error.__cause__
    seen = {id(error)}
    while behind is not None and id(behind) not in seen:
        seen.add(id(behind))
        cause = str(behind) or type(behind).__name__
        if cause not in text:
            text = f"{text}: {cause}" if text else cause
        behind = behind.__cause__
    return text


def _cut(text: str, chars_max: int) -> str:
    # Lone surrogates, as in file names that are no UTF-8, cannot be sent.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= chars_max else text[: chars_max - len(_CUT_MARK)] + _CUT_MARK
