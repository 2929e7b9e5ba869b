"""The life of one worker: connection after connection while it serves, then the phases of its end."""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc

from .._backoff import Backoff
from .._connection import Connection
from .._proto import activities_pb2
from .._proto import fleet_pb2 as pb
from .._retry import delay_after
from .._status import error_of
from ..errors import Abandoned, AccessDeniedException, ApiError, Error, TransportError
from .handlers import Activity
from .host import Host
from .outbox import Outbox
from .tasks import Tasks

_log = logging.getLogger("stepfleet_sdk.worker")

#: Seconds from the first packet to `welcome`.
_GREETING_TIMEOUT = 10.0
#: A push is acknowledged by itself when nothing else went out for so many seconds.
_ACKNOWLEDGE_AFTER = 1.0
#: Seconds that the coordinator may take to end the stream after the worker has said its last.
_LEAVE_TIMEOUT = 2.0
#: Seconds after which slots that follow the host are looked at again.
_TUNE_EVERY = 1.0

#: Longest name of a host, characters.
_HOST_CHARS_MAX = 256

#: Refusals that time does not heal.
_FINAL = (
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
)


@dataclass
class Options:
    """How a worker presents itself, and how long it may take to stop."""

    name: str
    build_id: str
    labels: dict[str, str]
    create_activities: bool
    grace: float
    stop_timeout: float
    confirm_timeout: float
    #: Tasks at once over all activities; 0 is no bound.
    max_tasks: int = 0
    session_id: str = field(default_factory=lambda: uuid.uuid4().hex)


class _Ended(TransportError):
    """The coordinator ended the stream in order: it has heard everything, or does not want to."""


