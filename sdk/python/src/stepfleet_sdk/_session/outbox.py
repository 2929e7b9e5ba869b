"""What is ready to go out. The connection takes everything there is whenever it can write, so batches grow by themselves
when it is busy. Nothing but `hello` goes out before the coordinator's `welcome`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from .._proto import fleet_pb2 as pb

#: Answers and results of a message stop here, bytes: well below the 4 MiB that gRPC servers accept by default.
FRAME_BYTES_MAX = 1024 * 1024
#: Tokens of a kind per message, for the same reason.
FRAME_TOKENS_MAX = 2048
#: Bytes of one output in an answer: it still fits a message by itself.
ANSWER_BYTES_MAX = 3 * 1024 * 1024


class Alive(Protocol):
    """What heartbeats are about."""

    token: str

    def take_details(self) -> str:
        """The newest progress; it goes out now."""


class Outbox:
    """Filled by the session, emptied by the writer of the current connection."""

    def __init__(self) -> None:
        self.results: list[pb.TaskResult] = []
        self.returned: list[str] = []
        #: Slots that changed, by the index of the activity.
        self.slots: dict[int, int] = {}
        self._answers: list[pb.ConnectorAnswer] = []
        #: Number of the last push received.
        self.received = 0
        #: Nothing more will come: the stream ends when all has gone out.
        self.closed = False
        self._beats: dict[str, Alive] = {}
        self._welcomed = False
        self._received_sent = 0
        #: Send a message even if it only acknowledges.
        self._acknowledge = False
        #: This worker says that it takes no new tasks.
        self.draining = False
        self._draining_told = False
        self._woken = asyncio.Event()

    def begin(self) -> None:
        """Begins a connection: forgets what an earlier one did not send (the session knows what to send again)."""
        self._welcomed = False
        self._received_sent = 0
        self._acknowledge = False
        self._draining_told = False
        self.results.clear()
        self.returned.clear()
        # `hello` tells them.
        self.slots.clear()
        # Questions go with their connection.
        self._answers.clear()

    def ended(self) -> None:
        """The connection is over."""
        self._welcomed = False

    @property
    def has_said_all(self) -> bool:
        """Whether everything went out over a connection that lasts, with the word that this worker leaves."""
        return self._welcomed and self._draining_told and not (self.results or self.returned or self._answers)

    @property
    def is_open(self) -> bool:
        """Whether the coordinator has welcomed the worker, and the connection stands."""
        return self._welcomed

    def welcomed(self) -> None:
        """The coordinator has answered `hello`."""
        self._welcomed = True
        self.wake()

    def beat(self, alive: Alive) -> None:
        """A heartbeat of this task, with its newest progress."""
        self._beats[alive.token] = alive
        self.wake()

    def answer(self, answer: pb.ConnectorAnswer) -> None:
        """What a connector says to a question of this connection. An output that fits no message fails its task: it would
        end connection after connection.
        """
        size = len(answer.output.encode())
        if size > ANSWER_BYTES_MAX:
            answer.failure.error = "States.DataLimitExceeded"
            answer.failure.cause = (
                f"the connector's output has {size} bytes, of at most {ANSWER_BYTES_MAX} in an answer"
            )
        self._answers.append(answer)
        self.wake()

    def forget(self, token: str) -> None:
        """No heartbeat of this task is needed any more."""
        self._beats.pop(token, None)

    def drain(self) -> None:
        """Says that this worker takes no new tasks, now and on every later connection."""
        self.draining = True
        self.wake()

    def acknowledge(self) -> None:
        """Acknowledges the newest push, unless another message has done so."""
        if self.received != self._received_sent:
            self._acknowledge = True
            self.wake()

    def close(self) -> None:
        """Ends the stream once all has gone out."""
        self.closed = True
        self.wake()

    def wake(self) -> None:
        """There are news."""
        self._woken.set()

    async def next_message(self) -> pb.WorkerMessage | None:
        """The next message; `None` when all has gone out after `close`."""
        while True:
            message = self._take()
            if message is not None:
                return message
            if self.closed:
                return None
            self._woken.clear()
            await self._woken.wait()

    def _take(self) -> pb.WorkerMessage | None:
        untold = self.draining and not self._draining_told
        news = self.results or self._beats or self.returned or self.slots or self._answers
        if not self._welcomed or not (news or self._acknowledge or untold):
            return None
        self._acknowledge = False
        self._received_sent = self.received
        self._draining_told = self.draining
        message = pb.WorkerMessage(received=self.received, draining=self.draining)
        for activity, slots in self.slots.items():
            message.slots.add(activity=activity, slots=slots)
        self.slots.clear()
        message.returned.extend(self.returned[:FRAME_TOKENS_MAX])
        del self.returned[:FRAME_TOKENS_MAX]
        for token in list(self._beats)[:FRAME_TOKENS_MAX]:
            details = self._beats.pop(token).take_details()
            message.heartbeats.add(task_token=token, details=details)
        count, size = _fitting(self._answers, 0)
        message.answers.extend(self._answers[:count])
        del self._answers[:count]
        count, _ = _fitting(self.results, size)
        message.results.extend(self.results[:count])
        del self.results[:count]
        return message


def _fitting(items: Sequence[pb.ConnectorAnswer | pb.TaskResult], beside: int) -> tuple[int, int]:
    """How many fit a message beside these bytes, and the bytes of all. In an empty one, any fits by itself."""
    size = beside
    for count, item in enumerate(items):
        more = size + item.ByteSize()
        if more > FRAME_BYTES_MAX and size > 0:
            return count, size
        size = more
    return len(items), size
