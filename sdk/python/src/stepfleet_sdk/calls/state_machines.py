"""State machines: definitions and their revisions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from .. import _json, model
from .._connection import HasConnection
from .._json import EMPTY
from .._proto import state_machines_pb2 as pb

#: No mock, where `None` is a mock that gives `null`.
NOTHING: Final = object()
#: A JSON document: as text, or as a value.
Document = str | Mapping[str, Any]


class StateMachines(HasConnection):
    """Creating, changing, describing and testing state machines."""

    async def create_state_machine(
        self,
        name: str,
        definition: Document,
        *,
        role_arn: str = "",
        type: model.StateMachineType = model.StateMachineType.STANDARD,
        tags: Mapping[str, str] | None = None,
        publish: bool = False,
        version_description: str | None = None,
        logging_configuration: Document | None = None,
        tracing_configuration: Document | None = None,
        encryption_configuration: Document | None = None,
    ) -> model.CreatedStateMachine:
        """Creates a state machine; repeating the same request gives the same answer.

        Args:
            name: Its name.
            definition: Amazon States Language, as JSON text or as a value.
            role_arn: Kept and given back; empty takes the installation's default.
            type: STANDARD or EXPRESS.
            tags: At most 50.
            publish: Publishes a version of the first revision.
            version_description: Of that version.
            logging_configuration: Kept and given back, like the other two configurations.
            tracing_configuration: Kept and given back.
            encryption_configuration: Kept and given back.

        Raises:
            ApiError: `InvalidDefinition`, `StateMachineAlreadyExists`, …
        """
        request = pb.CreateStateMachineRequest(
            name=name,
            definition=_json.document(definition),
            role_arn=role_arn,
            type=f"STATE_MACHINE_TYPE_{type.value}",
            tags=dict(tags or {}),
            publish=publish,
            version_description=version_description,
            logging_configuration=_json.document(logging_configuration),
            tracing_configuration=_json.document(tracing_configuration),
            encryption_configuration=_json.document(encryption_configuration),
        )
        path = "StateMachineService/CreateStateMachine"
        answer = await self._connection.unary(path, request, pb.CreateStateMachineResponse)
        return model.CreatedStateMachine(
            arn=answer.state_machine_arn,
            creation_date=model.date(answer, "creation_date"),
            warnings=model.diagnostics(answer.warnings),
            version_arn=answer.state_machine_version_arn or None,
        )

    async def update_state_machine(
        self,
        arn: str,
        *,
        definition: Document | None = None,
        role_arn: str | None = None,
        publish: bool = False,
        version_description: str | None = None,
        logging_configuration: Document | None = None,
        tracing_configuration: Document | None = None,
        encryption_configuration: Document | None = None,
    ) -> model.UpdatedStateMachine:
        """Changes what is given; running executions keep their revision. Never repeated by itself.

        Args:
            arn: The state machine.
            definition: The new one.
            role_arn: The new one.
            publish: Publishes a version of what is current then.
            version_description: Of that version.
            logging_configuration: The new one.
            tracing_configuration: The new one.
            encryption_configuration: The new one.

        Raises:
            ApiError: `StateMachineDoesNotExist`, `InvalidDefinition`, …
        """
        request = pb.UpdateStateMachineRequest(
            state_machine_arn=arn,
            definition=_json.document(definition) or None,
            role_arn=role_arn,
            publish=publish,
            version_description=version_description,
            logging_configuration=_json.document(logging_configuration) or None,
            tracing_configuration=_json.document(tracing_configuration) or None,
            encryption_configuration=_json.document(encryption_configuration) or None,
        )
        path = "StateMachineService/UpdateStateMachine"
        answer = await self._connection.unary(path, request, pb.UpdateStateMachineResponse, repeat=False)
        return model.UpdatedStateMachine(
            update_date=model.date(answer, "update_date"),
            revision_id=answer.revision_id or None,
            warnings=model.diagnostics(answer.warnings),
            version_arn=answer.state_machine_version_arn or None,
        )

    async def delete_state_machine(self, arn: str) -> None:
        """Deletes a state machine; an unknown ARN is fine."""
        request = pb.DeleteStateMachineRequest(state_machine_arn=arn)
        path = "StateMachineService/DeleteStateMachine"
        await self._connection.unary(path, request, pb.DeleteStateMachineResponse)

    async def describe_state_machine(self, arn: str) -> model.StateMachine:
        """Describes a state machine, a version, or what an alias leads to.

        Raises:
            ApiError: `StateMachineDoesNotExist`, …
        """
        request = pb.DescribeStateMachineRequest(state_machine_arn=arn)
        path = "StateMachineService/DescribeStateMachine"
        answer = await self._connection.unary(path, request, pb.DescribeStateMachineResponse)
        return model.StateMachine(
            arn=answer.state_machine_arn,
            name=answer.name,
            status=model.word(pb.StateMachineStatus, answer.status),
            definition_text=answer.definition,
            role_arn=answer.role_arn,
            type=model.machine_type(answer.type),
            creation_date=model.date(answer, "creation_date"),
            revision_id=answer.revision_id or None,
            variable_references=model.references(answer),
            description=answer.description or None,
            logging_configuration=_json.decode(answer.logging_configuration or "null"),
            tracing_configuration=_json.decode(answer.tracing_configuration or "null"),
            encryption_configuration=_json.decode(answer.encryption_configuration or "null"),
        )

    async def describe_state_machine_for_execution(self, execution_arn: str) -> model.StateMachineForExecution:
        """Describes the state machine as an execution runs it.

        Raises:
            ApiError: `ExecutionDoesNotExist`, …
        """
        request = pb.DescribeStateMachineForExecutionRequest(execution_arn=execution_arn)
        path = "StateMachineService/DescribeStateMachineForExecution"
        answer = await self._connection.unary(path, request, pb.DescribeStateMachineForExecutionResponse)
        return model.StateMachineForExecution(
            arn=answer.state_machine_arn,
            name=answer.name,
            definition_text=answer.definition,
            role_arn=answer.role_arn,
            update_date=model.date(answer, "update_date"),
            revision_id=answer.revision_id or None,
            variable_references=model.references(answer),
        )

    async def list_state_machines(self, *, page_size: int = 0) -> AsyncIterator[model.StateMachineListItem]:
        """All state machines; pages are fetched as they are needed.

        Args:
            page_size: How many to fetch at once; 0 is 100, at most 1000.
        """
        path, token = "StateMachineService/ListStateMachines", ""
        while True:
            request = pb.ListStateMachinesRequest(page_size=page_size, page_token=token)
            page = await self._connection.unary(path, request, pb.ListStateMachinesResponse)
            for item in page.state_machines:
                kind = model.machine_type(item.type)
                created = model.date(item, "creation_date")
                yield model.StateMachineListItem(item.state_machine_arn, item.name, kind, created)
            token = page.next_page_token
            if not token:
                return

    async def validate_state_machine_definition(
        self,
        definition: Document,
        *,
        type: model.StateMachineType = model.StateMachineType.STANDARD,
        include_warnings: bool = False,
    ) -> model.Validation:
        """Checks a definition without keeping it.

        Args:
            definition: Amazon States Language, as JSON text or as a value.
            type: What it is to be.
            include_warnings: Gives warnings as well as errors.
        """
        request = pb.ValidateStateMachineDefinitionRequest(
            definition=_json.document(definition),
            type=f"STATE_MACHINE_TYPE_{type.value}",
            include_warnings=include_warnings,
        )
        path = "StateMachineService/ValidateStateMachineDefinition"
        answer = await self._connection.unary(path, request, pb.ValidateStateMachineDefinitionResponse)
        return model.Validation(answer.ok, model.diagnostics(answer.diagnostics), answer.truncated)

    async def test_state(
        self,
        definition: Document,
        *,
        state_name: str = "",
        input: object = EMPTY,
        role_arn: str = "",
        variables: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        mock_result: object = NOTHING,
        mock_error: tuple[str, str] | None = None,
        field_validation: str = "STRICT",
        retrier_retry_count: int = 0,
        error_caused_by_state: str = "",
        map_iteration_failure_count: int | None = None,
        map_item_reader_data: list[Any] | None = None,
    ) -> model.TestedState:
        """Does what one state does, once, with a mock in the place of its work. Nothing is stored, nothing waits.

        Args:
            definition: One state, or a whole state machine with `state_name`.
            state_name: Which state of a whole state machine.
            input: Any JSON value; an empty object by default.
            role_arn: A Task without a mock needs one.
            variables: The variables that are set.
            context: Members of the context object; only with a mock.
            mock_result: What the work of a Task, Map or Parallel gives.
            mock_error: Error and cause with which the work fails.
            field_validation: How a mocked result is held against what the service answers: `STRICT`, `PRESENT`, `NONE`.
            retrier_retry_count: How often the retrier that matches has retried already.
            error_caused_by_state: The state inside a Map or Parallel that a mocked error comes from.
            map_iteration_failure_count: How many iterations of a distributed Map failed.
            map_item_reader_data: What the `ItemReader` of a distributed Map reads.

        Raises:
            ApiError: `InvalidDefinition`, `ValidationException`, …
        """
        request = pb.TestStateRequest(
            definition=_json.document(definition),
            state_name=state_name,
            input=_json.encode(input),
            role_arn=role_arn,
            variables=_json.document(variables),
            context=_json.document(context),
            field_validation=f"FIELD_VALIDATION_{field_validation}",
            retrier_retry_count=retrier_retry_count,
            error_caused_by_state=error_caused_by_state,
            map_iteration_failure_count=map_iteration_failure_count,
            map_item_reader_data="" if map_item_reader_data is None else _json.encode(map_item_reader_data),
        )
        if mock_error is not None:
            error, cause = mock_error
            request.mock_error.CopyFrom(pb.TestStateRequest.MockError(error=error, cause=cause))
        elif mock_result is not NOTHING:
            request.mock_result = _json.encode(mock_result)
        answer = await self._connection.unary("StateMachineService/TestState", request, pb.TestStateResponse)
        return model.TestedState(
            status=model.word(pb.TestStateResponse.Status, answer.status),
            output_text=model.optional(answer, "output"),
            error=model.optional(answer, "error"),
            cause=model.optional(answer, "cause"),
            next_state=model.optional(answer, "next_state"),
            inspection={
                field.name: _json.decode(value) if isinstance(value, str) else value
                for field, value in answer.inspection.ListFields()
            },
        )
