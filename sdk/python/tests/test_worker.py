"""The worker against a real coordinator: outputs and failures, cut connections, kills, cancellation, heartbeats, drain."""

import asyncio
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from harness import (
    Case,
    Coordinator,
    Proxy,
    activity_arn,
    client_at,
    coordinator,
    map_machine,
    task_machine,
    unique,
    until,
)
from stepfleet_sdk import (
    ConfigurationError,
    ExecutionError,
    ExecutionStatus,
    Task,
    TaskCancelled,
    TaskError,
    Worker,
    errors,
)


@dataclass
class Item:
    name: str
    weights: list[float] = field(default_factory=list)
    inner: "Item | None" = None


class Handlers(Case):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.name = await self.activity()
        self.worker = Worker(self.client, name="handlers")

    async def outcome(self, value: object) -> Any:
        """Runs the worker for one execution."""
        arn = await self.machine(task_machine(self.name))
        async with self.serving(self.worker):
            return await self.client.wait(await self.client.start(arn, value))

    async def failure(self, value: object = None) -> tuple[str | None, str | None]:
        ended = await self.outcome(value)
        self.assertEqual(ended.status, ExecutionStatus.FAILED)
        return ended.error, ended.cause

    async def test_async_handlers_run_in_the_event_loop(self) -> None:
        @self.worker.activity(self.name)
        async def count(task: Task[dict[str, str]]) -> dict[str, object]:
            self.assertIs(threading.current_thread(), threading.main_thread())
            self.assertEqual((task.activity, task.attempt, task.heartbeat_seconds), (self.name, 0, None))
            self.assertNotIn(task.token, repr(task))
            return {"length": len(task.input["text"]), "execution": task.execution_arn}

        ended = await self.outcome({"text": "grüße"})
        self.assertEqual(ended.result(), {"length": 5, "execution": ended.arn})
        events = [e async for e in self.client.get_execution_history(ended.arn) if e.type == "ActivityStarted"]
        self.assertEqual(events[0].details["workerName"], "handlers")

    async def test_ordinary_handlers_run_in_threads(self) -> None:
        barrier = threading.Barrier(3)

        @self.worker.activity(self.name, slots=3)
        def double(task: Task[int]) -> int:
            # Only three at once get past it.
            barrier.wait(20)
            return task.input * 2

        arn = await self.machine(map_machine(self.name))
        async with self.serving(self.worker):
            ended = await self.client.wait(await self.client.start(arn, [1, 2, 3]))
        self.assertEqual(ended.result(), [2, 4, 6])

    async def test_dataclasses_go_in_and_out(self) -> None:
        @self.worker.activity(self.name, input=Item)
        async def turn(task: Task[Item]) -> Item:
            assert task.input.inner is not None
            return Item(task.input.inner.name, [*task.input.weights, 0.5], Item(task.input.name))

        ended = await self.outcome({"name": "a", "weights": [1], "inner": {"name": "b"}, "unknown": True})
        inner: dict[str, Any] = {"name": "a", "weights": [], "inner": None}
        self.assertEqual(ended.result(), {"name": "b", "weights": [1, 0.5], "inner": inner})

    async def test_an_input_that_does_not_fit_says_where(self) -> None:
        @self.worker.activity(self.name, input=Item)
        async def turn(task: Task[Item]) -> None: ...

        error, cause = await self.failure({"name": "a", "weights": [1, "2"]})
        text = f"the input does not fit activity `{self.name}`: $.weights[1] is a string, not a number"
        self.assertEqual((error, cause), ("InvalidInput", text))

    async def test_raw_handlers_see_the_text(self) -> None:
        @self.worker.activity_raw(self.name)
        async def echo(task: Task[str]) -> str:
            return f'{{"was":{task.input}}}'

        self.assertEqual((await self.outcome([1.0, 2])).output_text, '{"was":[1.0,2]}')

    async def test_a_task_error_fails_with_its_name(self) -> None:
        @self.worker.activity(self.name)
        def refuse(task: Task[Any]) -> None:
            raise TaskError("NoSuchFile", "it is gone")

        self.assertEqual(await self.failure(), ("NoSuchFile", "it is gone"))

    async def test_any_other_exception_fails_with_its_class_and_causes(self) -> None:
        @self.worker.activity(self.name)
        async def parse(task: Task[Any]) -> None:
            try:
                int("x")
            except ValueError as error:
                raise LookupError("no number") from error

        with self.assertLogs("stepfleet_sdk.worker", "WARNING"):
            told = await self.failure()
        self.assertEqual(told, ("LookupError", "no number: invalid literal for int() with base 10: 'x'"))

    async def test_an_exit_in_a_handler_ends_its_task_only(self) -> None:
        @self.worker.activity(self.name)
        async def leave(task: Task[Any]) -> None:
            sys.exit("bye")

        with self.assertLogs("stepfleet_sdk.worker", "WARNING"):
            self.assertEqual(await self.failure(), ("SystemExit", "bye"))

    async def test_an_output_that_is_no_json_fails(self) -> None:
        @self.worker.activity(self.name)
        async def nan(task: Task[Any]) -> float:
            return float("nan")

        self.assertEqual((await self.failure())[0], "InvalidOutput")

    async def test_an_output_that_is_too_large_fails(self) -> None:
        @self.worker.activity(self.name)
        async def large(task: Task[Any]) -> str:
            return "x" * 300_000

        self.assertEqual((await self.failure())[0], "States.DataLimitExceeded")


