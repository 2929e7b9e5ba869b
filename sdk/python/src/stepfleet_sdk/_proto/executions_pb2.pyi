import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExecutionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXECUTION_STATUS_UNSPECIFIED: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_RUNNING: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_SUCCEEDED: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_FAILED: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_TIMED_OUT: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_ABORTED: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_PENDING_REDRIVE: _ClassVar[ExecutionStatus]

class ExecutionRedriveStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXECUTION_REDRIVE_STATUS_UNSPECIFIED: _ClassVar[ExecutionRedriveStatus]
    EXECUTION_REDRIVE_STATUS_REDRIVABLE: _ClassVar[ExecutionRedriveStatus]
    EXECUTION_REDRIVE_STATUS_NOT_REDRIVABLE: _ClassVar[ExecutionRedriveStatus]
    EXECUTION_REDRIVE_STATUS_REDRIVABLE_BY_MAP_RUN: _ClassVar[ExecutionRedriveStatus]
EXECUTION_STATUS_UNSPECIFIED: ExecutionStatus
EXECUTION_STATUS_RUNNING: ExecutionStatus
EXECUTION_STATUS_SUCCEEDED: ExecutionStatus
EXECUTION_STATUS_FAILED: ExecutionStatus
EXECUTION_STATUS_TIMED_OUT: ExecutionStatus
EXECUTION_STATUS_ABORTED: ExecutionStatus
EXECUTION_STATUS_PENDING_REDRIVE: ExecutionStatus
EXECUTION_REDRIVE_STATUS_UNSPECIFIED: ExecutionRedriveStatus
EXECUTION_REDRIVE_STATUS_REDRIVABLE: ExecutionRedriveStatus
EXECUTION_REDRIVE_STATUS_NOT_REDRIVABLE: ExecutionRedriveStatus
EXECUTION_REDRIVE_STATUS_REDRIVABLE_BY_MAP_RUN: ExecutionRedriveStatus

class StartExecutionRequest(_message.Message):
    __slots__ = ("state_machine_arn", "name", "input", "trace_header")
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    TRACE_HEADER_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    name: str
    input: str
    trace_header: str
    def __init__(self, state_machine_arn: _Optional[str] = ..., name: _Optional[str] = ..., input: _Optional[str] = ..., trace_header: _Optional[str] = ...) -> None: ...

