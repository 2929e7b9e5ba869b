"""What can go wrong. A refusal by the coordinator is an `ApiError`; each of AWS's exception names is a class of it."""

from __future__ import annotations

from datetime import timedelta

import grpc


class Error(Exception):
    """Whatever this library raises."""

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later without any change."""
        return False


class ApiError(Error):
    """The coordinator refused the request. Catch a class of it (`StateMachineDoesNotExist`, …) to decide.

    Attributes:
        reason: AWS's exception name; that of the gRPC code when something else than a coordinator answered (a proxy).
        message: For people.
        code: The gRPC status code.
        retry_after: When the coordinator asks to be called again.
    """

    def __init__(
        self, reason: str, message: str, *, code: grpc.StatusCode, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.code = code
        self.retry_after = retry_after

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later without any change."""
        throttled = self.code is grpc.StatusCode.RESOURCE_EXHAUSTED and self.retry_after is not None
        return throttled or self.code is grpc.StatusCode.UNAVAILABLE


class TransportError(Error):
    """The coordinator was not reached, or its answer was lost: the request may or may not have had its effect."""

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later without any change."""
        return True


class ConfigurationError(Error):
    """Options that cannot work: a malformed URL, an unreadable key file, an activity registered twice, …"""


class EncodeError(Error):
    """A value of the program cannot be written as JSON."""


class DecodeError(Error):
    """A JSON value does not have the shape that the program asked for."""


class ExecutionError(Error):
    """The execution that was waited for did not succeed.

    Attributes:
        status: How it ended: `FAILED`, `TIMED_OUT` or `ABORTED`.
        error: Error name, where the execution has one.
        cause: Explanation, where the execution has one.
    """

    def __init__(self, status: str, error: str | None, cause: str | None) -> None:
        super().__init__(f"execution ended as {status}: {error or 'no error name'}: {cause or 'no cause'}")
        self.status = status
        self.error = error
        self.cause = cause


class Abandoned(Error):
    """A worker that was asked to stop had to leave before all was done.

    Attributes:
        unfinished: Handlers that went on beyond the grace period.
        unconfirmed: Results that the coordinator did not confirm in time.
    """

    def __init__(self, unfinished: int, unconfirmed: int) -> None:
        super().__init__(f"worker left with {unfinished} tasks unfinished and {unconfirmed} results unconfirmed")
        self.unfinished = unfinished
        self.unconfirmed = unconfirmed


class AccessDeniedException(ApiError):
    """The key or the signature may not do this."""


class ActivityAlreadyExists(ApiError):
    """An activity of this name has other settings."""


class ActivityDoesNotExist(ApiError):
    """There is no such activity."""


class ActivityLimitExceeded(ApiError):
    """There are as many activities as there may be."""


class ActivityWorkerLimitExceeded(ApiError):
    """As many workers wait for this activity as may."""


class ConflictException(ApiError):
    """Another request changes the same thing now."""


class ExecutionAlreadyExists(ApiError):
    """The name was used by another execution."""


class ExecutionDoesNotExist(ApiError):
    """There is no such execution."""


class ExecutionLimitExceeded(ApiError):
    """As many executions run as may."""


class ExecutionNotRedrivable(ApiError):
    """The execution cannot be redriven; the message says why."""


class IncompleteSignature(ApiError):
    """Parts of the signature are missing."""


class InternalServerError(ApiError):
    """The coordinator failed; its log says how."""


class InvalidArn(ApiError):
    """The ARN is malformed."""


class InvalidDefinition(ApiError):
    """The definition is no valid Amazon States Language."""


class InvalidEncryptionConfiguration(ApiError):
    """The encryption configuration is not valid."""


class InvalidExecutionInput(ApiError):
    """The input is no JSON."""


class InvalidLoggingConfiguration(ApiError):
    """The logging configuration is not valid."""


class InvalidName(ApiError):
    """The name has characters or a length that names may not have."""


class InvalidOutput(ApiError):
    """The output is no JSON, or too large."""


class InvalidSignatureException(ApiError):
    """The signature does not fit the request."""


class InvalidToken(ApiError):
    """The task token is malformed."""


class MissingAuthenticationTokenException(ApiError):
    """The request shows no key, and one is asked for."""


class MissingRequiredParameter(ApiError):
    """A parameter is missing."""


class ResourceNotFound(ApiError):
    """There is no such resource."""


class SerializationException(ApiError):
    """The request could not be read."""


class ServiceQuotaExceededException(ApiError):
    """A quota is used up."""


class ServiceUnavailable(ApiError):
    """The coordinator cannot do it now; the same request may succeed later."""


class StateMachineAlreadyExists(ApiError):
    """A state machine of this name has another definition or other settings."""


class StateMachineDeleting(ApiError):
    """The state machine is being deleted."""


class StateMachineDoesNotExist(ApiError):
    """There is no such state machine."""


class StateMachineLimitExceeded(ApiError):
    """There are as many state machines as there may be."""


class StateMachineTypeNotSupported(ApiError):
    """State machines of this type cannot do this."""


class TaskDoesNotExist(ApiError):
    """There is no such task (any more)."""


class TaskTimedOut(ApiError):
    """The attempt is over: it timed out, was closed, or its execution ended."""


class ThrottlingException(ApiError):
    """Too many requests; `retry_after` says when to come again."""


class TooManyTags(ApiError):
    """A resource has at most 50 tags."""


class UnknownOperationException(ApiError):
    """The coordinator does not know this operation."""


class UnrecognizedClientException(ApiError):
    """Nobody has this key."""


class ValidationException(ApiError):
    """A parameter is not valid; the message says which."""


#: Every class of `ApiError` by its name.
BY_REASON: dict[str, type[ApiError]] = {kind.__name__: kind for kind in ApiError.__subclasses__()}
