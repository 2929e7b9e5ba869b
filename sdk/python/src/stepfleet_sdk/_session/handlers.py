"""How the program's functions are called: inputs decoded, outputs encoded, exceptions turned into failures."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .. import _json
from .._proto import fleet_pb2 as pb
from ..connector import Connector
from ..errors import EncodeError
from ..task import Task, TaskCancelled, TaskError
from ..tuner import Targets

_log = logging.getLogger("stepfleet_sdk.worker")

#: JSON text of the output, what a connector has begun, or the failure.
Ending = str | pb.Begun | TaskError


@dataclass(frozen=True)
class Activity:
    """An activity as it was registered."""

    name: str
    #: Tasks of it at once when the worker begins.
    slots: int
    #: Tasks that the worker is given a second; 0 is no bound.
    max_rate: float
    #: Of a connector how it begins work.
    function: Callable[[Any], Any]
    #: From the JSON text to what the function takes.
    decode: Callable[[str], Any]
    #: From what the function gives to JSON text.
    encode: Callable[[Any], str]
    #: Which begins the work of its tasks, when this is no activity.
    connector: Connector | None = None
    #: What its slots follow, if they do.
    targets: Targets | None = None

    @property
    def is_async(self) -> bool:
        """Whether the function runs in the event loop; else in a thread."""
        return self.connector is not None or _is_async(self.function)

    @property
    def queue(self) -> str:
        """The activity in whose queue its tasks wait."""
        return self.name if self.connector is None else "connector." + self.name.replace(":", ".")

    def prepare(self, text: str) -> Any:
        """The input.

        Raises:
            TaskError: It does not fit.
        """
        try:
            return self.decode(text)
        except Exception as error:
            cause = f"the input does not fit activity `{self.name}`: {error or type(error).__name__}"
            raise TaskError("InvalidInput", cause) from error

    def conclude(self, value: Any) -> Ending:
        """What a function's value is as a result."""
        try:
            return self.encode(value)
        except EncodeError as error:
            return TaskError("InvalidOutput", str(error))

    async def call(self, make: Callable[[], Task[Any]]) -> Ending:
        """Calls an async function; cancellation goes through."""
        try:
            awaited: Awaitable[Any] = self.function(make())
            return self.conclude(await awaited)
        except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self._failed(error)

    def call_blocking(self, make: Callable[[], Task[Any]]) -> Ending:
        """Calls a blocking function."""
        try:
            return self.conclude(self.function(make()))
        except BaseException as error:
            # In a thread there is nobody else to tell, whatever it is.
            return self._failed(error)

    def _failed(self, error: BaseException) -> TaskError:
        if not isinstance(error, (TaskError, TaskCancelled)):
            _log.warning("a handler of activity %s raised", self.name, exc_info=error)
        return TaskError.of(error)


def raw_output(value: Any) -> str:
    """The output of a handler that gives JSON text itself.

    Raises:
        EncodeError: It is no text.
    """
    if not isinstance(value, str):
        raise EncodeError(f"a raw handler gives JSON text, not {type(value).__name__}")
    return value


def decoded(shape: Callable[[Any], Any] | None) -> Callable[[str], Any]:
    """From JSON text to a value of the program."""
    if shape is None:
        return _json.decode
    fit = _json.decoder(shape)
    return lambda text: fit(_json.decode(text))


def _is_async(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
