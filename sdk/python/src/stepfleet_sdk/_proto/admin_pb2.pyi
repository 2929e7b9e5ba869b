from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BackupRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BackupResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "cluster_id", "partitions", "live_executions", "resident_executions", "refusing", "arn_prefix", "unserved_activities", "unserved_count")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    LIVE_EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    REFUSING_FIELD_NUMBER: _ClassVar[int]
    ARN_PREFIX_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_ACTIVITIES_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    version: str
    cluster_id: str
    partitions: int
    live_executions: int
    resident_executions: int
    refusing: str
    arn_prefix: str
    unserved_activities: _containers.RepeatedCompositeFieldContainer[UnservedActivity]
    unserved_count: int
    def __init__(self, version: _Optional[str] = ..., cluster_id: _Optional[str] = ..., partitions: _Optional[int] = ..., live_executions: _Optional[int] = ..., resident_executions: _Optional[int] = ..., refusing: _Optional[str] = ..., arn_prefix: _Optional[str] = ..., unserved_activities: _Optional[_Iterable[_Union[UnservedActivity, _Mapping]]] = ..., unserved_count: _Optional[int] = ...) -> None: ...

class UnservedActivity(_message.Message):
    __slots__ = ("activity_arn", "exists", "queued")
    ACTIVITY_ARN_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    activity_arn: str
    exists: bool
    queued: int
    def __init__(self, activity_arn: _Optional[str] = ..., exists: bool = ..., queued: _Optional[int] = ...) -> None: ...
