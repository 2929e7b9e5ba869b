"""Activities, their tasks one call at a time, callbacks, and what an operator asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from .. import _json, model
from .._connection import HasConnection
from .._proto import activities_pb2 as pb
from .._proto import admin_pb2
from .state_machines import Document

#: Seconds that `GetActivityTask` may take beyond other calls: the coordinator waits up to 60 s for a task.
_POLL_EXTRA = 65.0


class Activities(HasConnection):
    """Creating and describing activities."""

    async def create_activity(
        self,
        name: str,
        *,
        tags: Mapping[str, str] | None = None,
        encryption_configuration: Document | None = None,
    ) -> model.CreatedActivity:
        """Creates an activity; repeating it gives the same answer.

        Args:
            name: Its name.
            tags: At most 50.
            encryption_configuration: Kept and given back without effect.
        """
        request = pb.CreateActivityRequest(
            name=name,
            tags=dict(tags or {}),
            encryption_configuration=_json.document(encryption_configuration),
        )
        answer = await self._connection.unary("ActivityService/CreateActivity", request, pb.CreateActivityResponse)
        return model.CreatedActivity(answer.activity_arn, model.date(answer, "creation_date"))

    async def delete_activity(self, arn: str) -> None:
        """Deletes an activity; an unknown ARN is fine."""
        request = pb.DeleteActivityRequest(activity_arn=arn)
        await self._connection.unary("ActivityService/DeleteActivity", request, pb.DeleteActivityResponse)

    async def describe_activity(self, arn: str) -> model.Activity:
        """Describes an activity, its queue and its workers.

        Raises:
            ApiError: `ActivityDoesNotExist`, …
        """
        request = pb.DescribeActivityRequest(activity_arn=arn)
        path = "ActivityService/DescribeActivity"
        answer = await self._connection.unary(path, request, pb.DescribeActivityResponse)
        return model.Activity(
            arn=answer.activity_arn,
            name=answer.name,
            creation_date=model.date(answer, "creation_date"),
            queued=answer.queued,
            oldest_age_ms=answer.oldest_age_ms,
            workers=answer.workers,
            encryption_configuration=_json.decode(answer.encryption_configuration or "null"),
        )

    async def list_activities(self, *, page_size: int = 0) -> AsyncIterator[model.ActivityListItem]:
        """All activities.

        Args:
            page_size: How many to fetch at once; 0 is 100, at most 1000.
        """
        path, token = "ActivityService/ListActivities", ""
        while True:
            request = pb.ListActivitiesRequest(page_size=page_size, page_token=token)
            page = await self._connection.unary(path, request, pb.ListActivitiesResponse)
            for item in page.activities:
                yield model.ActivityListItem(item.activity_arn, item.name, model.date(item, "creation_date"))
            token = page.next_page_token
            if not token:
                return


class Tasks(HasConnection):
    """Tasks by their tokens. Fleets use `Worker`."""

    async def get_activity_task(self, activity_arn: str, *, worker_name: str = "") -> model.ActivityTask | None:
        """Waits up to 60 s for an activity task; `None` when there was none.

        Never repeated by itself: a task handed out in an answer that got lost goes back to its queue.

        Args:
            activity_arn: The activity.
            worker_name: Shown in histories.
        """
        request = pb.GetActivityTaskRequest(activity_arn=activity_arn, worker_name=worker_name)
        path = "TaskService/GetActivityTask"
        answer = await self._connection.unary(
            path, request, pb.GetActivityTaskResponse, repeat=False, extra=_POLL_EXTRA
        )
        if not answer.task_token:
            return None
        return model.ActivityTask(answer.task_token, answer.input, answer.last_progress or None)

    async def send_task_success(self, token: str, output: object) -> None:
        """Ends a task with an output, any JSON value.

        Repeated after a lost answer, when the first attempt may have counted: then the answer is `TaskTimedOut`.

        Raises:
            ApiError: `TaskTimedOut`, `TaskDoesNotExist`, `InvalidToken`, `InvalidOutput`.
        """
        request = pb.SendTaskSuccessRequest(task_token=token, output=_json.encode(output))
        await self._connection.unary("TaskService/SendTaskSuccess", request, pb.SendTaskSuccessResponse)

    async def send_task_failure(self, token: str, *, error: str | None = None, cause: str | None = None) -> None:
        """Ends a task with an error; repeated like `send_task_success`.

        Raises:
            ApiError: `TaskTimedOut`, `TaskDoesNotExist`, `InvalidToken`.
        """
        request = pb.SendTaskFailureRequest(task_token=token, error=error, cause=cause)
        await self._connection.unary("TaskService/SendTaskFailure", request, pb.SendTaskFailureResponse)

    async def send_task_heartbeat(self, token: str, progress: object = None) -> None:
        """Says that a task is still being worked on, and how far it is.

        Args:
            token: The task's.
            progress: Any JSON value of at most 8192 bytes of text: people see it, and the next attempt gets it. `None` says
                nothing.

        Raises:
            ApiError: `TaskTimedOut` says that the attempt is over, `ValidationException` that the progress is too long.
        """
        details = "" if progress is None else _json.encode(progress)
        request = pb.SendTaskHeartbeatRequest(task_token=token, details=details)
        await self._connection.unary("TaskService/SendTaskHeartbeat", request, pb.SendTaskHeartbeatResponse)

    async def complete(self, token: str, output: object) -> None:
        """Short for `send_task_success`."""
        await self.send_task_success(token, output)

    async def fail(self, token: str, error: str, cause: str = "") -> None:
        """Short for `send_task_failure`."""
        await self.send_task_failure(token, error=error, cause=cause)

    async def heartbeat(self, token: str, progress: object = None) -> None:
        """Short for `send_task_heartbeat`."""
        await self.send_task_heartbeat(token, progress)

    async def list_callbacks(
        self, *, execution_arn: str = "", state_machine_arn: str = "", page_size: int = 0
    ) -> AsyncIterator[model.Callback]:
        """Tasks that wait for their token to be completed by anyone, oldest first.

        Args:
            execution_arn: Only those of this execution.
            state_machine_arn: Only those of this state machine's executions.
            page_size: How many to fetch at once; 0 is 100, at most 1000.
        """
        path, token = "TaskService/ListCallbacks", ""
        while True:
            request = pb.ListCallbacksRequest(
                page_size=page_size,
                page_token=token,
                execution_arn=execution_arn,
                state_machine_arn=state_machine_arn,
            )
            page = await self._connection.unary(path, request, pb.ListCallbacksResponse)
            for item in page.callbacks:
                yield model.callback(item)
            token = page.next_page_token
            if not token:
                return

    async def revoke_callback_url(self, url: str) -> None:
        """Lets one callback URL count no more, durably.

        The task goes on waiting: its token, and the URLs of later attempts, are good. Repeating it is fine, and so is a URL
        that is over already.

        Args:
            url: Whole, as `$$.Task.CallbackUrl` gave it.

        Raises:
            ApiError: `ValidationException` says that the coordinator has made no such URL.
        """
        request = pb.RevokeCallbackUrlRequest(url=url)
        await self._connection.unary("TaskService/RevokeCallbackUrl", request, pb.RevokeCallbackUrlResponse)


class Admin(HasConnection):
    """What an operator asks."""

    async def get_status(self) -> model.Status:
        """Facts about the coordinator."""
        path = "AdminService/GetStatus"
        answer = await self._connection.unary(path, admin_pb2.GetStatusRequest(), admin_pb2.GetStatusResponse)
        return model.Status(
            version=answer.version,
            cluster_id=answer.cluster_id,
            partitions=answer.partitions,
            live_executions=answer.live_executions,
            resident_executions=answer.resident_executions,
            refusing=answer.refusing or None,
            arn_prefix=answer.arn_prefix,
        )

    async def backup(self) -> AsyncIterator[bytes]:
        """A consistent copy of everything; the chunks, joined, are the backup file."""
        request = admin_pb2.BackupRequest()
        stream = self._connection.stream("AdminService/Backup", request, admin_pb2.BackupResponse)
        async with aclosing(stream) as answers:
            async for answer in answers:
                yield answer.chunk
