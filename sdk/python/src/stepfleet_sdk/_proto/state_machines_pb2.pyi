import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StateMachineType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATE_MACHINE_TYPE_UNSPECIFIED: _ClassVar[StateMachineType]
    STATE_MACHINE_TYPE_STANDARD: _ClassVar[StateMachineType]
    STATE_MACHINE_TYPE_EXPRESS: _ClassVar[StateMachineType]

class StateMachineStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATE_MACHINE_STATUS_UNSPECIFIED: _ClassVar[StateMachineStatus]
    STATE_MACHINE_STATUS_ACTIVE: _ClassVar[StateMachineStatus]
    STATE_MACHINE_STATUS_DELETING: _ClassVar[StateMachineStatus]
STATE_MACHINE_TYPE_UNSPECIFIED: StateMachineType
STATE_MACHINE_TYPE_STANDARD: StateMachineType
STATE_MACHINE_TYPE_EXPRESS: StateMachineType
STATE_MACHINE_STATUS_UNSPECIFIED: StateMachineStatus
STATE_MACHINE_STATUS_ACTIVE: StateMachineStatus
STATE_MACHINE_STATUS_DELETING: StateMachineStatus

class CreateStateMachineRequest(_message.Message):
    __slots__ = ("name", "definition", "role_arn", "type", "tags", "publish", "version_description", "logging_configuration", "tracing_configuration", "encryption_configuration")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    ROLE_ARN_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_FIELD_NUMBER: _ClassVar[int]
    VERSION_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LOGGING_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    TRACING_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    ENCRYPTION_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    definition: str
    role_arn: str
    type: StateMachineType
    tags: _containers.ScalarMap[str, str]
    publish: bool
    version_description: str
    logging_configuration: str
    tracing_configuration: str
    encryption_configuration: str
    def __init__(self, name: _Optional[str] = ..., definition: _Optional[str] = ..., role_arn: _Optional[str] = ..., type: _Optional[_Union[StateMachineType, str]] = ..., tags: _Optional[_Mapping[str, str]] = ..., publish: bool = ..., version_description: _Optional[str] = ..., logging_configuration: _Optional[str] = ..., tracing_configuration: _Optional[str] = ..., encryption_configuration: _Optional[str] = ...) -> None: ...

class CreateStateMachineResponse(_message.Message):
    __slots__ = ("state_machine_arn", "creation_date", "warnings", "state_machine_version_arn")
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    STATE_MACHINE_VERSION_ARN_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    creation_date: _timestamp_pb2.Timestamp
    warnings: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    state_machine_version_arn: str
    def __init__(self, state_machine_arn: _Optional[str] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., warnings: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ..., state_machine_version_arn: _Optional[str] = ...) -> None: ...

class UpdateStateMachineRequest(_message.Message):
    __slots__ = ("state_machine_arn", "definition", "role_arn", "publish", "version_description", "logging_configuration", "tracing_configuration", "encryption_configuration")
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    ROLE_ARN_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_FIELD_NUMBER: _ClassVar[int]
    VERSION_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LOGGING_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    TRACING_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    ENCRYPTION_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    definition: str
    role_arn: str
    publish: bool
    version_description: str
    logging_configuration: str
    tracing_configuration: str
    encryption_configuration: str
    def __init__(self, state_machine_arn: _Optional[str] = ..., definition: _Optional[str] = ..., role_arn: _Optional[str] = ..., publish: bool = ..., version_description: _Optional[str] = ..., logging_configuration: _Optional[str] = ..., tracing_configuration: _Optional[str] = ..., encryption_configuration: _Optional[str] = ...) -> None: ...

class UpdateStateMachineResponse(_message.Message):
    __slots__ = ("update_date", "revision_id", "warnings", "state_machine_version_arn")
    UPDATE_DATE_FIELD_NUMBER: _ClassVar[int]
    REVISION_ID_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    STATE_MACHINE_VERSION_ARN_FIELD_NUMBER: _ClassVar[int]
    update_date: _timestamp_pb2.Timestamp
    revision_id: str
    warnings: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    state_machine_version_arn: str
    def __init__(self, update_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision_id: _Optional[str] = ..., warnings: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ..., state_machine_version_arn: _Optional[str] = ...) -> None: ...

class DeleteStateMachineRequest(_message.Message):
    __slots__ = ("state_machine_arn",)
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    def __init__(self, state_machine_arn: _Optional[str] = ...) -> None: ...

class DeleteStateMachineResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeStateMachineRequest(_message.Message):
    __slots__ = ("state_machine_arn",)
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    def __init__(self, state_machine_arn: _Optional[str] = ...) -> None: ...

