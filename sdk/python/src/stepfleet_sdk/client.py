"""The client: one shared connection and a method for every call of the API."""

from __future__ import annotations

from types import TracebackType

from ._connection import Connection
from .calls.access import Access
from .calls.activities import Activities, Admin, Tasks
from .calls.executions import Executions
from .calls.state_machines import StateMachines
from .calls.versions import Tags, Versions
from .calls.workers import Workers
from .endpoint import Endpoint


class Client(StateMachines, Versions, Tags, Executions, Activities, Tasks, Workers, Access, Admin):
    """A client of a coordinator.

    It connects with its first call, comes back by itself after a break, and is meant to be shared by everything in an
    event loop. Calls that may be repeated safely are repeated, with growing delays, when the coordinator is not reached or
    asks for it (`Endpoint.retries`).

    ```python
    async with Client("http://127.0.0.1:8083") as client:
        execution = await client.start(machine_arn, {"text": "hello"})
        print((await client.wait(execution)).result())
    ```

    Args:
        endpoint: Where the coordinator is: a URL, or an `Endpoint` with options. Without one, the environment tells
            (`Endpoint.from_env`).

    Raises:
        ConfigurationError: Options that cannot work.
    """

    def __init__(self, endpoint: Endpoint | str | None = None) -> None:
        if endpoint is None:
            endpoint = Endpoint.from_env()
        elif isinstance(endpoint, str):
            endpoint = Endpoint(endpoint)
        self.endpoint = endpoint
        self._connection = Connection(endpoint)

    async def connect(self) -> Client:
        """Connects now, to find out early whether the coordinator is there.

        Raises:
            TransportError: Nothing answers within `Endpoint.connect_timeout`.
        """
        await self._connection.ready()
        return self

    async def close(self) -> None:
        """Closes the connection."""
        await self._connection.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Client({self.endpoint!r})"
