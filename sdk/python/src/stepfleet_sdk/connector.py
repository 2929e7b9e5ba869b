"""Connectors: integrations `arn:aws:states:::<service>:<action>` that a worker serves, in all three patterns. What a
connector begins outlives the call that begins it; by its handle it is found again, also by another process.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .task import Task, TaskError


class Pattern(enum.Enum):
    """How a task waits for what is begun."""

    #: The answer to the start ends the task.
    REQUEST_RESPONSE = 0
    #: `.sync`: the end of the work ends the task.
    SYNC = 1
    #: `.waitForTaskToken`: whoever has the token in the input ends the task.
    WAIT_FOR_TASK_TOKEN = 2


@dataclass(frozen=True)
class Start:
    """A task to begin."""

    #: A JSON value: the task's Parameters or Arguments.
    input: Any
    #: The same whenever this attempt is begun again.
    client_id: str
    #: How the task waits.
    pattern: Pattern
    #: Everything else about the task. Its `cancelled` is set when nobody waits for it any more; the start is not
    #: interrupted then, so that what it has begun is known, and can be stopped.
    task: Task[Any]


@dataclass(frozen=True)
class Answered:
    """Of a start: nothing is to be waited for."""

    #: A JSON value: the task's output. Of a `.waitForTaskToken` task what `TaskSubmitted` tells.
    output: Any


@dataclass(frozen=True)
class Begun:
    """Of a start: the work has begun."""

    #: A JSON value of at most 8192 bytes of text, by which the work is found again.
    handle: Any
    #: A JSON value for the event `TaskSubmitted`; of a task without pattern its output.
    output: Any = None


#: What came of a start.
Started = Answered | Begun


@dataclass(frozen=True)
class Work:
    """Work that a connector has begun."""

    #: As in `Start`.
    client_id: str
    #: As in `Begun`.
    handle: Any
    #: The execution that waits for it.
    execution_arn: str


@dataclass(frozen=True)
class Going:
    """Of work: it goes on."""

    #: Seconds after which to ask again; `None` leaves it to the coordinator: after a second at first, later after a minute.
    again_after: float | None = None


@dataclass(frozen=True)
class Succeeded:
    """Of work: it has ended well."""

    #: A JSON value: the task's output.
    output: Any = None


@dataclass(frozen=True)
class Failed:
    """Of work: it has ended otherwise."""

    error: TaskError


#: How work is.
Standing = Going | Succeeded | Failed


@dataclass(frozen=True)
class Resumed:
    """Work of an earlier process."""

    #: The token of its start.
    token: str
    #: The work.
    work: Work
    #: How its task waits.
    pattern: Pattern
    #: As in `Begun`: the earlier process may have ended before it could tell.
    output: Any = None


class Reports:
    """By which a connector tells of work without being asked; used in the event loop of its worker."""

    def __init__(
        self,
        resume: Callable[[Resumed], None],
        ended: Callable[[str, Succeeded | Failed], Awaitable[None]],
    ) -> None:
        self._resume = resume
        self._ended = ended

    async def resume(self, resumed: Resumed) -> None:
        """Takes over work of an earlier process: the coordinator is told that it has begun, in case it was not, and of a
        `.sync` task the worker asks from now on whether it is still waited for. Work that is not is stopped.

        Raises:
            TransportError: The worker has ended.
        """
        self._resume(resumed)

    async def ended(self, token: str, ending: Succeeded | Failed) -> None:
        """Tells the end of the work of a `.sync` task, named by the token of its start, and waits until that is durable with
        the coordinator, or nobody waits for it.

        Raises:
            TransportError: The worker ends first: the end is to be told again by the next process.
        """
        await self._ended(token, ending)


class Connector(ABC):
    """An integration that a worker serves; see `Worker.connector`.

    `start` begins the work, or answers at once; it may be called again with the same `Start.client_id`, in this process or
    another, and must then find what has begun. `describe` and `stop` are about work that has begun, perhaps by another
    process or, unless the connector has a place, on another host. All are called in parallel, in the event loop: what blocks
    belongs into `asyncio.to_thread`.
    """

    #: Where the work is, when only workers of this place can describe and stop it: drawn once per place, and the same after
    #: a restart. Empty when any worker can.
    place: str = ""

    @abstractmethod
    async def start(self, start: Start) -> Started:
        """Begins the work of a task. An exception fails the task, as one of a handler does."""

    @abstractmethod
    async def describe(self, work: Work) -> Standing:
        """How the work is. An exception says that this cannot be told now: it is asked again."""

    @abstractmethod
    async def stop(self, work: Work) -> None:
        """Ends the work, because nobody waits for it any more; work that has ended is stopped. An exception says that this
        could not be done now: it is asked for again.
        """

    def attach(self, reports: Reports) -> None:  # noqa: B027
        """Called once, when the worker begins: for connectors that tell by themselves when work ends, or that find work of
        an earlier process.
        """