class DescribeStateMachineResponse(_message.Message):
    __slots__ = ("state_machine_arn", "name", "status", "definition", "role_arn", "type", "creation_date", "revision_id", "variable_references", "description", "logging_configuration", "tracing_configuration", "encryption_configuration")
    class VariableReferencesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: VariableNames
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[VariableNames, _Mapping]] = ...) -> None: ...
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    ROLE_ARN_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    REVISION_ID_FIELD_NUMBER: _ClassVar[int]
    VARIABLE_REFERENCES_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LOGGING_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    TRACING_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    ENCRYPTION_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    name: str
    status: StateMachineStatus
    definition: str
    role_arn: str
    type: StateMachineType
    creation_date: _timestamp_pb2.Timestamp
    revision_id: str
    variable_references: _containers.MessageMap[str, VariableNames]
    description: str
    logging_configuration: str
    tracing_configuration: str
    encryption_configuration: str
    def __init__(self, state_machine_arn: _Optional[str] = ..., name: _Optional[str] = ..., status: _Optional[_Union[StateMachineStatus, str]] = ..., definition: _Optional[str] = ..., role_arn: _Optional[str] = ..., type: _Optional[_Union[StateMachineType, str]] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision_id: _Optional[str] = ..., variable_references: _Optional[_Mapping[str, VariableNames]] = ..., description: _Optional[str] = ..., logging_configuration: _Optional[str] = ..., tracing_configuration: _Optional[str] = ..., encryption_configuration: _Optional[str] = ...) -> None: ...

class VariableNames(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class DescribeStateMachineForExecutionRequest(_message.Message):
    __slots__ = ("execution_arn",)
    EXECUTION_ARN_FIELD_NUMBER: _ClassVar[int]
    execution_arn: str
    def __init__(self, execution_arn: _Optional[str] = ...) -> None: ...

class DescribeStateMachineForExecutionResponse(_message.Message):
    __slots__ = ("state_machine_arn", "name", "definition", "role_arn", "update_date", "revision_id", "variable_references")
    class VariableReferencesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: VariableNames
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[VariableNames, _Mapping]] = ...) -> None: ...
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    ROLE_ARN_FIELD_NUMBER: _ClassVar[int]
    UPDATE_DATE_FIELD_NUMBER: _ClassVar[int]
    REVISION_ID_FIELD_NUMBER: _ClassVar[int]
    VARIABLE_REFERENCES_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    name: str
    definition: str
    role_arn: str
    update_date: _timestamp_pb2.Timestamp
    revision_id: str
    variable_references: _containers.MessageMap[str, VariableNames]
    def __init__(self, state_machine_arn: _Optional[str] = ..., name: _Optional[str] = ..., definition: _Optional[str] = ..., role_arn: _Optional[str] = ..., update_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision_id: _Optional[str] = ..., variable_references: _Optional[_Mapping[str, VariableNames]] = ...) -> None: ...

class ListStateMachinesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListStateMachinesResponse(_message.Message):
    __slots__ = ("state_machines", "next_page_token")
    STATE_MACHINES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state_machines: _containers.RepeatedCompositeFieldContainer[StateMachineListItem]
    next_page_token: str
    def __init__(self, state_machines: _Optional[_Iterable[_Union[StateMachineListItem, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class StateMachineListItem(_message.Message):
    __slots__ = ("state_machine_arn", "name", "type", "creation_date")
    STATE_MACHINE_ARN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CREATION_DATE_FIELD_NUMBER: _ClassVar[int]
    state_machine_arn: str
    name: str
    type: StateMachineType
    creation_date: _timestamp_pb2.Timestamp
    def __init__(self, state_machine_arn: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[_Union[StateMachineType, str]] = ..., creation_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ValidateStateMachineDefinitionRequest(_message.Message):
    __slots__ = ("definition", "type", "include_warnings")
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_WARNINGS_FIELD_NUMBER: _ClassVar[int]
    definition: str
    type: StateMachineType
    include_warnings: bool
    def __init__(self, definition: _Optional[str] = ..., type: _Optional[_Union[StateMachineType, str]] = ..., include_warnings: bool = ...) -> None: ...

class ValidateStateMachineDefinitionResponse(_message.Message):
    __slots__ = ("ok", "diagnostics", "truncated")
    OK_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    diagnostics: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    truncated: bool
    def __init__(self, ok: bool = ..., diagnostics: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ..., truncated: bool = ...) -> None: ...

class Diagnostic(_message.Message):
    __slots__ = ("severity", "code", "message", "location")
    class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SEVERITY_UNSPECIFIED: _ClassVar[Diagnostic.Severity]
        SEVERITY_ERROR: _ClassVar[Diagnostic.Severity]
        SEVERITY_WARNING: _ClassVar[Diagnostic.Severity]
    SEVERITY_UNSPECIFIED: Diagnostic.Severity
    SEVERITY_ERROR: Diagnostic.Severity
    SEVERITY_WARNING: Diagnostic.Severity
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    severity: Diagnostic.Severity
    code: str
    message: str
    location: str
    def __init__(self, severity: _Optional[_Union[Diagnostic.Severity, str]] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., location: _Optional[str] = ...) -> None: ...

class TestStateRequest(_message.Message):
    __slots__ = ("definition", "state_name", "input", "role_arn", "variables", "context", "mock_result", "mock_error", "field_validation", "retrier_retry_count", "error_caused_by_state", "map_iteration_failure_count", "map_item_reader_data", "reveal_secrets")
    class FieldValidation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FIELD_VALIDATION_UNSPECIFIED: _ClassVar[TestStateRequest.FieldValidation]
        FIELD_VALIDATION_STRICT: _ClassVar[TestStateRequest.FieldValidation]
        FIELD_VALIDATION_PRESENT: _ClassVar[TestStateRequest.FieldValidation]
        FIELD_VALIDATION_NONE: _ClassVar[TestStateRequest.FieldValidation]
    FIELD_VALIDATION_UNSPECIFIED: TestStateRequest.FieldValidation
    FIELD_VALIDATION_STRICT: TestStateRequest.FieldValidation
    FIELD_VALIDATION_PRESENT: TestStateRequest.FieldValidation
    FIELD_VALIDATION_NONE: TestStateRequest.FieldValidation
    class MockError(_message.Message):
        __slots__ = ("error", "cause")
        ERROR_FIELD_NUMBER: _ClassVar[int]
        CAUSE_FIELD_NUMBER: _ClassVar[int]
        error: str
        cause: str
        def __init__(self, error: _Optional[str] = ..., cause: _Optional[str] = ...) -> None: ...
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    STATE_NAME_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    ROLE_ARN_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    MOCK_RESULT_FIELD_NUMBER: _ClassVar[int]
    MOCK_ERROR_FIELD_NUMBER: _ClassVar[int]
    FIELD_VALIDATION_FIELD_NUMBER: _ClassVar[int]
    RETRIER_RETRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    ERROR_CAUSED_BY_STATE_FIELD_NUMBER: _ClassVar[int]
    MAP_ITERATION_FAILURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAP_ITEM_READER_DATA_FIELD_NUMBER: _ClassVar[int]
    REVEAL_SECRETS_FIELD_NUMBER: _ClassVar[int]
    definition: str
    state_name: str
    input: str
    role_arn: str
    variables: str
    context: str
    mock_result: str
    mock_error: TestStateRequest.MockError
    field_validation: TestStateRequest.FieldValidation
    retrier_retry_count: int
    error_caused_by_state: str
    map_iteration_failure_count: int
    map_item_reader_data: str
    reveal_secrets: bool
    def __init__(self, definition: _Optional[str] = ..., state_name: _Optional[str] = ..., input: _Optional[str] = ..., role_arn: _Optional[str] = ..., variables: _Optional[str] = ..., context: _Optional[str] = ..., mock_result: _Optional[str] = ..., mock_error: _Optional[_Union[TestStateRequest.MockError, _Mapping]] = ..., field_validation: _Optional[_Union[TestStateRequest.FieldValidation, str]] = ..., retrier_retry_count: _Optional[int] = ..., error_caused_by_state: _Optional[str] = ..., map_iteration_failure_count: _Optional[int] = ..., map_item_reader_data: _Optional[str] = ..., reveal_secrets: bool = ...) -> None: ...

class TestStateResponse(_message.Message):
    __slots__ = ("status", "output", "error", "cause", "next_state", "inspection")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[TestStateResponse.Status]
        STATUS_SUCCEEDED: _ClassVar[TestStateResponse.Status]
        STATUS_FAILED: _ClassVar[TestStateResponse.Status]
        STATUS_RETRIABLE: _ClassVar[TestStateResponse.Status]
        STATUS_CAUGHT_ERROR: _ClassVar[TestStateResponse.Status]
    STATUS_UNSPECIFIED: TestStateResponse.Status
    STATUS_SUCCEEDED: TestStateResponse.Status
    STATUS_FAILED: TestStateResponse.Status
    STATUS_RETRIABLE: TestStateResponse.Status
    STATUS_CAUGHT_ERROR: TestStateResponse.Status
    class Inspection(_message.Message):
        __slots__ = ("input", "after_input_path", "after_parameters", "after_arguments", "after_items_path", "after_item_selector", "result", "after_result_selector", "after_result_path", "variables", "max_concurrency", "tolerated_failure_count", "retry_index", "retry_backoff_seconds", "catch_index", "request", "response")
        INPUT_FIELD_NUMBER: _ClassVar[int]
        AFTER_INPUT_PATH_FIELD_NUMBER: _ClassVar[int]
        AFTER_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
        AFTER_ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
        AFTER_ITEMS_PATH_FIELD_NUMBER: _ClassVar[int]
        AFTER_ITEM_SELECTOR_FIELD_NUMBER: _ClassVar[int]
        RESULT_FIELD_NUMBER: _ClassVar[int]
        AFTER_RESULT_SELECTOR_FIELD_NUMBER: _ClassVar[int]
        AFTER_RESULT_PATH_FIELD_NUMBER: _ClassVar[int]
        VARIABLES_FIELD_NUMBER: _ClassVar[int]
        MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
        TOLERATED_FAILURE_COUNT_FIELD_NUMBER: _ClassVar[int]
        RETRY_INDEX_FIELD_NUMBER: _ClassVar[int]
        RETRY_BACKOFF_SECONDS_FIELD_NUMBER: _ClassVar[int]
        CATCH_INDEX_FIELD_NUMBER: _ClassVar[int]
        REQUEST_FIELD_NUMBER: _ClassVar[int]
        RESPONSE_FIELD_NUMBER: _ClassVar[int]
        input: str
        after_input_path: str
        after_parameters: str
        after_arguments: str
        after_items_path: str
        after_item_selector: str
        result: str
        after_result_selector: str
        after_result_path: str
        variables: str
        max_concurrency: int
        tolerated_failure_count: int
        retry_index: int
        retry_backoff_seconds: float
        catch_index: int
        request: TestStateResponse.HttpRequest
        response: TestStateResponse.HttpResponse
        def __init__(self, input: _Optional[str] = ..., after_input_path: _Optional[str] = ..., after_parameters: _Optional[str] = ..., after_arguments: _Optional[str] = ..., after_items_path: _Optional[str] = ..., after_item_selector: _Optional[str] = ..., result: _Optional[str] = ..., after_result_selector: _Optional[str] = ..., after_result_path: _Optional[str] = ..., variables: _Optional[str] = ..., max_concurrency: _Optional[int] = ..., tolerated_failure_count: _Optional[int] = ..., retry_index: _Optional[int] = ..., retry_backoff_seconds: _Optional[float] = ..., catch_index: _Optional[int] = ..., request: _Optional[_Union[TestStateResponse.HttpRequest, _Mapping]] = ..., response: _Optional[_Union[TestStateResponse.HttpResponse, _Mapping]] = ...) -> None: ...
    class HttpRequest(_message.Message):
        __slots__ = ("protocol", "method", "url", "headers", "body")
        PROTOCOL_FIELD_NUMBER: _ClassVar[int]
        METHOD_FIELD_NUMBER: _ClassVar[int]
        URL_FIELD_NUMBER: _ClassVar[int]
        HEADERS_FIELD_NUMBER: _ClassVar[int]
        BODY_FIELD_NUMBER: _ClassVar[int]
        protocol: str
        method: str
        url: str
        headers: str
        body: str
        def __init__(self, protocol: _Optional[str] = ..., method: _Optional[str] = ..., url: _Optional[str] = ..., headers: _Optional[str] = ..., body: _Optional[str] = ...) -> None: ...
    class HttpResponse(_message.Message):
        __slots__ = ("protocol", "status_code", "status_message", "headers", "body")
        PROTOCOL_FIELD_NUMBER: _ClassVar[int]
        STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
        STATUS_MESSAGE_FIELD_NUMBER: _ClassVar[int]
        HEADERS_FIELD_NUMBER: _ClassVar[int]
        BODY_FIELD_NUMBER: _ClassVar[int]
        protocol: str
        status_code: str
        status_message: str
        headers: str
        body: str
        def __init__(self, protocol: _Optional[str] = ..., status_code: _Optional[str] = ..., status_message: _Optional[str] = ..., headers: _Optional[str] = ..., body: _Optional[str] = ...) -> None: ...
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    NEXT_STATE_FIELD_NUMBER: _ClassVar[int]
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    status: TestStateResponse.Status
    output: str
    error: str
    cause: str
    next_state: str
    inspection: TestStateResponse.Inspection
    def __init__(self, status: _Optional[_Union[TestStateResponse.Status, str]] = ..., output: _Optional[str] = ..., error: _Optional[str] = ..., cause: _Optional[str] = ..., next_state: _Optional[str] = ..., inspection: _Optional[_Union[TestStateResponse.Inspection, _Mapping]] = ...) -> None: ...
