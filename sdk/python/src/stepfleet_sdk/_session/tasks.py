"""The tasks that a worker holds: received, and without confirmed result. No connection in here: what goes out is left in
the outbox. Everything runs in the event loop but the handlers that block.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from .. import _json
from .._proto import fleet_pb2 as pb
from ..task import Task, TaskError
from .handlers import Activity, Ending
from .outbox import Outbox
from .spans import span
from .threads import Threads
from .works import Works, start

_log = logging.getLogger("stepfleet_sdk.worker")


class Phase(enum.Enum):
    """Where a task is."""

    #: Pushed while cancelled tasks still clean up in their slots.
    WAITING = enum.auto()
    RUNNING = enum.auto()
    FINISHED = enum.auto()


class Served:
    """An activity at work."""

    def __init__(self, activity: Activity) -> None:
        self.activity = activity
        self.slots = activity.slots
        #: Handlers that run, those of cancelled tasks included.
        self.running = 0
        self.waiting: deque[Held] = deque()


class Held:
    """A task in the hands of this worker."""

    def __init__(self, push: pb.Push, served: Served, on_beat: Callable[[Held], None]) -> None:
        self.token = push.task_token
        self.push = push
        self.served = served
        self.phase = Phase.WAITING
        self.cancelled = threading.Event()
        self.timer: asyncio.TimerHandle | None = None
        #: Of an async handler.
        self.work: asyncio.Task[Ending] | None = None
        self._loop = asyncio.get_running_loop()
        self._on_beat = on_beat
        self._lock = threading.Lock()
        #: Newest progress that has not gone out.
        self._details = ""
        #: The event loop was told that there is some.
        self._told = False

    def task(self) -> Task[Any]:
        """What the handler gets.

        Raises:
            TaskError: The input does not fit.
        """
        push = self.push
        activity = self.served.activity
        return Task(
            activity.prepare(push.input),
            token=push.task_token,
            execution_arn=push.execution_arn,
            activity=activity.name,
            attempt=push.attempt,
            traceparent=push.traceparent or None,
            last_progress=_json.decode(push.last_progress or "null"),
            heartbeat_seconds=push.heartbeat_seconds or None,
            cancelled=self.cancelled,
            beat=self.beat,
        )

    def beat(self, details: str) -> None:
        """A heartbeat that the handler asks for, from any thread."""
        with self._lock:
            self._details = details or self._details
            if self._told:
                return
            self._told = True
        try:
            self._loop.call_soon_threadsafe(self._on_beat, self)
        except RuntimeError:
            _log.debug("a handler outlived its worker")

    def take_details(self) -> str:
        """The newest progress; it goes out now."""
        with self._lock:
            details, self._details, self._told = self._details, "", False
        return details

    def cancel(self) -> None:
        """The attempt is over."""
        self.cancelled.set()
        # What a connector begins must be known, to be stopped.
        if self.work is not None and self.served.activity.connector is None:
            self.work.cancel()


class Tasks:
    """See the module."""

    def __init__(self, activities: Sequence[Activity], outbox: Outbox, changed: Callable[[], None]) -> None:
        self._outbox = outbox
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        #: In the order of `Hello.activities`.
        self._served = [Served(activity) for activity in activities]
        self._held: dict[str, Held] = {}
        #: In the order of their numbers.
        self._unconfirmed: deque[pb.TaskResult] = deque()
        #: Number of the last result.
        self._numbered = 0
        self._draining = False
        #: Told when the result of this number is settled.
        self._settling: dict[int, asyncio.Future[None]] = {}
        #: Starts of connectors: they end after their tasks were cancelled.
        self._starts: set[asyncio.Task[Ending]] = set()
        self.works = Works(activities, outbox, self._record)
        self._threads = Threads(sum(activity.slots for activity in activities if not activity.is_async))

    @property
    def running(self) -> int:
        """Handlers that run."""
        return sum(served.running for served in self._served)

    @property
    def unconfirmed(self) -> int:
        """Results that the coordinator has not confirmed."""
        return len(self._unconfirmed)

    def inventory(self) -> list[str]:
        """Tokens of all that this worker holds."""
        held = [held.token for held in self._held.values() if held.phase is not Phase.FINISHED]
        return held + [result.task_token for result in self._unconfirmed]

    def on_welcome(self, welcome: pb.Welcome) -> None:
        """A connection begins: forgets what is confirmed, and says again what is not."""
        if not welcome.resumed:
            self._outbox.received = 0
        self.on_confirmed(welcome.confirmed)
        self._outbox.results[:] = self._unconfirmed
        for held in self._held.values():
            if held.timer is not None:
                self._outbox.beat(held)
        self.works.on_welcome()

    def on_push(self, push: pb.Push) -> None:
        """Begins a task, or hands it back."""
        self._outbox.received = push.number
        if self._draining or push.activity >= len(self._served):
            self._outbox.returned.append(push.task_token)
            self._outbox.wake()
            return
        if push.task_token in self._held:
            _log.debug("task %s was pushed twice", short_hash(push.task_token))
            return
        served = self._served[push.activity]
        held = self._held[push.task_token] = Held(push, served, self._beat)
        self._schedule_beat(held)
        if served.running >= served.slots:
            served.waiting.append(held)
        else:
            self._begin(held)

    def on_cancelled(self, token: str) -> None:
        """The attempt is over: its handler is told, and its result will be dropped."""
        held = self._held.get(token)
        if held is None:
            self.works.cancelled(token)
            return
        # A result that is on its way will be confirmed or refused.
        if held.phase is Phase.FINISHED:
            return
        _log.debug("task %s was cancelled", short_hash(token))
        del self._held[token]
        self._end_beats(held)
        if held.phase is Phase.WAITING:
            held.served.waiting.remove(held)
        held.cancel()

    def on_confirmed(self, number: int) -> None:
        """Results up to this number may be forgotten."""
        while self._unconfirmed and self._unconfirmed[0].number <= number:
            result = self._unconfirmed.popleft()
            self._held.pop(result.task_token, None)
            settled = self._settling.pop(result.number, None)
            if settled is not None and not settled.done():
                settled.set_result(None)
        self._changed()

    def on_refused(self, refused: Sequence[pb.RefusedResult]) -> None:
        """Results that did not count. An output that the coordinator cannot take fails its task instead."""
        for refusal in refused:
            token, reason = refusal.task_token, refusal.reason
            _log.warning("the coordinator refused the result of task %s: %s", short_hash(token), reason)
            self.works.begin_refused(token)
            result = next((result for result in self._unconfirmed if result.task_token == token), None)
            if reason == "InvalidOutput" and result is not None and result.WhichOneof("outcome") != "failure":
                cause = "the coordinator refused the output: it is no JSON or too large"
                self._record(token, TaskError("InvalidOutput", cause))

    def on_refused_progress(self, refused: Sequence[pb.RefusedResult]) -> None:
        """Details of heartbeats that the coordinator does not keep."""
        for refusal in refused:
            token, reason = refusal.task_token, refusal.reason
            _log.warning("the coordinator refused the progress of task %s: %s", short_hash(token), reason)

    def drain(self) -> None:
        """Takes no more, and hands back what waits."""
        self._draining = True
        for served in self._served:
            for held in served.waiting:
                del self._held[held.token]
                self._end_beats(held)
                self._outbox.returned.append(held.token)
            served.waiting.clear()

    def slots(self) -> list[int]:
        """Tasks at once, in the order of `Hello.activities`."""
        return [served.slots for served in self._served]

    def used(self, index: int) -> int:
        """Tasks of an activity that run or wait for room."""
        served = self._served[index]
        return served.running + len(served.waiting)

    def set_slots(self, name: str, slots: int) -> None:
        """From now on so many tasks of an activity run at once; those that waited for room begin."""
        for index, served in enumerate(self._served):
            if served.activity.name != name or served.slots == slots:
                continue
            served.slots = slots
            if not served.activity.is_async:
                self._threads.grow(sum(each.slots for each in self._served if not each.activity.is_async))
            self._outbox.slots[index] = slots
            self._outbox.wake()
            self._begin_waiting(served)

    def resume(self) -> None:
        """Takes tasks again."""
        self._draining = False

    def stop(self) -> None:
        """Cancels what runs; it fails."""
        for held in list(self._held.values()):
            if held.phase is Phase.RUNNING:
                cause = "the worker stopped before the task was done"
                self._finish(held, TaskError("WorkerStopped", cause))
                held.cancel()

    def close(self) -> None:
        """Drops the handlers that still run, and forgets everything."""
        for held in self._held.values():
            self._end_beats(held)
            held.cancel()
        self._held.clear()
        for work in self._starts:
            work.cancel()
        self.works.close()
        self._threads.close()

    def _begin(self, held: Held) -> None:
        held.phase = Phase.RUNNING
        held.served.running += 1
        activity = held.served.activity
        if activity.is_async:
            held.work = self._loop.create_task(_call(held))
            if activity.connector is not None:
                self._starts.add(held.work)
                held.work.add_done_callback(self._starts.discard)
            held.work.add_done_callback(lambda work: self._on_done(held, _ending(work)))
        else:
            self._threads.submit(lambda: self._block(held))

    def _block(self, held: Held) -> None:
        """In a thread."""
        with span(held) as told:
            ending = told.ended(held.served.activity.call_blocking(held.task))
        try:
            self._loop.call_soon_threadsafe(self._on_done, held, ending)
        except RuntimeError:
            _log.debug("a handler outlived its worker")

    def _on_done(self, held: Held, ending: Ending) -> None:
        """A handler is done: records its result, and gives its slot to a task that waits."""
        served = held.served
        served.running -= 1
        self._finish(held, ending)
        self._begin_waiting(served)
        self._changed()

    def _begin_waiting(self, served: Served) -> None:
        while served.waiting and served.running < served.slots:
            self._begin(served.waiting.popleft())

    def _finish(self, held: Held, ending: Ending) -> None:
        """Records the result of a task, unless its attempt is over."""
        connector = held.served.activity.connector
        if self._held.get(held.token) is not held or held.phase is Phase.FINISHED:
            if connector is not None and isinstance(ending, pb.Begun):
                self.works.begun_for_nobody(held.push, connector, ending)
            return
        held.phase = Phase.FINISHED
        self._end_beats(held)
        self._record(held.token, ending)
        if connector is not None and isinstance(ending, pb.Begun):
            self.works.begun(held.push, connector, ending)

    def _record(self, token: str, ending: Ending, settled: asyncio.Future[None] | None = None) -> None:
        self._numbered += 1
        result = pb.TaskResult(task_token=token, number=self._numbered)
        if isinstance(ending, str):
            result.output = ending
        elif isinstance(ending, pb.Begun):
            result.begun.CopyFrom(ending)
        else:
            _log.debug("task %s failed with %s", short_hash(token), ending.error)
            result.failure.error = ending.error
            result.failure.cause = ending.cause
        if settled is not None:
            self._settling[self._numbered] = settled
        self._unconfirmed.append(result)
        self._outbox.results.append(result)
        self._outbox.wake()

    def _beat(self, held: Held) -> None:
        if self._held.get(held.token) is held:
            self._outbox.beat(held)

    def _schedule_beat(self, held: Held) -> None:
        """Heartbeats, three in the time that the state allows."""
        if held.push.heartbeat_seconds > 0:
            held.timer = self._loop.call_later(held.push.heartbeat_seconds / 3, self._on_beat_due, held)

    def _on_beat_due(self, held: Held) -> None:
        self._beat(held)
        self._schedule_beat(held)

    def _end_beats(self, held: Held) -> None:
        if held.timer is not None:
            held.timer.cancel()
            held.timer = None


async def _call(held: Held) -> Ending:
    with span(held) as told:
        activity = held.served.activity
        if activity.connector is not None:
            return told.ended(await start(activity, held.push, held.task))
        return told.ended(await activity.call(held.task))


def _ending(work: asyncio.Task[Ending]) -> Ending:
    if work.cancelled():
        return TaskError("CancelledError", "the handler was cancelled from inside")
    error = work.exception()
    return work.result() if error is None else TaskError.of(error)


def short_hash(token: str) -> str:
    """Names a token in logs without giving it away."""
    return hashlib.blake2s(token.encode(), digest_size=4).hexdigest()