class StartExecutionResponse(_message.Message):
    __slots__ = ("execution_arn", "start_date")
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    execution_arn: str
    start_date: _timestamp_pb2.Timestamp
    def __init__(self, execution_arn: _Optional[str] = ..., start_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StartSyncExecutionRequest(_message.Message):
    __slots__ = ("state_machine_arn", "name", "input", "trace_header")
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    TRACE_HEADER_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    name: str
    input: str
    trace_header: str
    def __init__(self, state_machine_arn: _Optional[str] = ..., name: _Optional[str] = ..., input: _Optional[str] = ..., trace_header: _Optional[str] = ...) -> None: ...

class StartSyncExecutionResponse(_message.Message):
    __slots__ = ("execution_arn", "state_machine_arn", "name", "status", "start_date", "stop_date", "input", "output", "error", "cause", "trace_header", "billed_duration_ms", "billed_memory_mb")
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    STOP_DATE_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    TRACE_HEADER_FIELD_NUMBER: _ClassVar[int]
    BILLED_DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    BILLED_MEMORY_MB_FIELD_NUMBER: _ClassVar[int]
    execution_arn: str
    state_machine_arn: str
    name: str
    status: ExecutionStatus
    start_date: _timestamp_pb2.Timestamp
    stop_date: _timestamp_pb2.Timestamp
    input: str
    output: str
    error: str
    cause: str
    trace_header: str
    billed_duration_ms: int
    billed_memory_mb: int
    def __init__(self, execution_arn: _Optional[str] = ..., state_machine_arn: _Optional[str] = ..., name: _Optional[str] = ..., status: _Optional[_Union[ExecutionStatus, str]] = ..., start_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stop_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., input: _Optional[str] = ..., output: _Optional[str] = ..., error: _Optional[str] = ..., cause: _Optional[str] = ..., trace_header: _Optional[str] = ..., billed_duration_ms: _Optional[int] = ..., billed_memory_mb: _Optional[int] = ...) -> None: ...

class StopExecutionRequest(_message.Message):
    __slots__ = ("execution_arn", "error", "cause")
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    execution_arn: str
    error: str
    cause: str
    def __init__(self, execution_arn: _Optional[str] = ..., error: _Optional[str] = ..., cause: _Optional[str] = ...) -> None: ...

class StopExecutionResponse(_message.Message):
    __slots__ = ("stop_date",)
    STOP_DATE_FIELD_NUMBER: _ClassVar[int]
    stop_date: _timestamp_pb2.Timestamp
    def __init__(self, stop_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RedriveExecutionRequest(_message.Message):
    __slots__ = ("execution_arn", "client_token")
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    CLIENT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    execution_arn: str
    client_token: str
    def __init__(self, execution_arn: _Optional[str] = ..., client_token: _Optional[str] = ...) -> None: ...

class RedriveExecutionResponse(_message.Message):
    __slots__ = ("redrive_date",)
    REDRIVE_DATE_FIELD_NUMBER: _ClassVar[int]
    redrive_date: _timestamp_pb2.Timestamp
    def __init__(self, redrive_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DescribeExecutionRequest(_message.Message):
    __slots__ = ("execution_arn",)
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    execution_arn: str
    def __init__(self, execution_arn: _Optional[str] = ...) -> None: ...

class DescribeExecutionResponse(_message.Message):
    __slots__ = ("execution_arn", "state_machine_arn", "name", "status", "start_date", "stop_date", "input", "output", "error", "cause", "trace_header", "state_machine_version_arn", "state_machine_alias_arn", "redrive_count", "redrive_date", "redrive_status", "redrive_status_reason", "open_tasks", "open_task_count")
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    STOP_DATE_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    TRACE_HEADER_FIELD_NUMBER: _ClassVar[int]
    STATE_MACHINE_VERSION_ARN_FIELD_NUMBER: _ClassVar[int]
    STATE_MACHINE_ALIAS_ARN_FIELD_NUMBER: _ClassVar[int]
    REDRIVE_COUNT_FIELD_NUMBER: _ClassVar[int]
    REDRIVE_DATE_FIELD_NUMBER: _ClassVar[int]
    REDRIVE_STATUS_FIELD_NUMBER: _ClassVar[int]
    REDRIVE_STATUS_REASON_FIELD_NUMBER: _ClassVar[int]
    OPEN_TASKS_FIELD_NUMBER: _ClassVar[int]
    OPEN_TASK_COUNT_FIELD_NUMBER: _ClassVar[int]
    execution_arn: str
    state_machine_arn: str
    name: str
    status: ExecutionStatus
    start_date: _timestamp_pb2.Timestamp
    stop_date: _timestamp_pb2.Timestamp
    input: str
    output: str
    error: str
    cause: str
    trace_header: str
    state_machine_version_arn: str
    state_machine_alias_arn: str
    redrive_count: int
    redrive_date: _timestamp_pb2.Timestamp
    redrive_status: ExecutionRedriveStatus
    redrive_status_reason: str
    open_tasks: _containers.RepeatedCompositeFieldContainer[OpenTask]
    open_task_count: int
    def __init__(self, execution_arn: _Optional[str] = ..., state_machine_arn: _Optional[str] = ..., name: _Optional[str] = ..., status: _Optional[_Union[ExecutionStatus, str]] = ..., start_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stop_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., input: _Optional[str] = ..., output: _Optional[str] = ..., error: _Optional[str] = ..., cause: _Optional[str] = ..., trace_header: _Optional[str] = ..., state_machine_version_arn: _Optional[str] = ..., state_machine_alias_arn: _Optional[str] = ..., redrive_count: _Optional[int] = ..., redrive_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., redrive_status: _Optional[_Union[ExecutionRedriveStatus, str]] = ..., redrive_status_reason: _Optional[str] = ..., open_tasks: _Optional[_Iterable[_Union[OpenTask, _Mapping]]] = ..., open_task_count: _Optional[int] = ...) -> None: ...

class OpenTask(_message.Message):
    __slots__ = ("state_name", "resource", "attempt", "scheduled_date", "started_date", "worker_name", "progress", "progress_date")
    STATE_NAME_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_DATE_FIELD_NUMBER: _ClassVar[int]
    STARTED_DATE_FIELD_NUMBER: _ClassVar[int]
    WORKER_NAME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_DATE_FIELD_NUMBER: _ClassVar[int]
    state_name: str
    resource: str
    attempt: int
    scheduled_date: _timestamp_pb2.Timestamp
    started_date: _timestamp_pb2.Timestamp
    worker_name: str
    progress: str
    progress_date: _timestamp_pb2.Timestamp
    def __init__(self, state_name: _Optional[str] = ..., resource: _Optional[str] = ..., attempt: _Optional[int] = ..., scheduled_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., worker_name: _Optional[str] = ..., progress: _Optional[str] = ..., progress_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListExecutionsRequest(_message.Message):
    __slots__ = ("state_machine_arn", "status_filter", "page_size", "page_token")
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    STATUS_FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    status_filter: ExecutionStatus
    page_size: int
    page_token: str
    def __init__(self, state_machine_arn: _Optional[str] = ..., status_filter: _Optional[_Union[ExecutionStatus, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListExecutionsResponse(_message.Message):
    __slots__ = ("executions", "next_page_token")
    EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    executions: _containers.RepeatedCompositeFieldContainer[ExecutionListItem]
    next_page_token: str
    def __init__(self, executions: _Optional[_Iterable[_Union[ExecutionListItem, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ExecutionListItem(_message.Message):
    __slots__ = ("execution_arn", "state_machine_arn", "name", "status", "start_date", "stop_date", "state_machine_version_arn", "state_machine_alias_arn", "redrive_count", "redrive_date")
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    STOP_DATE_FIELD_NUMBER: _ClassVar[int]
    STATE_MACHINE_VERSION_ARN_FIELD_NUMBER: _ClassVar[int]
    STATE_MACHINE_ALIAS_ARN_FIELD_NUMBER: _ClassVar[int]
    REDRIVE_COUNT_FIELD_NUMBER: _ClassVar[int]
    REDRIVE_DATE_FIELD_NUMBER: _ClassVar[int]
    execution_arn: str
    state_machine_arn: str
    name: str
    status: ExecutionStatus
    start_date: _timestamp_pb2.Timestamp
    stop_date: _timestamp_pb2.Timestamp
    state_machine_version_arn: str
    state_machine_alias_arn: str
    redrive_count: int
    redrive_date: _timestamp_pb2.Timestamp
    def __init__(self, execution_arn: _Optional[str] = ..., state_machine_arn: _Optional[str] = ..., name: _Optional[str] = ..., status: _Optional[_Union[ExecutionStatus, str]] = ..., start_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stop_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state_machine_version_arn: _Optional[str] = ..., state_machine_alias_arn: _Optional[str] = ..., redrive_count: _Optional[int] = ..., redrive_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetExecutionHistoryRequest(_message.Message):
    __slots__ = ("execution_arn", "page_size", "page_token", "reverse_order", "exclude_execution_data")
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REVERSE_ORDER_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_EXECUTION_DATA_FIELD_NUMBER: _ClassVar[int]
    execution_arn: str
    page_size: int
    page_token: str
    reverse_order: bool
    exclude_execution_data: bool
    def __init__(self, execution_arn: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., reverse_order: bool = ..., exclude_execution_data: bool = ...) -> None: ...

class GetExecutionHistoryResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[HistoryEvent]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[HistoryEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class HistoryEvent(_message.Message):
    __slots__ = ("id", "previous_event_id", "timestamp", "type", "details")
    ID_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    id: int
    previous_event_id: int
    timestamp: _timestamp_pb2.Timestamp
    type: str
    details: str
    def __init__(self, id: _Optional[int] = ..., previous_event_id: _Optional[int] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., type: _Optional[str] = ..., details: _Optional[str] = ...) -> None: ...

class WatchExecutionRequest(_message.Message):
    __slots__ = ("execution_arn", "after_event_id")
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    AFTER_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    execution_arn: str
    after_event_id: int
    def __init__(self, execution_arn: _Optional[str] = ..., after_event_id: _Optional[int] = ...) -> None: ...

class WatchExecutionResponse(_message.Message):
    __slots__ = ("events", "status")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[HistoryEvent]
    status: ExecutionStatus
    def __init__(self, events: _Optional[_Iterable[_Union[HistoryEvent, _Mapping]]] = ..., status: _Optional[_Union[ExecutionStatus, str]] = ...) -> None: ...
