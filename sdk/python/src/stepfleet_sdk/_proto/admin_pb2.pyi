from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

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
    __slots__ = ("version", "cluster_id", "partitions", "live_executions", "resident_executions", "refusing", "arn_prefix")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    LIVE_EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    REFUSING_FIELD_NUMBER: _ClassVar[int]
    ARN_PREFIX_FIELD_NUMBER: _ClassVar[int]
    version: str
    cluster_id: str
    partitions: int
    live_executions: int
    resident_executions: int
    refusing: str
    arn_prefix: str
    def __init__(self, version: _Optional[str] = ..., cluster_id: _Optional[str] = ..., partitions: _Optional[int] = ..., live_executions: _Optional[int] = ..., resident_executions: _Optional[int] = ..., refusing: _Optional[str] = ..., arn_prefix: _Optional[str] = ...) -> None: ...
