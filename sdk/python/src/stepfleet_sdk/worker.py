"""The worker: which activities a process serves, and how it starts and stops."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar, overload

from . import _json
from ._session.handlers import Activity, decoded, raw_output
from ._session.session import Options, Session
from .client import Client
from .connector import Connector
from .errors import ConfigurationError
from .task import Task
from .tuner import Targets

I = TypeVar("I")  # noqa: E741
F = TypeVar("F", bound=Callable[[Task[Any]], Any])
FText = TypeVar("FText", bound=Callable[[Task[str]], "str | Awaitable[str]"])

#: Tasks of one activity at once, unless `slots` says otherwise.
SLOTS_DEFAULT = 16
#: Longest worker name, characters.
_NAME_CHARS_MAX = 80


class Worker:
    """Serves activities over one stream: tasks are pushed into free slots, and each starts its handler at once.

    ```python
    worker = Worker(Client("http://127.0.0.1:8083"))

    @worker.activity("count", slots=8)
    async def count(task: Task[dict[str, str]]) -> dict[str, int]:
        return {"length": len(task.input["text"])}

    asyncio.run(worker.run())
    ```

    A handler is an async function, which runs in the event loop, or an ordinary one, which runs in a thread and may block or
    compute. What it returns (any JSON value, dataclasses included) is the output of the task; what it raises fails it: a
    `TaskError` with the name it says, any other exception with the name of its class.

    Heartbeats are sent by themselves, as long as no async handler blocks the event loop: what blocks or computes for long
    belongs into an ordinary function. A handler may be called more than once for the same work: a task that timed out may be
    scheduled again by the state machine while a late handler still goes on.

    Args:
        client: The coordinator; without one, the environment tells (`Endpoint.from_env`).
        name: In histories (`ActivityStarted.workerName`) and lists, 1 to 80 characters; the host's name by default.
        slots: Tasks of an activity at once, where its decorator says nothing else.
        build_id: The version of the program, for people.
        labels: For people and for matching.
        create_activities: Creates the activities that do not exist yet before they are served.
        grace: Seconds that running tasks may go on after the worker was asked to stop. What is then still running is
            cancelled and fails with the error `WorkerStopped`.
        stop_timeout: Seconds that a handler that was cancelled at the end of the grace period may clean up.
        confirm_timeout: Seconds that a stopping worker waits for the coordinator to confirm the last results.
        max_tasks: Tasks at once over all activities, besides the slots of each; 0 is no bound.
    """

    def __init__(
        self,
        client: Client | None = None,
        *,
        name: str | None = None,
        slots: int = SLOTS_DEFAULT,
        build_id: str = "",
        labels: Mapping[str, str] | None = None,
        create_activities: bool = False,
        grace: float = 30.0,
        stop_timeout: float = 5.0,
        confirm_timeout: float = 10.0,
        max_tasks: int = 0,
    ) -> None:
        self.client = client or Client()
        self.name = _default_name() if name is None else name
        self._slots = slots
        self._activities: list[Activity] = []
        self._options = Options(
            name=self.name,
            build_id=build_id,
            labels=dict(labels or {}),
            create_activities=create_activities,
            grace=grace,
            stop_timeout=stop_timeout,
            confirm_timeout=confirm_timeout,
            max_tasks=max_tasks,
        )
        self._running: Session | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @overload
    def activity(
        self,
        name: str,
        *,
        slots: int | None = None,
        slots_by_resources: Targets | None = None,
        max_rate: float = 0,
    ) -> Callable[[F], F]: ...

    @overload
    def activity(
        self,
        name: str,
        *,
        slots: int | None = None,
        slots_by_resources: Targets | None = None,
        max_rate: float = 0,
        input: Callable[[Any], I],
    ) -> Callable[[Callable[[Task[I]], Any]], Callable[[Task[I]], Any]]: ...

    def activity(
        self,
        name: str,
        *,
        slots: int | None = None,
        slots_by_resources: Targets | None = None,
        max_rate: float = 0,
        input: Callable[[Any], Any] | None = None,
    ) -> Callable[[Any], Any]:
        """Serves an activity with the decorated function.

        Args:
            name: The activity: its ARN, or its bare name.
            slots: How many tasks of it this worker takes at once.
            slots_by_resources: Lets that follow what the host has left, between two numbers.
            max_rate: How many tasks of it this worker is given a second; 0 is no bound.
            input: What `task.input` is to be: a dataclass, which is filled from an object with its fields, or any function
                of the JSON value (`Model.model_validate` of a pydantic model). An input that does not fit fails the task
                with `InvalidInput`. Without it, the JSON value itself.
        """
        return self._register(name, self._room(slots, slots_by_resources), max_rate, decoded(input), _json.encode)

    def activity_raw(
        self, name: str, *, slots: int | None = None, slots_by_resources: Targets | None = None, max_rate: float = 0
    ) -> Callable[[FText], FText]:
        """Serves an activity with a function from JSON text to JSON text: nothing is parsed on the way.

        Args:
            name: The activity: its ARN, or its bare name.
            slots: How many tasks of it this worker takes at once.
            slots_by_resources: Lets that follow what the host has left, between two numbers.
            max_rate: How many tasks of it this worker is given a second; 0 is no bound.
        """
        return self._register(name, self._room(slots, slots_by_resources), max_rate, str, raw_output)

    def connector(self, name: str, connector: Connector, *, slots: int | None = None) -> None:
        """Serves `arn:aws:states:::<name>`, `<name>.sync` and `<name>.waitForTaskToken`. Starts wait in the queue of the
        activity `connector.<service>.<action>`, which must exist (`create_activities`).

        Args:
            name: `<service>:<action>`.
            connector: What begins, describes and stops the work.
            slots: How many starts this worker does at once; not how much work goes on.
        """
        taken = self._slots if slots is None else slots
        self._activities.append(Activity(name, taken, 0, connector.start, _json.decode, _json.encode, connector))

    async def run(self, shutdown: asyncio.Event | None = None) -> None:
        """Serves until the shutdown, then drains.

        A draining worker takes no new tasks, hands back what has not begun, finishes the rest within the grace period, and
        leaves when every result is confirmed. Breaks of the connection are bridged: the worker comes back under the same
        session and sends again what was not confirmed. Cancelling this coroutine instead drops the handlers at once; the
        coordinator then ends their attempts as those of a lost worker.

        Args:
            shutdown: Ends the worker when it is set. Without it, SIGTERM and SIGINT (Ctrl-C) do.

        Raises:
            ConfigurationError: A worker that cannot work: no activity, one twice, no slots, a bad name.
            ApiError: The coordinator refuses it at its first connection.
            Abandoned: It could not finish in time.
        """
        self._check()
        session = Session(self.client._connection, list(self._activities), self._options)
        self._running, self._loop = session, asyncio.get_running_loop()
        try:
            if shutdown is not None:
                await session.run(shutdown)
                return
            with _Signals() as signalled:
                await session.run(signalled)
        finally:
            self._running = self._loop = None

    def set_slots(self, activity: str, slots: int) -> None:
        """From now on this worker takes so many tasks of an activity at once, from any thread. Those in hand beyond fewer
        slots go on.

        Args:
            activity: As it was registered.
            slots: At least 1: a worker that is to take nothing is drained or stopped.

        Raises:
            ConfigurationError: The worker does not serve the activity, or `slots` is less than 1.
        """
        served = enumerate(self._activities)
        index = next((i for i, each in served if each.name == activity and each.connector is None), None)
        if index is None:
            raise ConfigurationError(f"the worker does not serve the activity `{activity}`")
        if slots < 1:
            raise ConfigurationError(f"activity `{activity}` has no slots")
        self._activities[index] = replace(self._activities[index], slots=slots)
        session, loop = self._running, self._loop
        if session is not None and loop is not None:
            loop.call_soon_threadsafe(session.set_slots, activity, slots)

    def run_blocking(self) -> None:
        """`asyncio.run` of `run`, for programs that do nothing else."""

        async def main() -> None:
            async with self.client:
                await self.run()

        asyncio.run(main())

    def _room(self, slots: int | None, targets: Targets | None) -> tuple[int, Targets | None]:
        """With how many slots an activity begins, and what they follow.

        Raises:
            ConfigurationError: Both are given.
        """
        if targets is None:
            return self._slots if slots is None else slots, None
        if slots is not None:
            raise ConfigurationError("slots are either fixed or follow the host's resources")
        return targets.slots_min, targets

    def _register(
        self,
        name: str,
        room: tuple[int, Targets | None],
        max_rate: float,
        decode: Callable[[str], Any],
        encode: Callable[[Any], str],
    ) -> Callable[[Any], Any]:
        def register(function: Callable[[Task[Any]], Any]) -> Callable[[Task[Any]], Any]:
            slots, targets = room
            self._activities.append(Activity(name, slots, max_rate, function, decode, encode, targets=targets))
            return function

        return register

    def _check(self) -> None:
        if not self._activities:
            raise ConfigurationError("a worker needs at least one activity")
        if not 1 <= len(self.name) <= _NAME_CHARS_MAX:
            raise ConfigurationError(f"worker name `{self.name}` must have 1 to 80 characters")
        names = set()
        for activity in self._activities:
            if activity.targets is not None and (problem := activity.targets.problem()):
                raise ConfigurationError(f"activity `{activity.name}`: {problem}")
            if activity.slots < 1:
                raise ConfigurationError(f"activity `{activity.name}` has no slots")
            if activity.name in names:
                raise ConfigurationError(f"activity `{activity.name}` is registered twice")
            names.add(activity.name)


class _Signals:
    """An event that SIGTERM and SIGINT set; the same signal again has its usual effect."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._handled = (signal.SIGTERM, signal.SIGINT)

    def __enter__(self) -> asyncio.Event:
        for number in self._handled:
            # Not in the main thread, or on a system without: the caller ends the worker in another way.
            with suppress(NotImplementedError, RuntimeError, ValueError):
                self._loop.add_signal_handler(number, self._set)
        return self._event

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _set(self) -> None:
        self._event.set()
        self._restore()

    def _restore(self) -> None:
        for number in self._handled:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                self._loop.remove_signal_handler(number)


def _default_name() -> str:
    """The host's name, or the process id where it has none."""
    host = os.environ.get("HOSTNAME") or socket.gethostname()
    return host.strip()[:_NAME_CHARS_MAX] or f"worker-{os.getpid()}"
