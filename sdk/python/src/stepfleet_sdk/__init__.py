"""Client and worker library for Stepfleet.

`Client` calls the coordinator; `Worker` serves activities. Data flow of a worker: one gRPC stream per process; pushed tasks
start their handler at once; results, heartbeats and acknowledgements go back in batches; nothing is forgotten before the
coordinator has confirmed it. Glossary: a *task* is one attempt of an activity, named by its *task token*; a *slot* is room
for one task; a result is *confirmed* when the coordinator has made it durable.
"""

from . import errors
from ._version import __version__
from .client import Client
from .connector import (
    Answered,
    Begun,
    Connector,
    Failed,
    Going,
    Pattern,
    Reports,
    Resumed,
    Standing,
    Start,
    Started,
    Succeeded,
    Work,
)
from .endpoint import DEFAULT_ENDPOINT, Endpoint
from .errors import (
    Abandoned,
    ApiError,
    ConfigurationError,
    DecodeError,
    EncodeError,
    Error,
    ExecutionError,
    TransportError,
)
from .model import (
    Execution,
    ExecutionStatus,
    HistoryEvent,
    Route,
    StateMachineType,
)
from .task import CAUSE_CHARS_MAX, ERROR_CHARS_MAX, PROGRESS_BYTES_MAX, Task, TaskCancelled, TaskError
from .tuner import Targets
from .worker import SLOTS_DEFAULT, Worker

__all__ = [
    "CAUSE_CHARS_MAX",
    "DEFAULT_ENDPOINT",
    "ERROR_CHARS_MAX",
    "PROGRESS_BYTES_MAX",
    "SLOTS_DEFAULT",
    "Abandoned",
    "Answered",
    "ApiError",
    "Begun",
    "Client",
    "ConfigurationError",
    "Connector",
    "DecodeError",
    "EncodeError",
    "Endpoint",
    "Error",
    "Execution",
    "ExecutionError",
    "ExecutionStatus",
    "Failed",
    "Going",
    "HistoryEvent",
    "Pattern",
    "Reports",
    "Resumed",
    "Route",
    "Standing",
    "Start",
    "Started",
    "StateMachineType",
    "Succeeded",
    "Targets",
    "Task",
    "TaskCancelled",
    "TaskError",
    "TransportError",
    "Work",
    "Worker",
    "__version__",
    "errors",
]
