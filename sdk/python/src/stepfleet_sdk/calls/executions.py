"""Executions: starting, following and ending them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing

from .. import _json, errors, model
from .._connection import HasConnection
from .._json import EMPTY
from .._proto import executions_pb2 as pb
from .._retry import Attempts

#: Seconds that `StartSyncExecution` may take beyond other calls: it answers when the execution has ended.
_SYNC_EXTRA = 305.0


class Executions(HasConnection):
    """Starting, following and ending executions."""

    async def start_execution(
        self, state_machine_arn: str, input: object = EMPTY, *, name: str = "", trace_header: str = ""
    ) -> model.StartedExecution:
        """Starts an execution. `start` is the safe short form.

        Repeated after retryable errors only with a name, because a repetition without one would start another one.

        Args:
            state_machine_arn: A state machine, a version or an alias.
            input: Any JSON value; an empty object by default.
            name: The same name with the same input, while it runs, gives the same answer. Empty draws one.
            trace_header: Kept with the execution.

        Raises:
            ApiError: `ExecutionAlreadyExists`, `StateMachineDoesNotExist`, …
        """
        request = pb.StartExecutionRequest(
            state_machine_arn=state_machine_arn, name=name, input=_json.encode(input), trace_header=trace_header
        )
        path = "ExecutionService/StartExecution"
        answer = await self._connection.unary(path, request, pb.StartExecutionResponse, repeat=bool(name))
        return model.StartedExecution(answer.execution_arn, model.date(answer, "start_date"))

    async def start(self, state_machine_arn: str, input: object = EMPTY) -> str:
        """Starts an execution and gives its ARN.

        It gets a random name, so that a repetition after a lost answer cannot start a second one.
        """
        name = uuid.uuid4().hex
        try:
            return (await self.start_execution(state_machine_arn, input, name=name)).arn
        except errors.ExecutionAlreadyExists:
            # Nobody else has this name: the answer of an earlier attempt got lost, and the execution is over already.
            arn = execution_arn(state_machine_arn, name)
            if arn is None:
                raise
            return arn

    async def start_sync_execution(
        self, state_machine_arn: str, input: object = EMPTY, *, name: str = "", trace_header: str = ""
    ) -> model.SyncExecution:
        """Runs an execution of an EXPRESS state machine and gives how it ended, after 5 minutes at most.

        Never repeated by itself: what an answer would have told is lost with it.

        Args:
            state_machine_arn: A state machine, a version or an alias.
            input: Any JSON value; an empty object by default.
            name: Empty draws one.
            trace_header: Given back.

        Raises:
            ApiError: `StateMachineTypeNotSupported`, …
        """
        request = pb.StartSyncExecutionRequest(
            state_machine_arn=state_machine_arn, name=name, input=_json.encode(input), trace_header=trace_header
        )
        path = "ExecutionService/StartSyncExecution"
        answer = await self._connection.unary(
            path, request, pb.StartSyncExecutionResponse, repeat=False, extra=_SYNC_EXTRA
        )
        return model.SyncExecution(
            arn=answer.execution_arn,
            state_machine_arn=answer.state_machine_arn,
            name=answer.name,
            status=model.execution_status(answer.status),
            start_date=model.date(answer, "start_date"),
            stop_date=model.date(answer, "stop_date"),
            input_text=answer.input,
            output_text=model.optional(answer, "output"),
            error=model.optional(answer, "error"),
            cause=model.optional(answer, "cause"),
            trace_header=answer.trace_header,
            billed_duration_ms=answer.billed_duration_ms,
            billed_memory_mb=answer.billed_memory_mb,
        )

    async def stop_execution(self, execution_arn: str, *, error: str | None = None, cause: str | None = None) -> None:
        """Stops an execution; workers that are busy for it are told."""
        request = pb.StopExecutionRequest(execution_arn=execution_arn, error=error, cause=cause)
        await self._connection.unary("ExecutionService/StopExecution", request, pb.StopExecutionResponse)

    async def redrive_execution(self, execution_arn: str, *, client_token: str = "") -> None:
        """Makes an execution that failed, timed out or was stopped run again, from where it did.

        Args:
            execution_arn: The execution.
            client_token: Names the request, so that its repetition redrives once; empty draws one.

        Raises:
            ApiError: `ExecutionNotRedrivable`, `ExecutionDoesNotExist`, …
        """
        request = pb.RedriveExecutionRequest(execution_arn=execution_arn, client_token=client_token or uuid.uuid4().hex)
        await self._connection.unary("ExecutionService/RedriveExecution", request, pb.RedriveExecutionResponse)

    async def describe_execution(self, execution_arn: str) -> model.Execution:
        """Describes an execution.

        Raises:
            ApiError: `ExecutionDoesNotExist`, …
        """
        request = pb.DescribeExecutionRequest(execution_arn=execution_arn)
        path = "ExecutionService/DescribeExecution"
        answer = await self._connection.unary(path, request, pb.DescribeExecutionResponse)
        return model.Execution(
            arn=answer.execution_arn,
            state_machine_arn=answer.state_machine_arn,
            name=answer.name,
            status=model.execution_status(answer.status),
            start_date=model.date(answer, "start_date"),
            stop_date=model.maybe_date(answer, "stop_date"),
            input_text=answer.input,
            output_text=model.optional(answer, "output"),
            error=model.optional(answer, "error"),
            cause=model.optional(answer, "cause"),
            trace_header=answer.trace_header,
            state_machine_version_arn=answer.state_machine_version_arn or None,
            state_machine_alias_arn=answer.state_machine_alias_arn or None,
            redrive_count=answer.redrive_count,
            redrive_date=model.maybe_date(answer, "redrive_date"),
            redrive_status=model.redrive_status(answer.redrive_status),
            redrive_status_reason=answer.redrive_status_reason or None,
            open_tasks=model.open_tasks(answer.open_tasks),
            open_task_count=answer.open_task_count,
        )

    async def list_executions(
        self, state_machine_arn: str, *, status: model.ExecutionStatus | None = None, page_size: int = 0
    ) -> AsyncIterator[model.ExecutionListItem]:
        """The executions of a state machine, a version or an alias; newest first.

        Args:
            state_machine_arn: Whose executions.
            status: Only those.
            page_size: How many to fetch at once; 0 is 100, at most 1000.
        """
        wanted = f"EXECUTION_STATUS_{'UNSPECIFIED' if status is None else status.value}"
        path, token = "ExecutionService/ListExecutions", ""
        while True:
            request = pb.ListExecutionsRequest(
                state_machine_arn=state_machine_arn, status_filter=wanted, page_size=page_size, page_token=token
            )
            page = await self._connection.unary(path, request, pb.ListExecutionsResponse)
            for item in page.executions:
                yield model.ExecutionListItem(
                    arn=item.execution_arn,
                    state_machine_arn=item.state_machine_arn,
                    name=item.name,
                    status=model.execution_status(item.status),
                    start_date=model.date(item, "start_date"),
                    stop_date=model.maybe_date(item, "stop_date"),
                    state_machine_version_arn=item.state_machine_version_arn or None,
                    state_machine_alias_arn=item.state_machine_alias_arn or None,
                    redrive_count=item.redrive_count,
                    redrive_date=model.maybe_date(item, "redrive_date"),
                )
            token = page.next_page_token
            if not token:
                return

    async def get_execution_history(
        self,
        execution_arn: str,
        *,
        reverse_order: bool = False,
        exclude_execution_data: bool = False,
        page_size: int = 0,
    ) -> AsyncIterator[model.HistoryEvent]:
        """The history as it is now. `watch_execution` goes on with what comes.

        Args:
            execution_arn: The execution.
            reverse_order: Newest first.
            exclude_execution_data: Leaves inputs and outputs out.
            page_size: How many to fetch at once; 0 is 100, at most 1000.
        """
        path, token = "ExecutionService/GetExecutionHistory", ""
        while True:
            request = pb.GetExecutionHistoryRequest(
                execution_arn=execution_arn,
                page_size=page_size,
                page_token=token,
                reverse_order=reverse_order,
                exclude_execution_data=exclude_execution_data,
            )
            page = await self._connection.unary(path, request, pb.GetExecutionHistoryResponse)
            for event in page.events:
                yield model.history_event(event)
            token = page.next_page_token
            if not token:
                return

    async def watch_execution(
        self, execution_arn: str, *, after_event_id: int = 0
    ) -> AsyncIterator[model.HistoryEvent]:
        """History events as they are recorded; ends after the closing event.

        Breaks of the connection are bridged as often as `Endpoint.retries` allows in a row.

        Args:
            execution_arn: The execution.
            after_event_id: Begins behind this event.

        Raises:
            ApiError: `ExecutionDoesNotExist`, …
            TransportError: The coordinator stays away.
        """
        attempts = Attempts(self._connection.endpoint.retries)
        seen, ended = after_event_id, False
        while True:
            request = pb.WatchExecutionRequest(execution_arn=execution_arn, after_event_id=seen)
            path = "ExecutionService/WatchExecution"
            try:
                # Closed at once when the caller looks no further.
                async with aclosing(self._connection.stream(path, request, pb.WatchExecutionResponse)) as answers:
                    async for answer in answers:
                        attempts = Attempts(self._connection.endpoint.retries)
                        ended = model.execution_status(answer.status).has_ended
                        for event in answer.events:
                            seen = event.id
                            yield model.history_event(event)
                if ended:
                    return
                raise errors.TransportError("the watch ended before the execution")
            except errors.Error as error:
                delay = attempts.after(error)
            await asyncio.sleep(delay)

    async def wait(self, execution_arn: str) -> model.Execution:
        """Waits until an execution has ended, and describes it; `Execution.result` gives its output or raises.

        Raises:
            ApiError: `ExecutionDoesNotExist`, …
            TransportError: The coordinator stays away.
        """
        async for _ in self.watch_execution(execution_arn):
            pass
        return await self.describe_execution(execution_arn)


def execution_arn(state_machine_arn: str, name: str) -> str | None:
    """The ARN of an execution by the ARN of its state machine (maybe with a version or alias at its end)."""
    front, found, machine = state_machine_arn.partition(":stateMachine:")
    if not found:
        return None
    return f"{front}:execution:{machine.split(':')[0]}:{name}"
