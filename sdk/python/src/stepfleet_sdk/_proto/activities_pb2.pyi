import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateActivityRequest(_message.Message):
    __slots__ = ("name", "tags", "encryption_configuration")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    ENCRYPTION_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    tags: _containers.ScalarMap[str, str]
    encryption_configuration: str
    def __init__(self, name: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., encryption_configuration: _Optional[str] = ...) -> None: ...

class CreateActivityResponse(_message.Message):
    __slots__ = ("activity_arn", "creation_date")
    ACTIVITY_ARN_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    activity_arn: str
    creation_date: _timestamp_pb2.Timestamp
    def __init__(self, activity_arn: _Optional[str] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeleteActivityRequest(_message.Message):
    __slots__ = ("activity_arn",)
    ACTIVITY_ARN_FIELD_NUMBER: _ClassVar[int]
    activity_arn: str
    def __init__(self, activity_arn: _Optional[str] = ...) -> None: ...

class DeleteActivityResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeActivityRequest(_message.Message):
    __slots__ = ("activity_arn",)
    ACTIVITY_ARN_FIELD_NUMBER: _ClassVar[int]
    activity_arn: str
    def __init__(self, activity_arn: _Optional[str] = ...) -> None: ...

class DescribeActivityResponse(_message.Message):
    __slots__ = ("activity_arn", "name", "creation_date", "queued", "oldest_age_ms", "workers", "encryption_configuration", "unserved", "settings", "in_hand", "unplaceable")
    ACTIVITY_ARN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    ENCRYPTION_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    IN_HAND_FIELD_NUMBER: _ClassVar[int]
    UNPLACEABLE_FIELD_NUMBER: _ClassVar[int]
    activity_arn: str
    name: str
    creation_date: _timestamp_pb2.Timestamp
    queued: int
    oldest_age_ms: int
    workers: int
    encryption_configuration: str
    unserved: bool
    settings: ActivitySettings
    in_hand: int
    unplaceable: int
    def __init__(self, activity_arn: _Optional[str] = ..., name: _Optional[str] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., queued: _Optional[int] = ..., oldest_age_ms: _Optional[int] = ..., workers: _Optional[int] = ..., encryption_configuration: _Optional[str] = ..., unserved: bool = ..., settings: _Optional[_Union[ActivitySettings, _Mapping]] = ..., in_hand: _Optional[int] = ..., unplaceable: _Optional[int] = ...) -> None: ...

class ActivitySettings(_message.Message):
    __slots__ = ("paused", "required_labels", "max_concurrency", "max_rate", "away_max", "sticky", "ramp", "machine_weights")
    class RequiredLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class MachineWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_LABELS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    MAX_RATE_FIELD_NUMBER: _ClassVar[int]
    AWAY_MAX_FIELD_NUMBER: _ClassVar[int]
    STICKY_FIELD_NUMBER: _ClassVar[int]
    RAMP_FIELD_NUMBER: _ClassVar[int]
    MACHINE_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    paused: bool
    required_labels: _containers.ScalarMap[str, str]
    max_concurrency: int
    max_rate: float
    away_max: AwayMax
    sticky: Sticky
    ramp: Ramp
    machine_weights: _containers.ScalarMap[str, int]
    def __init__(self, paused: bool = ..., required_labels: _Optional[_Mapping[str, str]] = ..., max_concurrency: _Optional[int] = ..., max_rate: _Optional[float] = ..., away_max: _Optional[_Union[AwayMax, _Mapping]] = ..., sticky: _Optional[_Union[Sticky, _Mapping]] = ..., ramp: _Optional[_Union[Ramp, _Mapping]] = ..., machine_weights: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Sticky(_message.Message):
    __slots__ = ("for_ms", "wait_ms")
    FOR_MS_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    for_ms: int
    wait_ms: int
    def __init__(self, for_ms: _Optional[int] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class Ramp(_message.Message):
    __slots__ = ("build_id", "percent")
    BUILD_ID_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    build_id: str
    percent: int
    def __init__(self, build_id: _Optional[str] = ..., percent: _Optional[int] = ...) -> None: ...

class MachineWeights(_message.Message):
    __slots__ = ("weights",)
    class WeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    weights: _containers.ScalarMap[str, int]
    def __init__(self, weights: _Optional[_Mapping[str, int]] = ...) -> None: ...

class AwayMax(_message.Message):
    __slots__ = ("seconds", "unbounded")
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    UNBOUNDED_FIELD_NUMBER: _ClassVar[int]
    seconds: int
    unbounded: bool
    def __init__(self, seconds: _Optional[int] = ..., unbounded: bool = ...) -> None: ...

class UpdateActivityRequest(_message.Message):
    __slots__ = ("activity_arn", "paused", "required_labels", "max_concurrency", "max_rate", "sticky", "ramp", "machine_weights", "away_max")
    ACTIVITY_ARN_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_LABELS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    MAX_RATE_FIELD_NUMBER: _ClassVar[int]
    STICKY_FIELD_NUMBER: _ClassVar[int]
    RAMP_FIELD_NUMBER: _ClassVar[int]
    MACHINE_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    AWAY_MAX_FIELD_NUMBER: _ClassVar[int]
    activity_arn: str
    paused: bool
    required_labels: Labels
    max_concurrency: int
    max_rate: float
    sticky: Sticky
    ramp: Ramp
    machine_weights: MachineWeights
    away_max: AwayMax
    def __init__(self, activity_arn: _Optional[str] = ..., paused: bool = ..., required_labels: _Optional[_Union[Labels, _Mapping]] = ..., max_concurrency: _Optional[int] = ..., max_rate: _Optional[float] = ..., sticky: _Optional[_Union[Sticky, _Mapping]] = ..., ramp: _Optional[_Union[Ramp, _Mapping]] = ..., machine_weights: _Optional[_Union[MachineWeights, _Mapping]] = ..., away_max: _Optional[_Union[AwayMax, _Mapping]] = ...) -> None: ...

class Labels(_message.Message):
    __slots__ = ("labels",)
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LABELS_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.ScalarMap[str, str]
    def __init__(self, labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class UpdateActivityResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: ActivitySettings
    def __init__(self, settings: _Optional[_Union[ActivitySettings, _Mapping]] = ...) -> None: ...

class PurgeActivityRequest(_message.Message):
    __slots__ = ("activity_arn", "scheduled_until", "cause")
    ACTIVITY_ARN_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    activity_arn: str
    scheduled_until: _timestamp_pb2.Timestamp
    cause: str
    def __init__(self, activity_arn: _Optional[str] = ..., scheduled_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cause: _Optional[str] = ...) -> None: ...

class PurgeActivityResponse(_message.Message):
    __slots__ = ("purged", "more", "scheduled_until")
    PURGED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    purged: int
    more: bool
    scheduled_until: _timestamp_pb2.Timestamp
    def __init__(self, purged: _Optional[int] = ..., more: bool = ..., scheduled_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetActivityStatsRequest(_message.Message):
    __slots__ = ("activity_arn",)
    ACTIVITY_ARN_FIELD_NUMBER: _ClassVar[int]
    activity_arn: str
    def __init__(self, activity_arn: _Optional[str] = ...) -> None: ...

class GetActivityStatsResponse(_message.Message):
    __slots__ = ("activity_arn", "queued", "oldest_age_ms", "workers", "slots", "slots_used", "pollers", "window_ms", "started", "succeeded", "failed", "timed_out", "start_latency_p50_ms", "start_latency_p99_ms", "unserved", "settings", "in_hand", "unplaceable", "sticky_hits", "sticky_misses", "builds")
    ACTIVITY_ARN_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_USED_FIELD_NUMBER: _ClassVar[int]
    POLLERS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_MS_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    START_LATENCY_P50_MS_FIELD_NUMBER: _ClassVar[int]
    START_LATENCY_P99_MS_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    IN_HAND_FIELD_NUMBER: _ClassVar[int]
    UNPLACEABLE_FIELD_NUMBER: _ClassVar[int]
    STICKY_HITS_FIELD_NUMBER: _ClassVar[int]
    STICKY_MISSES_FIELD_NUMBER: _ClassVar[int]
    BUILDS_FIELD_NUMBER: _ClassVar[int]
    activity_arn: str
    queued: int
    oldest_age_ms: int
    workers: int
    slots: int
    slots_used: int
    pollers: int
    window_ms: int
    started: int
    succeeded: int
    failed: int
    timed_out: int
    start_latency_p50_ms: int
    start_latency_p99_ms: int
    unserved: bool
    settings: ActivitySettings
    in_hand: int
    unplaceable: _containers.RepeatedCompositeFieldContainer[Unplaceable]
    sticky_hits: int
    sticky_misses: int
    builds: _containers.RepeatedCompositeFieldContainer[BuildStats]
    def __init__(self, activity_arn: _Optional[str] = ..., queued: _Optional[int] = ..., oldest_age_ms: _Optional[int] = ..., workers: _Optional[int] = ..., slots: _Optional[int] = ..., slots_used: _Optional[int] = ..., pollers: _Optional[int] = ..., window_ms: _Optional[int] = ..., started: _Optional[int] = ..., succeeded: _Optional[int] = ..., failed: _Optional[int] = ..., timed_out: _Optional[int] = ..., start_latency_p50_ms: _Optional[int] = ..., start_latency_p99_ms: _Optional[int] = ..., unserved: bool = ..., settings: _Optional[_Union[ActivitySettings, _Mapping]] = ..., in_hand: _Optional[int] = ..., unplaceable: _Optional[_Iterable[_Union[Unplaceable, _Mapping]]] = ..., sticky_hits: _Optional[int] = ..., sticky_misses: _Optional[int] = ..., builds: _Optional[_Iterable[_Union[BuildStats, _Mapping]]] = ...) -> None: ...

class BuildStats(_message.Message):
    __slots__ = ("build_id", "workers", "started", "succeeded", "failed", "timed_out", "run_p50_ms", "run_p99_ms")
    BUILD_ID_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    RUN_P50_MS_FIELD_NUMBER: _ClassVar[int]
    RUN_P99_MS_FIELD_NUMBER: _ClassVar[int]
    build_id: str
    workers: int
    started: int
    succeeded: int
    failed: int
    timed_out: int
    run_p50_ms: int
    run_p99_ms: int
    def __init__(self, build_id: _Optional[str] = ..., workers: _Optional[int] = ..., started: _Optional[int] = ..., succeeded: _Optional[int] = ..., failed: _Optional[int] = ..., timed_out: _Optional[int] = ..., run_p50_ms: _Optional[int] = ..., run_p99_ms: _Optional[int] = ...) -> None: ...

class Unplaceable(_message.Message):
    __slots__ = ("labels", "queued", "reason")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LABELS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.ScalarMap[str, str]
    queued: int
    reason: str
    def __init__(self, labels: _Optional[_Mapping[str, str]] = ..., queued: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class ListActivitiesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListActivitiesResponse(_message.Message):
    __slots__ = ("activities", "next_page_token")
    ACTIVITIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    activities: _containers.RepeatedCompositeFieldContainer[ActivityListItem]
    next_page_token: str
    def __init__(self, activities: _Optional[_Iterable[_Union[ActivityListItem, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ActivityListItem(_message.Message):
    __slots__ = ("activity_arn", "name", "creation_date", "unserved")
    ACTIVITY_ARN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_FIELD_NUMBER: _ClassVar[int]
    activity_arn: str
    name: str
    creation_date: _timestamp_pb2.Timestamp
    unserved: bool
    def __init__(self, activity_arn: _Optional[str] = ..., name: _Optional[str] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unserved: bool = ...) -> None: ...

class GetActivityTaskRequest(_message.Message):
    __slots__ = ("activity_arn", "worker_name")
    ACTIVITY_ARN_FIELD_NUMBER: _ClassVar[int]
    WORKER_NAME_FIELD_NUMBER: _ClassVar[int]
    activity_arn: str
    worker_name: str
    def __init__(self, activity_arn: _Optional[str] = ..., worker_name: _Optional[str] = ...) -> None: ...

class GetActivityTaskResponse(_message.Message):
    __slots__ = ("task_token", "input", "last_progress")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    LAST_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    task_token: str
    input: str
    last_progress: str
    def __init__(self, task_token: _Optional[str] = ..., input: _Optional[str] = ..., last_progress: _Optional[str] = ...) -> None: ...

class SendTaskSuccessRequest(_message.Message):
    __slots__ = ("task_token", "output")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    task_token: str
    output: str
    def __init__(self, task_token: _Optional[str] = ..., output: _Optional[str] = ...) -> None: ...

class SendTaskSuccessResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SendTaskFailureRequest(_message.Message):
    __slots__ = ("task_token", "error", "cause")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    task_token: str
    error: str
    cause: str
    def __init__(self, task_token: _Optional[str] = ..., error: _Optional[str] = ..., cause: _Optional[str] = ...) -> None: ...

class SendTaskFailureResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SendTaskHeartbeatRequest(_message.Message):
    __slots__ = ("task_token", "details")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    task_token: str
    details: str
    def __init__(self, task_token: _Optional[str] = ..., details: _Optional[str] = ...) -> None: ...

class SendTaskHeartbeatResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCallbacksRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "execution_arn", "state_machine_arn", "scheduled_before")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    execution_arn: str
    state_machine_arn: str
    scheduled_before: _timestamp_pb2.Timestamp
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., execution_arn: _Optional[str] = ..., state_machine_arn: _Optional[str] = ..., scheduled_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListCallbacksResponse(_message.Message):
    __slots__ = ("callbacks", "next_page_token")
    CALLBACKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    callbacks: _containers.RepeatedCompositeFieldContainer[Callback]
    next_page_token: str
    def __init__(self, callbacks: _Optional[_Iterable[_Union[Callback, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Callback(_message.Message):
    __slots__ = ("task_token", "execution_arn", "state_name", "resource", "parameters", "scheduled_date", "deadline", "progress", "progress_date")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    STATE_NAME_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_DATE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_DATE_FIELD_NUMBER: _ClassVar[int]
    task_token: str
    execution_arn: str
    state_name: str
    resource: str
    parameters: str
    scheduled_date: _timestamp_pb2.Timestamp
    deadline: _timestamp_pb2.Timestamp
    progress: str
    progress_date: _timestamp_pb2.Timestamp
    def __init__(self, task_token: _Optional[str] = ..., execution_arn: _Optional[str] = ..., state_name: _Optional[str] = ..., resource: _Optional[str] = ..., parameters: _Optional[str] = ..., scheduled_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[str] = ..., progress_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RevokeCallbackUrlRequest(_message.Message):
    __slots__ = ("url",)
    URL_FIELD_NUMBER: _ClassVar[int]
    url: str
    def __init__(self, url: _Optional[str] = ...) -> None: ...

class RevokeCallbackUrlResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
