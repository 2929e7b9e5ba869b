"""Workers as an operator sees them, and what holds the tasks of an activity back."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Literal

from google.protobuf.timestamp_pb2 import Timestamp

from .. import model
from .._connection import HasConnection
from .._proto import activities_pb2, workers_pb2


class Workers(HasConnection):
    """Seeing and draining workers; pausing, bounding and purging activities."""

    async def list_workers(
        self, *, activity: str = "", labels: Mapping[str, str] | None = None, page_size: int = 0
    ) -> AsyncIterator[model.WorkerInfo]:
        """Workers by name; those that left or were lost stay for ten minutes.

        Args:
            activity: Only those that serve it: an ARN, or a bare name.
            labels: Only those that carry all of them.
            page_size: How many to fetch at once; 0 is 100, at most 1000.
        """
        path, token = "WorkerService/ListWorkers", ""
        while True:
            request = workers_pb2.ListWorkersRequest(
                page_size=page_size, page_token=token, activity=activity, labels=dict(labels or {})
            )
            page = await self._connection.unary(path, request, workers_pb2.ListWorkersResponse)
            for worker in page.workers:
                yield _worker(worker)
            token = page.next_page_token
            if not token:
                return

    async def describe_worker(self, worker: str) -> tuple[model.WorkerInfo, list[model.WorkerTask]]:
        """A worker, and the tasks in its hands: the longest held first, at most 1000.

        Args:
            worker: Its session id, or its name when one worker alone has it.
        """
        request = workers_pb2.DescribeWorkerRequest(worker=worker)
        path = "WorkerService/DescribeWorker"
        answer = await self._connection.unary(path, request, workers_pb2.DescribeWorkerResponse)
        tasks = [
            model.WorkerTask(
                task.execution_arn,
                task.activity_arn,
                model.date(task, "since_date"),
                task.progress or None,
                model.maybe_date(task, "progress_date"),
            )
            for task in answer.tasks
        ]
        return _worker(answer.worker), tasks

    async def drain_workers(
        self, worker: str = "", *, activity: str = "", labels: Mapping[str, str] | None = None
    ) -> list[model.WorkerInfo]:
        """Tells workers to take no new tasks, finish what they began, and leave; gives them as they are now.

        Args:
            worker: A session id, or a name: every worker that has it.
            activity: Those that serve it.
            labels: Those that carry all of them. What is given must all hold, and something must be given.
        """
        request = workers_pb2.DrainWorkersRequest(worker=worker, activity=activity, labels=dict(labels or {}))
        path = "WorkerService/DrainWorkers"
        answer = await self._connection.unary(path, request, workers_pb2.DrainWorkersResponse)
        return [_worker(info) for info in answer.workers]

    async def resume_workers(
        self, worker: str = "", *, activity: str = "", labels: Mapping[str, str] | None = None
    ) -> list[model.WorkerInfo]:
        """Takes `drain_workers` back from those that have not left; the arguments are the same."""
        request = workers_pb2.ResumeWorkersRequest(worker=worker, activity=activity, labels=dict(labels or {}))
        path = "WorkerService/ResumeWorkers"
        answer = await self._connection.unary(path, request, workers_pb2.ResumeWorkersResponse)
        return [_worker(info) for info in answer.workers]

    async def update_activity(
        self,
        arn: str,
        *,
        paused: bool | None = None,
        required_labels: Mapping[str, str] | None = None,
        max_concurrency: int | None = None,
        max_rate: float | None = None,
        away_max: float | Literal["default"] | None = None,
    ) -> model.ActivitySettings:
        """Changes what holds the activity's tasks back, durably; what is not given stays.

        Args:
            arn: The activity.
            paused: Nothing is handed out.
            required_labels: Labels that a worker must have; without any, every worker serves.
            max_concurrency: Tasks at once over all workers; 0 is no bound.
            max_rate: Tasks that may start a second; 0 is no bound.
            away_max: Whole seconds that a worker may be away before its tasks end as lost, 0 for at once;
                `math.inf`: their own timeouts alone end them; `"default"`: as the coordinator's.
        """
        request = activities_pb2.UpdateActivityRequest(
            activity_arn=arn, max_concurrency=max_concurrency, max_rate=max_rate
        )
        if paused is not None:
            request.paused = paused
        if required_labels is not None:
            request.required_labels.CopyFrom(activities_pb2.Labels(labels=dict(required_labels)))
        if away_max is not None:
            request.away_max.CopyFrom(_away_max(away_max))
        path = "ActivityService/UpdateActivity"
        answer = await self._connection.unary(path, request, activities_pb2.UpdateActivityResponse)
        return _settings(answer.settings)

    async def purge_activity(self, arn: str, *, until: datetime | None = None, cause: str = "") -> int:
        """Fails waiting tasks with `Stepfleet.TaskPurged`; gives how many. Those that a worker has go on.

        Args:
            arn: The activity.
            until: Tasks that were scheduled by then; without it, by now.
            cause: The cause in the histories.
        """
        request = activities_pb2.PurgeActivityRequest(activity_arn=arn, cause=cause)
        if until is not None:
            then = Timestamp()
            then.FromDatetime(until)
            request.scheduled_until.CopyFrom(then)
        path, purged = "ActivityService/PurgeActivity", 0
        while True:
            answer = await self._connection.unary(path, request, activities_pb2.PurgeActivityResponse)
            purged += answer.purged
            if not answer.more:
                return purged
            request.scheduled_until.CopyFrom(answer.scheduled_until)

    async def get_activity_stats(self, arn: str) -> model.ActivityStats:
        """The queue of an activity, its workers, and what happened in the last minutes."""
        request = activities_pb2.GetActivityStatsRequest(activity_arn=arn)
        path = "ActivityService/GetActivityStats"
        answer = await self._connection.unary(path, request, activities_pb2.GetActivityStatsResponse)
        return model.ActivityStats(
            arn=answer.activity_arn,
            queued=answer.queued,
            oldest_age_ms=answer.oldest_age_ms,
            in_hand=answer.in_hand,
            workers=answer.workers,
            slots=answer.slots,
            slots_used=answer.slots_used,
            pollers=answer.pollers,
            window_ms=answer.window_ms,
            started=answer.started,
            succeeded=answer.succeeded,
            failed=answer.failed,
            timed_out=answer.timed_out,
            start_latency_p50_ms=answer.start_latency_p50_ms,
            start_latency_p99_ms=answer.start_latency_p99_ms,
            unserved=answer.unserved,
            settings=_settings(answer.settings),
            unplaceable=[(dict(waiting.labels), waiting.queued) for waiting in answer.unplaceable],
        )


def _worker(info: workers_pb2.WorkerInfo) -> model.WorkerInfo:
    return model.WorkerInfo(
        session_id=info.session_id,
        name=info.name,
        host=info.host,
        build_id=info.build_id,
        labels=dict(info.labels),
        activities=[model.WorkerActivity(each.activity_arn, each.slots, each.used) for each in info.activities],
        status=model.word(workers_pb2.WorkerStatus, info.status),
        connected_date=model.date(info, "connected_date"),
        last_seen_date=model.date(info, "last_seen_date"),
        gone_date=model.maybe_date(info, "gone_date"),
    )


def _settings(settings: activities_pb2.ActivitySettings) -> model.ActivitySettings:
    bound = settings.away_max.WhichOneof("bound")
    seconds = {None: None, "seconds": float(settings.away_max.seconds), "unbounded": math.inf}
    return model.ActivitySettings(
        settings.paused,
        dict(settings.required_labels),
        settings.max_concurrency,
        settings.max_rate,
        seconds[bound],
    )


def _away_max(away_max: float | Literal["default"]) -> activities_pb2.AwayMax:
    if away_max == "default":
        return activities_pb2.AwayMax()
    if away_max == math.inf:
        return activities_pb2.AwayMax(unbounded=True)
    return activities_pb2.AwayMax(seconds=int(away_max))