class Session:
    """Everything that one worker process is."""

    def __init__(self, connection: Connection, activities: Sequence[Activity], options: Options) -> None:
        self._connection = connection
        # Pushes count connectors behind activities.
        activities = sorted(activities, key=lambda activity: activity.connector is not None)
        self._activities = activities
        self._options = options
        self._outbox = Outbox()
        self._changes = asyncio.Event()
        self._tasks = Tasks(activities, self._outbox, self._changes.set)
        self._missing = [activity.queue for activity in activities] if options.create_activities else []
        self._backoff = Backoff(0.1, 5.0)
        self._acknowledging: asyncio.TimerHandle | None = None
        #: A coordinator has welcomed this worker once: what fails now will heal.
        self._welcomed = False
        #: That it is away was said.
        self._away = False
        #: An operator has told it to drain: what runs may finish, however long that takes.
        self._told = False

    async def run(self, shutdown: asyncio.Event) -> None:
        """Serves until the shutdown, then drains.

        Raises:
            ApiError: The coordinator refuses this worker at its first connection.
            Abandoned: It could not finish in time.
        """
        self._tasks.works.attach()
        link = asyncio.create_task(self._connections())
        waiting = asyncio.create_task(shutdown.wait())
        told = asyncio.create_task(self._told_and_done())
        tuning = asyncio.create_task(self._tune())
        try:
            await asyncio.wait((link, waiting, told), return_when=asyncio.FIRST_COMPLETED)
            if link.done():
                link.result()
            told.cancel()
            await asyncio.gather(told, return_exceptions=True)
            unfinished = await self._wind_down()
            unconfirmed = self._tasks.unconfirmed
            self._outbox.close()
            await self._tasks.works.stopped(_LEAVE_TIMEOUT)
            # Lets what is still to be said go out; over another connection when this one breaks.
            if self._outbox.is_open:
                await asyncio.wait((link,), timeout=_LEAVE_TIMEOUT)
            # A start may have ended meanwhile; what is still to be stopped then is given up.
            await self._tasks.works.stopped(_LEAVE_TIMEOUT)
            if unfinished or unconfirmed:
                raise Abandoned(unfinished, unconfirmed)
            _log.info("left")
        finally:
            waiting.cancel()
            told.cancel()
            link.cancel()
            tuning.cancel()
            if self._acknowledging is not None:
                self._acknowledging.cancel()
            self._tasks.close()
            await asyncio.gather(link, waiting, told, tuning, return_exceptions=True)

    def set_slots(self, activity: str, slots: int) -> None:
        """Changes the slots of an activity."""
        self._tasks.set_slots(activity, slots)

    async def _tune(self) -> None:
        """Looks at the host once a second, and sets the slots of the activities that follow it."""
        following = [(i, a.name, a.targets) for i, a in enumerate(self._activities) if a.targets is not None]
        host, clock = Host(), asyncio.get_running_loop().time
        while following:
            usage = host.usage(clock())
            for index, name, targets in following:
                if usage is not None:
                    slots = targets.next(usage, self._tasks.slots()[index], self._tasks.used(index))
                    self._tasks.set_slots(name, slots)
            await asyncio.sleep(_TUNE_EVERY)

    async def _wind_down(self) -> int:
        """Draining, stopping, confirming; gives how many handlers did not end although they were cancelled."""
        tasks, options = self._tasks, self._options
        _log.info("draining; %d tasks run", tasks.running)
        tasks.drain()
        self._outbox.drain()
        if not await self._until(lambda: tasks.running == 0, options.grace):
            _log.warning("the grace period is over; cancelling %d tasks", tasks.running)
            tasks.stop()
            await self._until(lambda: tasks.running == 0, options.stop_timeout)
        unfinished = tasks.running
        # Until the coordinator hears that this worker leaves it keeps for it what was handed back, or never arrived.
        await self._until(lambda: tasks.unconfirmed == 0 and self._said_all(), options.confirm_timeout)
        return unfinished

    def _said_all(self) -> bool:
        return not self._welcomed or self._outbox.has_said_all

    async def _told_and_done(self) -> None:
        """Waits until it was told to drain and has nothing left. Until then it can be told to go on."""
        while not (self._told and self._tasks.running == 0 and self._tasks.unconfirmed == 0):
            self._changes.clear()
            await self._changes.wait()

    async def _until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Waits until something holds; false when it does not in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not holds():
            left = deadline - loop.time()
            if left <= 0:
                return False
            self._changes.clear()
            try:
                await asyncio.wait_for(self._changes.wait(), left)
            except asyncio.TimeoutError:
                return holds()
        return True

    async def _connections(self) -> None:
        """Connection after connection, until all is said."""
        while True:
            try:
                delay = await self._serve()
            except Error as error:
                if self._outbox.closed and isinstance(error, _Ended):
                    return
                if not self._welcomed and isinstance(error, ApiError) and error.code in _FINAL:
                    raise
                level = logging.DEBUG if self._away else logging.WARNING
                where = self._connection.endpoint.url
                _log.log(level, "without coordinator at %s; trying again until it is back: %s", where, error)
                self._away = True
                delay = delay_after(error, self._backoff)
            await asyncio.sleep(delay)

    async def _serve(self) -> float:
        """One connection to its end; gives after how many seconds the coordinator asks to come back.

        Raises:
            Error: It broke, or did not come up.
        """
        self._outbox.begin()
        call = self._connection.duplex("FleetService/Work", pb.WorkerMessage, pb.CoordinatorMessage)
        writer: asyncio.Task[None] | None = None
        try:
            try:
                message = await asyncio.wait_for(self._greet(call), _GREETING_TIMEOUT)
            except asyncio.TimeoutError:
                raise TransportError("the coordinator did not answer in time") from None
            self._on_welcome(message.welcome)
            writer = asyncio.create_task(self._write(call))
            while True:
                self._on_message(message)
                if message.reconnect_after_ms > 0 and not self._outbox.closed:
                    _log.info("the coordinator asks to reconnect after %d ms", message.reconnect_after_ms)
                    self._away = True
                    return float(message.reconnect_after_ms) / 1000
                message = await self._read(call)
        except grpc.aio.AioRpcError as status:
            raise error_of(status) from None
        finally:
            self._outbox.ended()
            if writer is not None:
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)
            call.cancel()

    async def _greet(self, call: Any) -> pb.CoordinatorMessage:
        """Creates what is missing, says hello, and gives the coordinator's first message."""
        for activity in self._missing:
            # Of an ARN, its last part counts.
            request = activities_pb2.CreateActivityRequest(name=activity.rpartition(":")[2])
            path = "ActivityService/CreateActivity"
            # Who may work need not be allowed to create; whether the activity is there the answer to `hello` tells.
            with suppress(AccessDeniedException):
                await self._connection.unary(path, request, activities_pb2.CreateActivityResponse)
        self._missing = []
        served = list(zip(self._activities, self._tasks.slots(), strict=True))
        hello = pb.Hello(
            worker_name=self._options.name,
            session_id=self._options.session_id,
            activities=[
                pb.ActivitySlots(activity=a.name, slots=slots, max_rate=a.max_rate)
                for a, slots in served
                if a.connector is None
            ],
            connectors=[
                pb.ConnectorSlots(connector=a.name, slots=slots, place=a.connector.place)
                for a, slots in served
                if a.connector is not None
            ],
            max_tasks=self._options.max_tasks,
            labels=self._options.labels,
            build_id=self._options.build_id,
            held=self._tasks.inventory(),
            host=socket.gethostname()[:_HOST_CHARS_MAX],
            told_to_drain=self._told,
        )
        try:
            await call.write(pb.WorkerMessage(hello=hello))
        except asyncio.InvalidStateError:
            # The call is over already; reading tells why.
            _log.debug("the connection ended before hello")
        message = await self._read(call)
        if not message.HasField("welcome"):
            raise TransportError("the coordinator did not begin with a welcome")
        return message

    async def _read(self, call: Any) -> pb.CoordinatorMessage:
        message = await call.read()
        if isinstance(message, pb.CoordinatorMessage):
            return message
        raise _Ended("the coordinator ended the stream")

    async def _write(self, call: Any) -> None:
        try:
            while (message := await self._outbox.next_message()) is not None:
                await call.write(message)
                self._changes.set()
            await call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # Reading tells why.
            _log.debug("the connection ended while writing")

    def _on_welcome(self, welcome: pb.Welcome) -> None:
        resumed = " and resumed the session" if welcome.resumed else ""
        _log.info("connected to the coordinator at %s%s", self._connection.endpoint.url, resumed)
        self._welcomed = True
        self._away = False
        self._backoff.reset()
        self._tasks.on_welcome(welcome)
        self._outbox.welcomed()

    def _on_message(self, message: pb.CoordinatorMessage) -> None:
        # What is pushed with the word to go on is taken.
        if message.order == pb.ORDER_DRAIN and not self._told:
            _log.info("told to drain; %d tasks run", self._tasks.running)
            self._told = True
            self._tasks.drain()
            self._outbox.wake()
            self._changes.set()
        elif message.order == pb.ORDER_RESUME and self._told and not self._outbox.draining:
            _log.info("told to go on")
            self._told = False
            self._tasks.resume()
        self._tasks.on_refused(message.refused)
        self._tasks.on_refused_progress(message.refused_progress)
        self._tasks.on_confirmed(message.confirmed)
        for token in message.cancelled:
            self._tasks.on_cancelled(token)
        for query in message.queries:
            self._tasks.works.on_query(query)
        for push in message.pushes:
            self._tasks.on_push(push)
        if message.pushes and self._acknowledging is None:
            loop = asyncio.get_running_loop()
            self._acknowledging = loop.call_later(_ACKNOWLEDGE_AFTER, self._acknowledge)

    def _acknowledge(self) -> None:
        self._acknowledging = None
        self._outbox.acknowledge()
