from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Order(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_UNSPECIFIED: _ClassVar[Order]
    ORDER_DRAIN: _ClassVar[Order]
    ORDER_RESUME: _ClassVar[Order]

class TaskPattern(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_PATTERN_REQUEST_RESPONSE: _ClassVar[TaskPattern]
    TASK_PATTERN_SYNC: _ClassVar[TaskPattern]
    TASK_PATTERN_WAIT_FOR_TASK_TOKEN: _ClassVar[TaskPattern]
ORDER_UNSPECIFIED: Order
ORDER_DRAIN: Order
ORDER_RESUME: Order
TASK_PATTERN_REQUEST_RESPONSE: TaskPattern
TASK_PATTERN_SYNC: TaskPattern
TASK_PATTERN_WAIT_FOR_TASK_TOKEN: TaskPattern

class WorkerMessage(_message.Message):
    __slots__ = ("hello", "results", "heartbeats", "received", "draining", "returned", "slots", "answers")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEATS_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    RETURNED_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    results: _containers.RepeatedCompositeFieldContainer[TaskResult]
    heartbeats: _containers.RepeatedCompositeFieldContainer[TaskHeartbeat]
    received: int
    draining: bool
    returned: _containers.RepeatedScalarFieldContainer[str]
    slots: _containers.RepeatedCompositeFieldContainer[SlotsChange]
    answers: _containers.RepeatedCompositeFieldContainer[ConnectorAnswer]
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., results: _Optional[_Iterable[_Union[TaskResult, _Mapping]]] = ..., heartbeats: _Optional[_Iterable[_Union[TaskHeartbeat, _Mapping]]] = ..., received: _Optional[int] = ..., draining: bool = ..., returned: _Optional[_Iterable[str]] = ..., slots: _Optional[_Iterable[_Union[SlotsChange, _Mapping]]] = ..., answers: _Optional[_Iterable[_Union[ConnectorAnswer, _Mapping]]] = ...) -> None: ...

class SlotsChange(_message.Message):
    __slots__ = ("activity", "slots")
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    activity: int
    slots: int
    def __init__(self, activity: _Optional[int] = ..., slots: _Optional[int] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("worker_name", "session_id", "activities", "labels", "build_id", "held", "host", "told_to_drain", "max_tasks", "connectors")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_NAME_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVITIES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    BUILD_ID_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    TOLD_TO_DRAIN_FIELD_NUMBER: _ClassVar[int]
    MAX_TASKS_FIELD_NUMBER: _ClassVar[int]
    CONNECTORS_FIELD_NUMBER: _ClassVar[int]
    worker_name: str
    session_id: str
    activities: _containers.RepeatedCompositeFieldContainer[ActivitySlots]
    labels: _containers.ScalarMap[str, str]
    build_id: str
    held: _containers.RepeatedScalarFieldContainer[str]
    host: str
    told_to_drain: bool
    max_tasks: int
    connectors: _containers.RepeatedCompositeFieldContainer[ConnectorSlots]
    def __init__(self, worker_name: _Optional[str] = ..., session_id: _Optional[str] = ..., activities: _Optional[_Iterable[_Union[ActivitySlots, _Mapping]]] = ..., labels: _Optional[_Mapping[str, str]] = ..., build_id: _Optional[str] = ..., held: _Optional[_Iterable[str]] = ..., host: _Optional[str] = ..., told_to_drain: bool = ..., max_tasks: _Optional[int] = ..., connectors: _Optional[_Iterable[_Union[ConnectorSlots, _Mapping]]] = ...) -> None: ...

class ActivitySlots(_message.Message):
    __slots__ = ("activity", "slots", "max_rate")
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    MAX_RATE_FIELD_NUMBER: _ClassVar[int]
    activity: str
    slots: int
    max_rate: float
    def __init__(self, activity: _Optional[str] = ..., slots: _Optional[int] = ..., max_rate: _Optional[float] = ...) -> None: ...

class TaskResult(_message.Message):
    __slots__ = ("task_token", "number", "output", "failure", "begun")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    BEGUN_FIELD_NUMBER: _ClassVar[int]
    task_token: str
    number: int
    output: str
    failure: TaskFailure
    begun: Begun
    def __init__(self, task_token: _Optional[str] = ..., number: _Optional[int] = ..., output: _Optional[str] = ..., failure: _Optional[_Union[TaskFailure, _Mapping]] = ..., begun: _Optional[_Union[Begun, _Mapping]] = ...) -> None: ...

class TaskFailure(_message.Message):
    __slots__ = ("error", "cause")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    error: str
    cause: str
    def __init__(self, error: _Optional[str] = ..., cause: _Optional[str] = ...) -> None: ...

class TaskHeartbeat(_message.Message):
    __slots__ = ("task_token", "details")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    task_token: str
    details: str
    def __init__(self, task_token: _Optional[str] = ..., details: _Optional[str] = ...) -> None: ...

class CoordinatorMessage(_message.Message):
    __slots__ = ("welcome", "pushes", "confirmed", "cancelled", "refused", "reconnect_after_ms", "order", "queries", "refused_progress")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    PUSHES_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    pushes: _containers.RepeatedCompositeFieldContainer[Push]
    confirmed: int
    cancelled: _containers.RepeatedScalarFieldContainer[str]
    refused: _containers.RepeatedCompositeFieldContainer[RefusedResult]
    reconnect_after_ms: int
    order: Order
    queries: _containers.RepeatedCompositeFieldContainer[ConnectorQuery]
    refused_progress: _containers.RepeatedCompositeFieldContainer[RefusedResult]
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., pushes: _Optional[_Iterable[_Union[Push, _Mapping]]] = ..., confirmed: _Optional[int] = ..., cancelled: _Optional[_Iterable[str]] = ..., refused: _Optional[_Iterable[_Union[RefusedResult, _Mapping]]] = ..., reconnect_after_ms: _Optional[int] = ..., order: _Optional[_Union[Order, str]] = ..., queries: _Optional[_Iterable[_Union[ConnectorQuery, _Mapping]]] = ..., refused_progress: _Optional[_Iterable[_Union[RefusedResult, _Mapping]]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("resumed", "activity_arns", "confirmed", "connector_arns")
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_ARNS_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    CONNECTOR_ARNS_FIELD_NUMBER: _ClassVar[int]
    resumed: bool
    activity_arns: _containers.RepeatedScalarFieldContainer[str]
    confirmed: int
    connector_arns: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, resumed: bool = ..., activity_arns: _Optional[_Iterable[str]] = ..., confirmed: _Optional[int] = ..., connector_arns: _Optional[_Iterable[str]] = ...) -> None: ...

class Push(_message.Message):
    __slots__ = ("number", "task_token", "activity", "input", "heartbeat_seconds", "execution_arn", "attempt", "traceparent", "start", "last_progress")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LAST_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    number: int
    task_token: str
    activity: int
    input: str
    heartbeat_seconds: int
    execution_arn: str
    attempt: int
    traceparent: str
    start: Start
    last_progress: str
    def __init__(self, number: _Optional[int] = ..., task_token: _Optional[str] = ..., activity: _Optional[int] = ..., input: _Optional[str] = ..., heartbeat_seconds: _Optional[int] = ..., execution_arn: _Optional[str] = ..., attempt: _Optional[int] = ..., traceparent: _Optional[str] = ..., start: _Optional[_Union[Start, _Mapping]] = ..., last_progress: _Optional[str] = ...) -> None: ...

class RefusedResult(_message.Message):
    __slots__ = ("task_token", "reason")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    task_token: str
    reason: str
    def __init__(self, task_token: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ConnectorSlots(_message.Message):
    __slots__ = ("connector", "slots", "place")
    CONNECTOR_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    connector: str
    slots: int
    place: str
    def __init__(self, connector: _Optional[str] = ..., slots: _Optional[int] = ..., place: _Optional[str] = ...) -> None: ...

class Start(_message.Message):
    __slots__ = ("client_id", "pattern")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    pattern: TaskPattern
    def __init__(self, client_id: _Optional[str] = ..., pattern: _Optional[_Union[TaskPattern, str]] = ...) -> None: ...

class Begun(_message.Message):
    __slots__ = ("handle", "output", "place")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    handle: str
    output: str
    place: str
    def __init__(self, handle: _Optional[str] = ..., output: _Optional[str] = ..., place: _Optional[str] = ...) -> None: ...

class ConnectorQuery(_message.Message):
    __slots__ = ("number", "connector", "kind", "client_id", "handle", "execution_arn")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[ConnectorQuery.Kind]
        KIND_DESCRIBE: _ClassVar[ConnectorQuery.Kind]
        KIND_STOP: _ClassVar[ConnectorQuery.Kind]
    KIND_UNSPECIFIED: ConnectorQuery.Kind
    KIND_DESCRIBE: ConnectorQuery.Kind
    KIND_STOP: ConnectorQuery.Kind
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CONNECTOR_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    number: int
    connector: int
    kind: ConnectorQuery.Kind
    client_id: str
    handle: str
    execution_arn: str
    def __init__(self, number: _Optional[int] = ..., connector: _Optional[int] = ..., kind: _Optional[_Union[ConnectorQuery.Kind, str]] = ..., client_id: _Optional[str] = ..., handle: _Optional[str] = ..., execution_arn: _Optional[str] = ...) -> None: ...

class ConnectorAnswer(_message.Message):
    __slots__ = ("number", "going", "output", "failure", "stopped", "unknown")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    GOING_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    number: int
    going: Going
    output: str
    failure: TaskFailure
    stopped: Stopped
    unknown: str
    def __init__(self, number: _Optional[int] = ..., going: _Optional[_Union[Going, _Mapping]] = ..., output: _Optional[str] = ..., failure: _Optional[_Union[TaskFailure, _Mapping]] = ..., stopped: _Optional[_Union[Stopped, _Mapping]] = ..., unknown: _Optional[str] = ...) -> None: ...

class Going(_message.Message):
    __slots__ = ("again_after_ms",)
    AGAIN_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    again_after_ms: int
    def __init__(self, again_after_ms: _Optional[int] = ...) -> None: ...

class Stopped(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
