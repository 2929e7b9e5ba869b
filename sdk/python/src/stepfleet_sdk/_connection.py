"""The connection that all calls of a client share, and how a call is sent: with key and deadline, and again where it is
harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from ._retry import Attempts
from ._status import error_of
from .endpoint import Endpoint
from .errors import TransportError

M = TypeVar("M", bound=Message)


class Connection:
    """One HTTP/2 connection, made by the first call and made again after a break."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._metadata = endpoint._metadata()

    def channel(self) -> grpc.aio.Channel:
        """The channel. One belongs to the event loop in which it was made: another loop gets another one."""
        loop = asyncio.get_running_loop()
        if self._channel is None or self._loop is not loop:
            self._channel, self._loop = self.endpoint._channel(), loop
        return self._channel

    async def ready(self) -> None:
        """Waits until the coordinator is reached.

        Raises:
            TransportError: Nothing answers there within `connect_timeout`.
        """
        try:
            await asyncio.wait_for(self.channel().channel_ready(), self.endpoint.connect_timeout)
        except asyncio.TimeoutError:
            raise TransportError(f"cannot reach the coordinator at {self.endpoint.url}") from None

    async def close(self) -> None:
        """Closes the connection; calls that wait end with an error."""
        channel, self._channel = self._channel, None
        if channel is not None and self._loop is asyncio.get_running_loop():
            await channel.close()

    async def unary(
        self, path: str, request: Message, response: type[M], *, repeat: bool = True, extra: float = 0.0
    ) -> M:
        """Sends a request until it is answered, refused for good, or out of attempts.

        Args:
            path: `Service/Method`.
            request: The request.
            response: Type of the answer.
            repeat: Whether twice has the effect of once; else the caller decides.
            extra: Seconds that the coordinator may take on top of the request timeout.
        """
        attempts = Attempts(self.endpoint.retries if repeat else 0)
        timeout = self.endpoint.request_timeout + extra
        while True:
            call = self.channel().unary_unary(
                f"/stepfleet.v1.{path}",
                request_serializer=type(request).SerializeToString,
                response_deserializer=response.FromString,
            )
            try:
                answer: M = await call(request, timeout=timeout, metadata=self._metadata)
                return answer
            except grpc.aio.AioRpcError as status:
                error = error_of(status)
            await asyncio.sleep(attempts.after(error))

    async def stream(self, path: str, request: Message, response: type[M]) -> AsyncGenerator[M, None]:
        """The answers of a streaming call."""
        call = self.channel().unary_stream(
            f"/stepfleet.v1.{path}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )(request, metadata=self._metadata)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as status:
            raise error_of(status) from None
        finally:
            call.cancel()

    def duplex(self, path: str, request: type[Message], response: type[Message]) -> Any:
        """Begins a stream in both directions."""
        return self.channel().stream_stream(
            f"/stepfleet.v1.{path}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )(metadata=self._metadata)


class HasConnection(Protocol):
    """What the calls of a service need of the client."""

    _connection: Connection