class Options(Case):
    async def test_a_worker_that_cannot_work_says_why(self) -> None:
        async def handler(task: Task[Any]) -> None: ...

        def worker(*names: str, **options: Any) -> Worker:
            made = Worker(self.client, **options)
            for name in names:
                made.activity(name)(handler)
            return made

        for made, text in (
            (worker(), "a worker needs at least one activity"),
            (worker("a", "a"), "activity `a` is registered twice"),
            (worker("a", slots=0), "activity `a` has no slots"),
            (worker("a", name=""), "worker name `` must have 1 to 80 characters"),
        ):
            with self.subTest(text), self.assertRaisesRegex(ConfigurationError, text):
                await made.run()

    async def test_an_activity_that_is_not_there_is_refused_or_created(self) -> None:
        name = unique("new")

        async def handler(task: Task[Any]) -> Any:
            return task.input

        worker = Worker(self.client)
        worker.activity(name)(handler)
        with self.assertRaises(errors.ActivityDoesNotExist):
            await worker.run(asyncio.Event())
        worker = Worker(self.client, create_activities=True)
        worker.activity(name)(handler)
        async with self.serving(worker):
            arn = activity_arn(name)
            await until("the activity is served", lambda: self.is_served(arn))

    async def is_served(self, arn: str) -> bool:
        try:
            return (await self.client.describe_activity(arn)).workers == 16
        except errors.ActivityDoesNotExist:
            return False


class Cancellation(Case):
    async def test_a_stop_cancels_async_and_blocking_handlers_within_a_second(self) -> None:
        ended: dict[str, float] = {}
        begun: Counter[str] = Counter()
        one, other = await self.activity(), await self.activity()
        worker = Worker(self.client)

        @worker.activity(one)
        async def wait(task: Task[Any]) -> None:
            begun["async"] += 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.assertTrue(task.cancelled.is_set())
                ended["async"] = time.monotonic()
                raise

        @worker.activity(other)
        def block(task: Task[Any]) -> None:
            begun["blocking"] += 1
            task.cancelled.wait(20)
            ended["blocking"] = time.monotonic()
            with self.assertRaises(TaskCancelled):
                task.raise_if_cancelled()

        branches = [task_machine(one, prefix="A"), task_machine(other, prefix="B")]
        both = {"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": branches, "End": True}}}
        async with self.serving(worker):
            execution = await self.client.start(await self.machine(both))
            await until("both run", lambda: begun.total() == 2)
            stopped = time.monotonic()
            await self.client.stop_execution(execution)
            await until("both have ended", lambda: len(ended) == 2)
        self.assertLess(max(ended.values()) - stopped, 1)

    async def test_heartbeats_keep_a_long_task_alive(self) -> None:
        name = await self.activity()
        worker = Worker(self.client)
        begun = threading.Event()

        @worker.activity(name)
        def long(task: Task[Any]) -> int | None:
            begun.set()
            # Longer than the heartbeat allows, in a thread that says nothing itself.
            task.cancelled.wait(2.5)
            task.heartbeat({"done": 1})
            return task.heartbeat_seconds

        arn = await self.machine(task_machine(name, HeartbeatSeconds=1, TimeoutSeconds=30))
        async with self.serving(worker):
            self.assertEqual((await self.client.wait(await self.client.start(arn))).result(), 1)


