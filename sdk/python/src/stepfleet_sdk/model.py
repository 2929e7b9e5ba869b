"""What the coordinator tells, as plain values: frozen dataclasses, `datetime`s in UTC, JSON documents parsed on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ._json import decode
from ._proto import activities_pb2, executions_pb2, state_machines_pb2, versions_pb2
from .errors import ExecutionError


class StateMachineType(str, Enum):
    """How executions of a state machine run."""

    STANDARD = "STANDARD"
    EXPRESS = "EXPRESS"

    __str__ = str.__str__


class ExecutionStatus(str, Enum):
    """Where an execution is."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"
    PENDING_REDRIVE = "PENDING_REDRIVE"

    __str__ = str.__str__

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen, unless somebody redrives it."""
        return self not in (ExecutionStatus.RUNNING, ExecutionStatus.PENDING_REDRIVE)


@dataclass(frozen=True)
class Diagnostic:
    """A finding about a definition."""

    #: `ERROR` or `WARNING`.
    severity: str
    code: str
    message: str
    #: `/States/<name>/<field>`, or a line and column when the text is not JSON.
    location: str


@dataclass(frozen=True)
class CreatedStateMachine:
    """A state machine that was created, or was there already with the same settings."""

    arn: str
    creation_date: datetime
    warnings: list[Diagnostic]
    #: Unless no version was published.
    version_arn: str | None


@dataclass(frozen=True)
class UpdatedStateMachine:
    """What an update did."""

    update_date: datetime
    #: `None` on the first revision.
    revision_id: str | None
    warnings: list[Diagnostic]
    #: Unless no version was published.
    version_arn: str | None


@dataclass(frozen=True)
class StateMachine:
    """A state machine, one of its versions, or what an alias leads to."""

    arn: str
    name: str
    #: `ACTIVE` or `DELETING`.
    status: str
    #: Amazon States Language, JSON text.
    definition_text: str = field(repr=False)
    role_arn: str
    type: StateMachineType
    creation_date: datetime
    revision_id: str | None
    #: By state: the variables that its fields read.
    variable_references: dict[str, list[str]]
    #: Of a version.
    description: str | None
    logging_configuration: Any
    tracing_configuration: Any
    encryption_configuration: Any

    @property
    def definition(self) -> Any:
        """The definition as a value."""
        return decode(self.definition_text)


@dataclass(frozen=True)
class StateMachineForExecution:
    """A state machine as an execution runs it."""

    arn: str
    name: str
    definition_text: str = field(repr=False)
    role_arn: str
    update_date: datetime
    revision_id: str | None
    variable_references: dict[str, list[str]]

    @property
    def definition(self) -> Any:
        """The definition as a value."""
        return decode(self.definition_text)


@dataclass(frozen=True)
class StateMachineListItem:
    """A state machine in a list."""

    arn: str
    name: str
    type: StateMachineType
    creation_date: datetime


@dataclass(frozen=True)
class Validation:
    """What a check of a definition found."""

    ok: bool
    diagnostics: list[Diagnostic]
    #: There were more than 100 findings.
    truncated: bool


@dataclass(frozen=True)
class TestedState:
    """What one state did."""

    #: Not a test, whatever collects tests by name thinks.
    __test__ = False

    #: `SUCCEEDED`, `FAILED`, `RETRIABLE` or `CAUGHT_ERROR`.
    status: str
    output_text: str | None
    error: str | None
    cause: str | None
    #: The state that this one leads to; `None` at the end.
    next_state: str | None
    #: What the stages of the state gave, by AWS's names in snake case (`after_input_path`, …), as far as it got.
    inspection: dict[str, Any]

    @property
    def output(self) -> Any:
        """The output as a value; `None` without one."""
        return _maybe(self.output_text)


@dataclass(frozen=True)
class Version:
    """A version of a state machine."""

    arn: str
    creation_date: datetime


@dataclass(frozen=True)
class Route:
    """Where an alias leads, and how often: the weights of an alias add up to 100."""

    version_arn: str
    weight: int = 100


@dataclass(frozen=True)
class CreatedAlias:
    """An alias that was created."""

    arn: str
    creation_date: datetime


@dataclass(frozen=True)
class Alias:
    """An alias of a state machine's versions."""

    arn: str
    name: str
    description: str
    routes: list[Route]
    creation_date: datetime
    update_date: datetime


