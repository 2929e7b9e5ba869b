import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PublishStateMachineVersionRequest(_message.Message):
    __slots__ = ("state_machine_arn", "revision_id", "description")
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    REVISION_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    revision_id: str
    description: str
    def __init__(self, state_machine_arn: _Optional[str] = ..., revision_id: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class PublishStateMachineVersionResponse(_message.Message):
    __slots__ = ("state_machine_version_arn", "creation_date")
    STATE_MACHINE_VERSION_ARN_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    state_machine_version_arn: str
    creation_date: _timestamp_pb2.Timestamp
    def __init__(self, state_machine_version_arn: _Optional[str] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeleteStateMachineVersionRequest(_message.Message):
    __slots__ = ("state_machine_version_arn",)
    STATE_MACHINE_VERSION_ARN_FIELD_NUMBER: _ClassVar[int]
    state_machine_version_arn: str
    def __init__(self, state_machine_version_arn: _Optional[str] = ...) -> None: ...

class DeleteStateMachineVersionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListStateMachineVersionsRequest(_message.Message):
    __slots__ = ("state_machine_arn", "page_size", "page_token")
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    page_size: int
    page_token: str
    def __init__(self, state_machine_arn: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListStateMachineVersionsResponse(_message.Message):
    __slots__ = ("state_machine_versions", "next_page_token")
    STATE_MACHINE_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state_machine_versions: _containers.RepeatedCompositeFieldContainer[StateMachineVersionListItem]
    next_page_token: str
    def __init__(self, state_machine_versions: _Optional[_Iterable[_Union[StateMachineVersionListItem, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class StateMachineVersionListItem(_message.Message):
    __slots__ = ("state_machine_version_arn", "creation_date")
    STATE_MACHINE_VERSION_ARN_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    state_machine_version_arn: str
    creation_date: _timestamp_pb2.Timestamp
    def __init__(self, state_machine_version_arn: _Optional[str] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RoutingConfigurationItem(_message.Message):
    __slots__ = ("state_machine_version_arn", "weight")
    STATE_MACHINE_VERSION_ARN_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    state_machine_version_arn: str
    weight: int
    def __init__(self, state_machine_version_arn: _Optional[str] = ..., weight: _Optional[int] = ...) -> None: ...

class CreateStateMachineAliasRequest(_message.Message):
    __slots__ = ("name", "description", "routing_configuration")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ROUTING_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    routing_configuration: _containers.RepeatedCompositeFieldContainer[RoutingConfigurationItem]
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., routing_configuration: _Optional[_Iterable[_Union[RoutingConfigurationItem, _Mapping]]] = ...) -> None: ...

class CreateStateMachineAliasResponse(_message.Message):
    __slots__ = ("state_machine_alias_arn", "creation_date")
    STATE_MACHINE_ALIAS_ARN_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    state_machine_alias_arn: str
    creation_date: _timestamp_pb2.Timestamp
    def __init__(self, state_machine_alias_arn: _Optional[str] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UpdateStateMachineAliasRequest(_message.Message):
    __slots__ = ("state_machine_alias_arn", "description", "routing_configuration")
    STATE_MACHINE_ALIAS_ARN_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ROUTING_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    state_machine_alias_arn: str
    description: str
    routing_configuration: _containers.RepeatedCompositeFieldContainer[RoutingConfigurationItem]
    def __init__(self, state_machine_alias_arn: _Optional[str] = ..., description: _Optional[str] = ..., routing_configuration: _Optional[_Iterable[_Union[RoutingConfigurationItem, _Mapping]]] = ...) -> None: ...

class UpdateStateMachineAliasResponse(_message.Message):
    __slots__ = ("update_date",)
    UPDATE_DATE_FIELD_NUMBER: _ClassVar[int]
    update_date: _timestamp_pb2.Timestamp
    def __init__(self, update_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeleteStateMachineAliasRequest(_message.Message):
    __slots__ = ("state_machine_alias_arn",)
    STATE_MACHINE_ALIAS_ARN_FIELD_NUMBER: _ClassVar[int]
    state_machine_alias_arn: str
    def __init__(self, state_machine_alias_arn: _Optional[str] = ...) -> None: ...

class DeleteStateMachineAliasResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeStateMachineAliasRequest(_message.Message):
    __slots__ = ("state_machine_alias_arn",)
    STATE_MACHINE_ALIAS_ARN_FIELD_NUMBER: _ClassVar[int]
    state_machine_alias_arn: str
    def __init__(self, state_machine_alias_arn: _Optional[str] = ...) -> None: ...

class DescribeStateMachineAliasResponse(_message.Message):
    __slots__ = ("state_machine_alias_arn", "name", "description", "routing_configuration", "creation_date", "update_date")
    STATE_MACHINE_ALIAS_ARN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ROUTING_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_DATE_FIELD_NUMBER: _ClassVar[int]
    state_machine_alias_arn: str
    name: str
    description: str
    routing_configuration: _containers.RepeatedCompositeFieldContainer[RoutingConfigurationItem]
    creation_date: _timestamp_pb2.Timestamp
    update_date: _timestamp_pb2.Timestamp
    def __init__(self, state_machine_alias_arn: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., routing_configuration: _Optional[_Iterable[_Union[RoutingConfigurationItem, _Mapping]]] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListStateMachineAliasesRequest(_message.Message):
    __slots__ = ("state_machine_arn", "page_size", "page_token")
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    page_size: int
    page_token: str
    def __init__(self, state_machine_arn: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListStateMachineAliasesResponse(_message.Message):
    __slots__ = ("state_machine_aliases", "next_page_token")
    STATE_MACHINE_ALIASES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state_machine_aliases: _containers.RepeatedCompositeFieldContainer[StateMachineAliasListItem]
    next_page_token: str
    def __init__(self, state_machine_aliases: _Optional[_Iterable[_Union[StateMachineAliasListItem, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class StateMachineAliasListItem(_message.Message):
    __slots__ = ("state_machine_alias_arn", "creation_date")
    STATE_MACHINE_ALIAS_ARN_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    state_machine_alias_arn: str
    creation_date: _timestamp_pb2.Timestamp
    def __init__(self, state_machine_alias_arn: _Optional[str] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