class Breaks(Case):
    async def test_results_survive_cut_connections_and_count_once(self) -> None:
        proxy = Proxy(coordinator().port)
        self.addCleanup(proxy.close)
        client = client_at(proxy.url)
        self.addAsyncCleanup(client.close)
        name, calls, cuts = await self.activity(), Counter[int](), 0
        worker = Worker(client)

        @worker.activity(name, slots=8)
        async def work(task: Task[int]) -> int:
            nonlocal cuts
            calls[task.input] += 1
            if task.input % 25 == 0:
                cuts += 1
                proxy.cut()
            return task.input

        arn = await self.machine(map_machine(name))
        numbers = list(range(1, 201))
        with self.assertLogs("stepfleet_sdk.worker", "WARNING"):
            async with self.serving(worker):
                ended = await self.client.wait(await self.client.start(arn, numbers))
        self.assertEqual(ended.result(), numbers)
        self.assertEqual(calls, Counter(numbers), "a task was lost or done twice")
        self.assertGreaterEqual(proxy.accepted, cuts)
        self.assertEqual((await self.history(ended.arn)).count("ActivitySucceeded"), 200)

    async def test_a_task_goes_on_while_the_connection_is_away(self) -> None:
        proxy = Proxy(coordinator().port)
        self.addCleanup(proxy.close)
        client = client_at(proxy.url)
        self.addAsyncCleanup(client.close)
        name, calls, go_on = await self.activity(), 0, asyncio.Event()
        worker = Worker(client)

        @worker.activity(name)
        async def work(task: Task[Any]) -> str:
            nonlocal calls
            calls += 1
            await go_on.wait()
            return "done"

        arn = await self.machine(task_machine(name))
        with self.assertLogs("stepfleet_sdk.worker", "WARNING"):
            async with self.serving(worker):
                execution = await self.client.start(arn)
                await until("the task runs", lambda: calls == 1)
                proxy.cut()
                await until("the worker is back", lambda: proxy.accepted == 2)
                go_on.set()
                ended = await self.client.wait(execution)
        self.assertEqual((ended.result(), calls), ("done", 1))

    async def test_a_silent_connection_is_given_up(self) -> None:
        proxy = Proxy(coordinator().port)
        self.addCleanup(proxy.close)
        client = client_at(proxy.url, keepalive_interval=0.5, keepalive_timeout=0.5)
        self.addAsyncCleanup(client.close)
        name, calls = await self.activity(), Counter[int]()
        worker = Worker(client)

        @worker.activity(name)
        async def work(task: Task[int]) -> int:
            calls[task.input] += 1
            if task.input == 1:
                proxy.swallow()
            return task.input

        arn = await self.machine(map_machine(name))
        with self.assertLogs("stepfleet_sdk.worker", "WARNING"):
            async with self.serving(worker):
                ended = await self.client.wait(await self.client.start(arn, [1, 2, 3]))
        self.assertEqual((ended.result(), calls), ([1, 2, 3], Counter([1, 2, 3])))

    async def test_a_killed_coordinator_loses_and_doubles_nothing(self) -> None:
        own = Coordinator()
        self.addCleanup(own.stop)
        client = client_at(own.url, retries=20)
        self.addAsyncCleanup(client.close)
        name, calls, half, go_on = unique("killed"), Counter[int](), asyncio.Event(), asyncio.Event()
        worker = Worker(client, create_activities=True)

        @worker.activity(name, slots=4)
        async def work(task: Task[int]) -> int:
            calls[task.input] += 1
            if task.input >= 20:
                half.set()
                await go_on.wait()
            return task.input

        numbers = list(range(40))
        with self.assertLogs("stepfleet_sdk", "WARNING"):
            async with self.serving(worker):
                await until("the worker is there", lambda: self.is_there(own, name))
                arn = (await client.create_state_machine("killed", map_machine(name, 4))).arn
                execution = await client.start(arn, numbers)
                await half.wait()
                own.kill()
                # These end while nobody is there to hear of it.
                go_on.set()
                own.restart()
                ended = await client.wait(execution)
        self.assertEqual(ended.result(), numbers)
        self.assertEqual(calls, Counter(numbers), "a task was lost or done twice")

    async def is_there(self, own: Coordinator, name: str) -> bool:
        async with client_at(own.url) as client:
            return name in [item.name async for item in client.list_activities()]


PROGRAM = """
import asyncio, os, sys
from stepfleet_sdk import Client, Task, Worker

worker = Worker(Client(sys.argv[1]), name="drained", grace=20)

@worker.activity(sys.argv[2], slots=2)
def work(task: Task[int]) -> str:
    sys.stdout.write(f"begun {task.input}\\n")  # in one piece
    sys.stdout.flush()
    os.read(0, 1)  # each takes one byte
    return "old"

worker.run_blocking()
print("left", flush=True)
"""