@dataclass(frozen=True)
class AliasListItem:
    """An alias in a list."""

    arn: str
    creation_date: datetime


@dataclass(frozen=True)
class StartedExecution:
    """An execution that was started."""

    arn: str
    start_date: datetime


@dataclass(frozen=True)
class SyncExecution:
    """How an execution of an EXPRESS state machine ended."""

    arn: str
    state_machine_arn: str
    name: str
    status: ExecutionStatus
    start_date: datetime
    stop_date: datetime
    input_text: str
    output_text: str | None
    error: str | None
    cause: str | None
    trace_header: str
    billed_duration_ms: int
    billed_memory_mb: int

    @property
    def output(self) -> Any:
        """The output as a value; `None` without one."""
        return _maybe(self.output_text)

    def result(self) -> Any:
        """The output of a succeeded execution.

        Raises:
            ExecutionError: It did not succeed.
        """
        return _result(self)


@dataclass(frozen=True)
class OpenTask:
    """A task that is scheduled and not over."""

    state_name: str
    #: ARN of the activity, or `service:action`.
    resource: str
    #: From 0.
    attempt: int
    scheduled_date: datetime | None
    #: `None` while no worker has it.
    started_date: datetime | None
    #: Empty when it does not tell.
    worker_name: str
    #: What a heartbeat said last, in this attempt or one before.
    progress_text: str | None
    progress_date: datetime | None

    @property
    def progress(self) -> Any:
        """What a heartbeat said last, as a value; `None` when none did."""
        return _maybe(self.progress_text)


@dataclass(frozen=True)
class Execution:
    """An execution, also as the outcome that was waited for."""

    arn: str
    state_machine_arn: str
    name: str
    status: ExecutionStatus
    start_date: datetime
    #: `None` while it runs.
    stop_date: datetime | None
    input_text: str
    output_text: str | None
    error: str | None
    cause: str | None
    trace_header: str
    state_machine_version_arn: str | None
    state_machine_alias_arn: str | None
    redrive_count: int
    redrive_date: datetime | None
    #: `REDRIVABLE`, `NOT_REDRIVABLE` or `REDRIVABLE_BY_MAP_RUN`.
    redrive_status: str | None
    redrive_status_reason: str | None
    #: Of a running one: what it waits for that somebody works on or will, at most 100 of `open_task_count`.
    open_tasks: list[OpenTask]
    open_task_count: int

    @property
    def input(self) -> Any:
        """The input as a value."""
        return decode(self.input_text)

    @property
    def output(self) -> Any:
        """The output as a value; `None` without one."""
        return _maybe(self.output_text)

    def result(self) -> Any:
        """The output of a succeeded execution.

        Raises:
            ExecutionError: It did not succeed, or has not ended.
        """
        return _result(self)


@dataclass(frozen=True)
class ExecutionListItem:
    """An execution in a list."""

    arn: str
    state_machine_arn: str
    name: str
    status: ExecutionStatus
    start_date: datetime
    stop_date: datetime | None
    state_machine_version_arn: str | None
    state_machine_alias_arn: str | None
    redrive_count: int
    redrive_date: datetime | None


@dataclass(frozen=True)
class HistoryEvent:
    """One event of an execution's history."""

    id: int
    previous_event_id: int
    timestamp: datetime
    #: AWS's name: `TaskStateEntered`, `ActivitySucceeded`, …
    type: str
    #: The event's detail object as JSON text, as the AWS endpoint gives it; `None` where there is none.
    details_text: str | None

    @property
    def details(self) -> Any:
        """The event's detail object; `None` where there is none."""
        return _maybe(self.details_text)


@dataclass(frozen=True)
class CreatedActivity:
    """An activity that was created, or was there already."""

    arn: str
    creation_date: datetime


@dataclass(frozen=True)
class Activity:
    """An activity, its queue and its workers."""

    arn: str
    name: str
    creation_date: datetime
    #: Tasks that wait for a worker now.
    queued: int
    #: Age of the oldest of them, milliseconds.
    oldest_age_ms: int
    #: Worker slots and pollers connected now.
    workers: int
    encryption_configuration: Any


