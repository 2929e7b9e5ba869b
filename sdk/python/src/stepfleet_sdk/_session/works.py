"""Work that connectors have begun for `.sync` tasks and that goes on. The coordinator is asked by heartbeats whether it is
still waited for; what it says about a token decides, so that no stop gets lost however long the worker was away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from .. import _json
from .._proto import fleet_pb2 as pb
from ..connector import Begun, Connector, Failed, Going, Pattern, Reports, Resumed, Start, Succeeded, Work
from ..errors import EncodeError, TransportError
from ..task import Task, TaskError
from .handlers import Activity, Ending
from .outbox import Outbox

_log = logging.getLogger("stepfleet_sdk.worker")

#: In how many seconds the worker asks at least whether work is still waited for.
_ASK_SECONDS = 300
#: How often a stop is tried here; the coordinator asks for it, too.
_STOPS = 10
_STOP_PAUSE = 1.0

#: Records a result, and calls back when it is settled.
Record = Callable[[str, Ending, "asyncio.Future[None] | None"], None]


class Open:
    """Work that goes on, by the token of its start."""

    def __init__(self, token: str, connector: Connector, work: Work, heartbeat_seconds: int) -> None:
        self.token = token
        self.connector = connector
        self.work = work
        self.period = min(heartbeat_seconds or _ASK_SECONDS, _ASK_SECONDS) / 3
        self.timer: asyncio.TimerHandle | None = None

    def take_details(self) -> str:
        """Work has no progress of its own."""
        return ""


class Works:
    """See the module."""

    def __init__(self, activities: Sequence[Activity], outbox: Outbox, record: Record) -> None:
        #: In the order of `Hello.activities` and `Hello.connectors`.
        self._connectors = [activity.connector for activity in activities]
        self._outbox = outbox
        self._record = record
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, Open] = {}
        self._stops: set[asyncio.Task[None]] = set()
        self._questions: set[asyncio.Task[None]] = set()
        #: Those who wait until an end is durable.
        self._settling: set[asyncio.Future[None]] = set()
        #: Number of the current connection.
        self._connection = 0
        self._closed = False

    def attach(self) -> None:
        """The worker begins."""
        for connector in self._connectors:
            if connector is not None:
                connector.attach(self._reports(connector))

    def on_welcome(self) -> None:
        """A connection begins."""
        self._connection += 1
        for work in self._open.values():
            self._outbox.beat(work)

    def begun(self, push: pb.Push, connector: Connector, begun: pb.Begun) -> None:
        """A start is done: its work is open from now on."""
        if push.start.pattern == pb.TASK_PATTERN_SYNC:
            work = _work_of(push, begun)
            self._begin(Open(push.task_token, connector, work, push.heartbeat_seconds))

    def begun_for_nobody(self, push: pb.Push, connector: Connector, begun: pb.Begun) -> None:
        """A start that nobody waits for any more has ended: what it has begun is stopped."""
        self._stop(connector, _work_of(push, begun))

    def cancelled(self, token: str) -> None:
        """Nobody waits for the work of this token."""
        work = self._forget(token)
        if work is not None:
            _log.debug("nobody waits for the work %s", work.work.client_id)
            self._stop(work.connector, work.work)

    def begin_refused(self, token: str) -> None:
        """Whether the coordinator has a begin already, or nobody waits for it, is told by the next heartbeat."""
        if token in self._open:
            self._outbox.beat(self._open[token])

    def on_query(self, query: pb.ConnectorQuery) -> None:
        """Asks a connector; the answer is for the connection that asks."""
        index = query.connector
        connector = self._connectors[index] if index < len(self._connectors) else None
        self._spawn(self._questions, self._answer(query, connector, self._connection))

    async def stopped(self, seconds: float) -> None:
        """Waits until what nobody waits for is stopped."""
        if self._stops and (await asyncio.wait(self._stops, timeout=seconds))[1]:
            _log.warning("work that nobody waits for was not stopped in time")

    def close(self) -> None:
        """The worker has ended: nothing is asked or told any more."""
        self._closed = True
        for token in list(self._open):
            self._forget(token)
        for task in self._stops | self._questions:
            task.cancel()
        for settled in self._settling:
            if not settled.done():
                settled.set_exception(_gone())
        self._settling.clear()

    def _reports(self, connector: Connector) -> Reports:
        async def ended(token: str, ending: Succeeded | Failed) -> None:
            self._check_open()
            result = ending.error if isinstance(ending, Failed) else _json.encode(ending.output)
            self._forget(token)
            settled: asyncio.Future[None] = self._loop.create_future()
            self._settling.add(settled)
            settled.add_done_callback(self._settling.discard)
            self._record(token, result, settled)
            await settled

        return Reports(lambda resumed: self._resume(connector, resumed), ended)

    def _resume(self, connector: Connector, resumed: Resumed) -> None:
        self._check_open()
        begun = message_of(Begun(resumed.work.handle, resumed.output), connector)
        self._record(resumed.token, begun, None)
        if resumed.pattern is Pattern.SYNC:
            self._begin(Open(resumed.token, connector, resumed.work, 0))

    def _check_open(self) -> None:
        if self._closed:
            raise _gone()

    def _begin(self, work: Open) -> None:
        self._forget(work.token)
        self._open[work.token] = work
        self._schedule(work)

    def _forget(self, token: str) -> Open | None:
        work = self._open.pop(token, None)
        if work is not None and work.timer is not None:
            work.timer.cancel()
        return work

    def _schedule(self, work: Open) -> None:
        work.timer = self._loop.call_later(work.period, self._on_due, work)

    def _on_due(self, work: Open) -> None:
        self._outbox.beat(work)
        self._schedule(work)

    def _stop(self, connector: Connector, work: Work) -> None:
        self._spawn(self._stops, _stop(connector, work))

    def _spawn(self, tasks: set[asyncio.Task[None]], coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _answer(self, query: pb.ConnectorQuery, connector: Connector | None, connection: int) -> None:
        answer = pb.ConnectorAnswer(number=query.number)
        try:
            await _ask(query, connector, answer)
        except Exception as error:
            answer.unknown = str(TaskError.of(error))
        if connection == self._connection:
            self._outbox.answer(answer)


async def start(activity: Activity, push: pb.Push, make: Callable[[], Task[Any]]) -> Ending:
    """Lets a connector begin the work of a task."""
    if activity.connector is None or not push.HasField("start"):
        return TaskError("ConnectorOnly", "the worker serves this as a connector; it is no activity of its own")
    try:
        task = make()
        beginning = Start(task.input, push.start.client_id, Pattern(push.start.pattern), task)
        started = await activity.connector.start(beginning)
        if isinstance(started, Begun):
            return message_of(started, activity.connector)
        return _json.encode(started.output)
    except EncodeError as error:
        return TaskError("InvalidOutput", str(error))
    except Exception as error:
        if not isinstance(error, TaskError):
            _log.warning("the connector %s raised", activity.name, exc_info=error)
        return TaskError.of(error)


def message_of(begun: Begun, connector: Connector) -> pb.Begun:
    """What has begun, as the coordinator is told.

    Raises:
        EncodeError: Handle or output are no JSON.
    """
    handle, output = _json.encode(begun.handle), _json.encode(begun.output)
    return pb.Begun(handle=handle, output=output, place=connector.place)


def _work_of(push: pb.Push, begun: pb.Begun) -> Work:
    return Work(push.start.client_id, _json.decode(begun.handle), push.execution_arn)


async def _ask(query: pb.ConnectorQuery, connector: Connector | None, answer: pb.ConnectorAnswer) -> None:
    if connector is None or query.kind not in (pb.ConnectorQuery.KIND_DESCRIBE, pb.ConnectorQuery.KIND_STOP):
        answer.unknown = "this worker does not know what is asked"
        return
    work = Work(query.client_id, _json.decode(query.handle), query.execution_arn)
    if query.kind == pb.ConnectorQuery.KIND_STOP:
        await connector.stop(work)
        answer.stopped.SetInParent()
        return
    standing = await connector.describe(work)
    if isinstance(standing, Going):
        answer.going.again_after_ms = round((standing.again_after or 0) * 1000)
    elif isinstance(standing, Succeeded):
        answer.output = _json.encode(standing.output)
    else:
        answer.failure.error, answer.failure.cause = standing.error.error, standing.error.cause


async def _stop(connector: Connector, work: Work) -> None:
    for _ in range(_STOPS):
        try:
            await connector.stop(work)
            return
        except Exception as error:
            _log.warning("work that nobody waits for was not stopped: %s", TaskError.of(error))
        await asyncio.sleep(_STOP_PAUSE)


def _gone() -> TransportError:
    return TransportError("the worker has ended")