class Drain(Case):
    async def test_a_terminated_worker_finishes_what_runs_and_takes_no_more(self) -> None:
        name = await self.activity()
        arn = await self.machine(task_machine(name))
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, coordinator().url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        assert process.stdin is not None and process.stdout is not None
        read, write = asyncio.to_thread, process.stdin
        running = [await self.client.start(arn, n) for n in (1, 2)]
        begun = {await read(process.stdout.readline), await read(process.stdout.readline)}
        self.assertEqual(begun, {"begun 1\n", "begun 2\n"})
        process.send_signal(signal.SIGTERM)
        served = activity_arn(name)
        await until("it takes no more", lambda: self.workers(served, 0))
        other = Worker(self.client)

        @other.activity(name)
        async def work(task: Task[int]) -> str:
            return "new"

        async with self.serving(other):
            third = await self.client.wait(await self.client.start(arn, 3))
            self.assertEqual(third.result(), "new")
            self.assertIsNone(process.poll())
            write.write("\n\n")
            write.flush()
            for execution in running:
                self.assertEqual((await self.client.wait(execution)).result(), "old")
            self.assertEqual(await read(process.stdout.readline), "left\n")
        self.assertEqual(await read(process.wait, 20), 0)
        write.close()
        process.stdout.close()

    async def workers(self, arn: str, count: int) -> bool:
        return (await self.client.describe_activity(arn)).workers == count

    async def test_an_operator_sees_holds_back_and_drains(self) -> None:
        name, begun, go_on = await self.activity(), asyncio.Event(), asyncio.Event()
        served, arn = activity_arn(name), await self.machine(task_machine(name))
        settings = await self.client.update_activity(served, paused=True, max_rate=5.5)
        self.assertEqual((settings.paused, settings.max_rate), (True, 5.5))
        bounds: list[tuple[float | Literal["default"], float | None]]
        bounds = [(0, 0.0), (math.inf, math.inf), ("default", None)]
        for away_max, told in bounds:
            settings = await self.client.update_activity(served, away_max=away_max)
            self.assertEqual(settings.away_max, told)
        await self.client.start(arn, 1)

        async def waits(count: int) -> bool:
            return (await self.client.get_activity_stats(served)).queued == count

        await until("it waits", lambda: waits(1))
        self.assertEqual(await self.client.purge_activity(served, cause="never mind"), 1)
        worker = Worker(self.client, name="operated", labels={"team": name})

        @worker.activity(name)
        async def work(task: Task[int]) -> str:
            begun.set()
            await go_on.wait()
            return "done"

        running = asyncio.create_task(worker.run(asyncio.Event()))
        execution = await self.client.start(arn, 2)
        await until("it waits", lambda: waits(1))
        settings = await self.client.update_activity(served, paused=False, max_rate=0)
        self.assertEqual((settings.paused, settings.max_rate), (False, 0))
        await begun.wait()
        labels = {"team": name}
        (info,) = [info async for info in self.client.list_workers(labels=labels)]
        self.assertEqual((info.name, info.status, info.activities[0].used), ("operated", "CONNECTED", 1))
        shown, tasks = await self.client.describe_worker(info.session_id)
        self.assertEqual((shown.labels, [task.execution_arn for task in tasks]), (labels, [execution]))
        (drained,) = await self.client.drain_workers(info.session_id)
        self.assertEqual(drained.status, "DRAINING")
        (resumed,) = await self.client.resume_workers(labels=labels)
        self.assertEqual(resumed.status, "CONNECTED")
        await self.client.drain_workers(activity=name)
        go_on.set()
        await asyncio.wait_for(running, 20)
        self.assertEqual((await self.client.wait(execution)).result(), "done")

    async def test_what_outlives_the_grace_period_fails(self) -> None:
        name, begun = await self.activity(), asyncio.Event()
        worker = Worker(self.client, grace=0.05, stop_timeout=5)

        @worker.activity(name)
        async def work(task: Task[Any]) -> None:
            begun.set()
            await asyncio.Event().wait()

        arn = await self.machine(task_machine(name))
        shutdown = asyncio.Event()
        running = asyncio.create_task(worker.run(shutdown))
        execution = await self.client.start(arn)
        await begun.wait()
        shutdown.set()
        with self.assertLogs("stepfleet_sdk.worker", "WARNING"):
            await running
        with self.assertRaises(ExecutionError) as caught:
            (await self.client.wait(execution)).result()
        self.assertEqual(caught.exception.error, "WorkerStopped")

    async def test_a_handler_that_cannot_be_stopped_is_abandoned(self) -> None:
        name, begun, go_on = await self.activity(), threading.Event(), threading.Event()
        self.addCleanup(go_on.set)
        worker = Worker(self.client, grace=0.05, stop_timeout=0.05)

        @worker.activity(name)
        def work(task: Task[Any]) -> None:
            begun.set()
            go_on.wait(60)

        arn = await self.machine(task_machine(name))
        shutdown = asyncio.Event()
        running = asyncio.create_task(worker.run(shutdown))
        execution = await self.client.start(arn)
        await until("it runs", begun.is_set)
        shutdown.set()
        with self.assertLogs("stepfleet_sdk.worker", "WARNING"), self.assertRaises(errors.Abandoned) as caught:
            await running
        self.assertEqual((caught.exception.unfinished, caught.exception.unconfirmed), (1, 0))
        self.assertEqual((await self.client.wait(execution)).error, "WorkerStopped")