@dataclass(frozen=True)
class ActivityListItem:
    """An activity in a list."""

    arn: str
    name: str
    creation_date: datetime


@dataclass(frozen=True)
class ActivitySettings:
    """What holds an activity's tasks back."""

    #: Nothing is handed out; timeouts count.
    paused: bool
    #: Labels that a worker must have.
    required_labels: dict[str, str]
    #: Tasks at once over all workers; 0 is no bound.
    max_concurrency: int
    #: Tasks that may start a second; 0 is no bound.
    max_rate: float
    #: Seconds that a worker may be away before its tasks end as lost; infinite: their own timeouts alone end them;
    #: none: as the coordinator's.
    away_max: float | None = None


@dataclass(frozen=True)
class ActivityStats:
    """The queue of an activity, its workers, and the last minutes."""

    arn: str
    #: Tasks that wait for a worker now, and the age of the oldest.
    queued: int
    oldest_age_ms: int
    #: Tasks in workers' hands.
    in_hand: int
    #: Sessions of workers that serve it, and their slots.
    workers: int
    slots: int
    slots_used: int
    #: Calls of `get_activity_task` that wait.
    pollers: int
    #: What the counts below cover.
    window_ms: int
    started: int
    succeeded: int
    failed: int
    timed_out: int
    #: From schedule to start.
    start_latency_p50_ms: int
    start_latency_p99_ms: int
    #: It is needed, and no worker serves it.
    unserved: bool
    settings: ActivitySettings
    #: Labels that waiting tasks ask for and no worker has, with how many ask.
    unplaceable: list[tuple[dict[str, str], int]]


@dataclass(frozen=True)
class WorkerActivity:
    """An activity that a worker serves."""

    activity_arn: str
    slots: int
    #: Tasks in hand.
    used: int


@dataclass(frozen=True)
class WorkerInfo:
    """A worker, as the coordinator knows it."""

    session_id: str
    name: str
    #: Empty when the worker does not tell.
    host: str
    build_id: str
    labels: dict[str, str]
    activities: list[WorkerActivity]
    #: `CONNECTED`, `DRAINING`, `AWAY` or `GONE`.
    status: str
    connected_date: datetime
    last_seen_date: datetime
    gone_date: datetime | None


@dataclass(frozen=True)
class WorkerTask:
    """A task in a worker's hands."""

    execution_arn: str
    activity_arn: str
    since_date: datetime
    #: What a heartbeat of this attempt said last.
    progress_text: str | None
    progress_date: datetime | None

    @property
    def progress(self) -> Any:
        """What a heartbeat said last, as a value; `None` when none did."""
        return _maybe(self.progress_text)


@dataclass(frozen=True)
class ActivityTask:
    """A task from `get_activity_task`."""

    #: A secret: whoever has it can complete the task.
    token: str = field(repr=False)
    input_text: str
    #: What an attempt before this one said of its progress last.
    last_progress_text: str | None

    @property
    def input(self) -> Any:
        """The input as a value."""
        return decode(self.input_text)

    @property
    def last_progress(self) -> Any:
        """What an attempt before this one said of its progress last, as a value; `None` when none did."""
        return _maybe(self.last_progress_text)


@dataclass(frozen=True)
class Callback:
    """A task that waits for its token to be completed by anyone."""

    token: str = field(repr=False)
    execution_arn: str
    state_name: str
    #: `service:action` of the Task's Resource.
    resource: str
    #: The Task's Parameters: what a person or partner sees.
    parameters_text: str
    scheduled_date: datetime
    #: When TimeoutSeconds ends it; `None` without a timeout.
    deadline: datetime | None
    #: What a heartbeat said last.
    progress_text: str | None
    progress_date: datetime | None

    @property
    def progress(self) -> Any:
        """What a heartbeat said last, as a value; `None` when none did."""
        return _maybe(self.progress_text)

    @property
    def parameters(self) -> Any:
        """The Task's Parameters as a value."""
        return _maybe(self.parameters_text or None)


