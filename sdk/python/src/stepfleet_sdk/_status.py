"""How the end of a gRPC call becomes one of our errors. The reason decides, never the message."""

from __future__ import annotations

import grpc
from google.protobuf.message import DecodeError as MalformedMessage

from ._proto import status_pb2
from .errors import BY_REASON, ApiError, Error, TransportError

_DETAILS = "grpc-status-details-bin"
_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)


def error_of(status: grpc.aio.AioRpcError) -> Error:
    """The error that a status stands for."""
    info, retry = _details(status)
    code, message = status.code(), status.details() or ""
    retry_after = None
    if retry is not None and retry.HasField("retry_delay"):
        retry_after = retry.retry_delay.ToTimedelta()
    if info is not None:
        kind = BY_REASON.get(info.reason, ApiError)
        return kind(info.reason, message, code=code, retry_after=retry_after)
    # A connection that breaks in the middle of an answer is told as an internal error of the stream.
    if code in _LOST or (code is grpc.StatusCode.INTERNAL and "RST_STREAM" in message):
        return TransportError(f"cannot reach the coordinator: {message or code.name}")
    return ApiError(_camel(code.name), message, code=code, retry_after=retry_after)


def _details(status: grpc.aio.AioRpcError) -> tuple[status_pb2.ErrorInfo | None, status_pb2.RetryInfo | None]:
    info = retry = None
    for key, value in status.trailing_metadata() or ():
        if key != _DETAILS or not isinstance(value, bytes):
            continue
        try:
            for detail in status_pb2.Status.FromString(value).details:
                name = detail.type_url.rpartition("/")[2]
                if name == "google.rpc.ErrorInfo":
                    info = status_pb2.ErrorInfo.FromString(detail.value)
                elif name == "google.rpc.RetryInfo":
                    retry = status_pb2.RetryInfo.FromString(detail.value)
        except MalformedMessage:
            # Something between us and the coordinator made it up; the code still tells.
            continue
    return info, retry


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