@dataclass(frozen=True)
class Status:
    """Facts about a coordinator."""

    version: str
    cluster_id: str
    partitions: int
    live_executions: int
    resident_executions: int
    #: Why new starts are refused now; `None` when they are not.
    refusing: str | None
    #: What the ARNs of the caller begin with.
    arn_prefix: str


def _maybe(text: str | None) -> Any:
    return None if text is None else decode(text)


def _result(ended: Execution | SyncExecution) -> Any:
    if ended.status is not ExecutionStatus.SUCCEEDED:
        raise ExecutionError(ended.status.value, ended.error, ended.cause)
    return ended.output


# From messages. A field that is not there is `None`; so is an empty text where emptiness means absence.


def optional(message: Message, name: str) -> Any:
    """A field, if the message has it."""
    return getattr(message, name) if message.HasField(name) else None


def date(message: Message, name: str) -> datetime:
    """A point in time that is always there."""
    stamp: Timestamp = getattr(message, name)
    return stamp.ToDatetime(timezone.utc)


def maybe_date(message: Message, name: str) -> datetime | None:
    """A point in time that may be absent."""
    return date(message, name) if message.HasField(name) else None


def word(enum: Any, number: int) -> str:
    """The word of an enum's value without the prefix that all of them share (`FAILED`)."""
    names: list[str] = enum.keys()
    prefix = names[0].removesuffix("UNSPECIFIED")
    name: str = enum.Name(number)
    return name.removeprefix(prefix)


def machine_type(number: int) -> StateMachineType:
    """The type of a state machine."""
    return StateMachineType(word(state_machines_pb2.StateMachineType, number))


def execution_status(number: int) -> ExecutionStatus:
    """The status of an execution."""
    return ExecutionStatus(word(executions_pb2.ExecutionStatus, number))


def diagnostics(messages: Any) -> list[Diagnostic]:
    """Findings."""
    severity = state_machines_pb2.Diagnostic.Severity
    return [Diagnostic(word(severity, m.severity), m.code, m.message, m.location) for m in messages]


def references(message: Any) -> dict[str, list[str]]:
    """The variables that states read."""
    entries: Mapping[str, Any] = message.variable_references
    return {state: list(names.names) for state, names in entries.items()}


def redrive_status(number: int) -> str | None:
    """Whether an execution can be redriven."""
    said = word(executions_pb2.ExecutionRedriveStatus, number)
    return None if said == "UNSPECIFIED" else said


def history_event(message: executions_pb2.HistoryEvent) -> HistoryEvent:
    """An event."""
    return HistoryEvent(
        message.id, message.previous_event_id, date(message, "timestamp"), message.type, message.details or None
    )


def open_tasks(messages: Any) -> list[OpenTask]:
    """Tasks that are scheduled and not over."""
    return [
        OpenTask(
            state_name=task.state_name,
            resource=task.resource,
            attempt=task.attempt,
            scheduled_date=maybe_date(task, "scheduled_date"),
            started_date=maybe_date(task, "started_date"),
            worker_name=task.worker_name,
            progress_text=task.progress or None,
            progress_date=maybe_date(task, "progress_date"),
        )
        for task in messages
    ]


def routes(messages: Any) -> list[Route]:
    """Where an alias leads."""
    return [Route(item.state_machine_version_arn, item.weight) for item in messages]


def callback(message: activities_pb2.Callback) -> Callback:
    """A task that waits for its token."""
    return Callback(
        token=message.task_token,
        execution_arn=message.execution_arn,
        state_name=message.state_name,
        resource=message.resource,
        parameters_text=message.parameters,
        scheduled_date=date(message, "scheduled_date"),
        deadline=maybe_date(message, "deadline"),
        progress_text=message.progress or None,
        progress_date=maybe_date(message, "progress_date"),
    )


def alias(message: versions_pb2.DescribeStateMachineAliasResponse) -> Alias:
    """An alias."""
    return Alias(
        arn=message.state_machine_alias_arn,
        name=message.name,
        description=message.description,
        routes=routes(message.routing_configuration),
        creation_date=date(message, "creation_date"),
        update_date=date(message, "update_date"),
    )
