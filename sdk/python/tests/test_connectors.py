"""Connectors: each part of the protocol by itself, and all three patterns with a real coordinator."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import test_session
from harness import Case, Coordinator, client_at, until
from stepfleet_sdk import (
    Answered,
    Begun,
    Connector,
    ExecutionStatus,
    Failed,
    Going,
    Pattern,
    Reports,
    Resumed,
    Standing,
    Start,
    Started,
    Succeeded,
    Task,
    TaskError,
    Work,
    Worker,
    errors,
)
from stepfleet_sdk._proto import fleet_pb2 as pb


class Training(Connector):
    """Work elsewhere: it outlives worker and coordinator, and begins once under a client id."""

    place = "here"

    def __init__(self) -> None:
        self.begun: dict[str, Any] = {}
        self.calls: list[str] = []
        self.ended: dict[str, Standing] = {}
        self.stopped: list[Work] = []
        self.described = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.reports: Reports | None = None
        self.tokens: list[str] = []

    async def start(self, start: Start) -> Started:
        self.calls.append(start.client_id)
        if start.input == {"place": "none"}:
            raise TaskError("NoRoom", "all places are taken")
        await self.gate.wait()
        if start.pattern is Pattern.REQUEST_RESPONSE:
            return Answered({"echo": start.input})
        self.tokens.append(start.task.token)
        self.begun.setdefault(start.client_id, start.input)
        return Begun({"id": start.client_id}, {"begun": True})

    async def describe(self, work: Work) -> Standing:
        self.described += 1
        assert work.handle == {"id": work.client_id}
        return self.ended.get(work.client_id) or Going(0.05)

    async def stop(self, work: Work) -> None:
        self.stopped.append(work)

    def attach(self, reports: Reports) -> None:
        self.reports = reports


class Protocol(test_session.Case):
    """Against a coordinator that does what the test says."""

    @asynccontextmanager
    async def training(self) -> AsyncIterator[tuple[Training, test_session.Stream]]:
        async def echo(task: Task[Any]) -> Any:
            return task.input

        training = Training()
        worker = Worker(self.client, name="w", confirm_timeout=0.2)
        worker.connector("acme:train", training, slots=3)
        worker.activity("a", slots=2)(echo)
        shutdown = asyncio.Event()
        running = asyncio.create_task(worker.run(shutdown))
        stream = await self.fake.streams.get()
        await stream.send(welcome=pb.Welcome())
        try:
            yield training, stream
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def begin(self, stream: test_session.Stream, number: int, token: str, pattern: Any) -> None:
        start = pb.Start(client_id=f"client-{token}", pattern=pattern)
        # Behind the activity.
        await stream.push(number, token, input="7", activity=1, execution_arn="arn:e", start=start)

    async def test_a_start_answers_or_begins(self) -> None:
        async with self.training() as (_, stream):
            self.assertEqual([(a.activity, a.slots) for a in stream.hello.activities], [("a", 2)])
            served = [(c.connector, c.slots, c.place) for c in stream.hello.connectors]
            self.assertEqual(served, [("acme:train", 3, "here")])
            await self.begin(stream, 1, "once", pb.TASK_PATTERN_REQUEST_RESPONSE)
            await self.begin(stream, 2, "sync", pb.TASK_PATTERN_SYNC)
            await stream.push(3, "plain", activity=1)
            await stream.push(4, "mine", activity=0, input="8")
            await until("all are done", lambda: len(stream.results()) == 4)
            found = {r.task_token: r for message in stream.received for r in message.results}
            self.assertEqual(found["once"].output, '{"echo":7}')
            begun = pb.Begun(handle='{"id":"client-sync"}', output='{"begun":true}', place="here")
            self.assertEqual(found["sync"].begun, begun)
            self.assertEqual(found["plain"].failure.error, "ConnectorOnly")
            self.assertEqual(found["mine"].output, "8")

    async def test_questions_are_answered_each_for_itself(self) -> None:
        async with self.training() as (training, stream):
            failed = Failed(TaskError("E", "C"))
            training.ended = {"c2": Succeeded(2), "c3": failed}

            def ask(number: int, kind: Any, client_id: str, connector: int = 1) -> pb.ConnectorQuery:
                handle = json.dumps({"id": client_id if client_id != "c4" else "another"})
                return pb.ConnectorQuery(
                    number=number, connector=connector, kind=kind, client_id=client_id, handle=handle
                )

            describe, stop = pb.ConnectorQuery.KIND_DESCRIBE, pb.ConnectorQuery.KIND_STOP
            queries = [ask(n, describe, f"c{n}") for n in range(1, 5)]
            await stream.send(queries=[*queries, ask(5, stop, "c5"), ask(6, describe, "c6", 0)])

            def answers() -> list[pb.ConnectorAnswer]:
                return [answer for message in stream.received for answer in message.answers]

            await until("six answers", lambda: len(answers()) == 6)
            by_number = {answer.number: answer for answer in answers()}
            self.assertEqual(by_number[1].going.again_after_ms, 50)
            self.assertEqual(by_number[2].output, "2")
            self.assertEqual((by_number[3].failure.error, by_number[3].failure.cause), ("E", "C"))
            self.assertIn("AssertionError", by_number[4].unknown)
            self.assertTrue(by_number[5].HasField("stopped"))
            self.assertEqual(by_number[6].WhichOneof("answer"), "unknown")
            self.assertEqual([work.client_id for work in training.stopped], ["c5"])

    async def test_an_answer_that_fits_no_message_fails_its_task(self) -> None:
        async with self.training() as (training, stream):
            sizes = {"c1": 3.5, "c2": 2.0, "c3": 2.0, "c4": 0.9}
            training.ended = {name: Succeeded("x" * int(size * 2**20)) for name, size in sizes.items()}
            kind = pb.ConnectorQuery.KIND_DESCRIBE
            queries = [
                pb.ConnectorQuery(
                    number=number, connector=1, kind=kind, client_id=name, handle=json.dumps({"id": name})
                )
                for number, name in enumerate(sizes)
            ]
            await stream.send(queries=queries)

            def answers() -> list[pb.ConnectorAnswer]:
                return [answer for message in stream.received for answer in message.answers]

            await until("four answers", lambda: len(answers()) == 4)
            by_number = {answer.number: answer for answer in answers()}
            self.assertEqual(by_number[0].failure.error, "States.DataLimitExceeded")
            self.assertEqual([len(by_number[n].output) > 2**19 for n in (1, 2, 3)], [True] * 3)

    async def test_what_begins_for_nobody_is_stopped(self) -> None:
        async with self.training() as (training, stream):
            training.gate.clear()
            await self.begin(stream, 1, "early", pb.TASK_PATTERN_SYNC)
            await until("it begins", lambda: training.calls)
            await stream.send(cancelled=["early"])
            await stream.push(2, "mine", activity=0, input="8")
            await until("that has arrived", stream.results)
            training.gate.set()
            await until("the first is stopped", lambda: training.stopped)
            await self.begin(stream, 3, "late", pb.TASK_PATTERN_SYNC)
            await until("it has begun", lambda: len(stream.results()) == 2)
            await stream.send(confirmed=2)
            await stream.send(cancelled=["late"])
            await until("the second is stopped", lambda: len(training.stopped) == 2)
            expect = [Work(f"client-{token}", {"id": f"client-{token}"}, "arn:e") for token in ("early", "late")]
            self.assertEqual(training.stopped, expect)

    async def test_a_begin_that_does_not_count_asks_whether_it_is_waited_for(self) -> None:
        async with self.training() as (training, stream):
            await self.begin(stream, 1, "t", pb.TASK_PATTERN_SYNC)
            await until("it has begun", stream.results)
            self.assertEqual(stream.beats(), [])
            with self.assertLogs("stepfleet_sdk.worker", "WARNING"):
                await stream.send(refused=[pb.RefusedResult(task_token="t", reason="TaskTimedOut")], confirmed=1)
                await until("it asks", stream.beats)
            await stream.send(reconnect_after_ms=1)
            second = await self.fake.streams.get()
            await second.send(welcome=pb.Welcome(resumed=True))
            await until("it asks at every connection", second.beats)
            self.assertEqual((second.beats(), training.stopped), ([("t", "")], []))
            await second.send(cancelled=["t"])
            await until("it is stopped", lambda: training.stopped)

    async def test_work_of_an_earlier_process_goes_on(self) -> None:
        async with self.training() as (training, stream):
            reports = training.reports
            assert reports is not None
            work = Work("client-old", {"id": "client-old"}, "arn:e")
            await reports.resume(Resumed("old", work, Pattern.SYNC, 7))
            await until("it has begun", stream.results)
            ended = asyncio.create_task(reports.ended("old", Succeeded([1])))
            await until("its end is told", lambda: len(stream.results()) == 2)
            self.assertEqual(stream.results()[1], ("old", 2, "[1]"))
            self.assertFalse(ended.done())
            await stream.send(confirmed=2)
            await asyncio.wait_for(ended, 5)
            # It has ended: nothing is left to stop.
            await stream.send(cancelled=["old"])
            await stream.push(1, "mine", activity=0, input="8")
            await until("that has arrived", lambda: len(stream.results()) == 3)
            self.assertEqual(training.stopped, [])
            late = asyncio.create_task(reports.ended("other", Failed(TaskError("E"))))
            await until("it is told", lambda: len(stream.results()) == 4)
        with self.assertRaises(errors.TransportError):
            await late
        with self.assertRaises(errors.TransportError):
            await reports.ended("other", Succeeded())

    async def test_connectors_have_no_slots_to_change(self) -> None:
        worker = Worker(self.client)
        worker.connector("acme:train", Training())
        with self.assertRaisesRegex(errors.ConfigurationError, "does not serve"):
            worker.set_slots("acme:train", 2)


def train_machine(pattern: str, value: object) -> dict[str, Any]:
    resource = "arn:aws:states:::acme:train" + pattern
    return {
        "StartAt": "T",
        "States": {"T": {"Type": "Task", "Resource": resource, "Parameters": value, "End": True}},
    }


class Patterns(Case):
    """With a real coordinator."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.coordinator = Coordinator()
        self.addCleanup(self.coordinator.stop)
        self.client = client_at(self.coordinator.url, retries=20)
        self.addAsyncCleanup(self.client.close)
        self.training = Training()
        self.worker = Worker(client_at(self.coordinator.url), create_activities=True)
        self.addAsyncCleanup(self.worker.client.close)
        self.worker.connector("acme:train", self.training)

    async def begin(self, pattern: str, **parameters: Any) -> str:
        await self.client.create_activity("connector.acme.train")
        return await self.client.start(await self.machine(train_machine(pattern, parameters)))

    async def begun(self) -> str:
        await until("it has begun", lambda: self.training.begun)
        return next(iter(self.training.begun))

    async def submitted(self, arn: str) -> None:
        async def submitted() -> bool:
            return "TaskSubmitted" in await self.history(arn)

        await until("the coordinator knows the work", submitted)

    async def test_a_request_is_answered(self) -> None:
        async with self.serving(self.worker):
            arn = await self.begin("", a=1)
            self.assertEqual((await self.client.wait(arn)).result(), {"echo": {"a": 1}})
            refused = await self.client.wait(await self.begin("", place="none"))
            self.assertEqual((refused.error, refused.cause), ("NoRoom", "all places are taken"))

    async def test_work_ends_when_a_question_says_so(self) -> None:
        async with self.serving(self.worker):
            arn = await self.begin(".sync", n=1)
            client_id = await self.begun()
            await until("it is asked", lambda: self.training.described > 1)
            self.training.ended[client_id] = Succeeded({"loss": 0.5})
            self.assertEqual((await self.client.wait(arn)).result(), {"loss": 0.5})
        history = await self.history(arn)
        self.assertEqual([kind for kind in history if kind == "TaskSubmitted"], ["TaskSubmitted"])
        self.assertEqual(self.training.stopped, [])

    async def test_work_fails_when_a_question_says_so(self) -> None:
        async with self.serving(self.worker):
            arn = await self.begin(".sync")
            self.training.ended[await self.begun()] = Failed(TaskError("Diverged", "at step 7"))
            ended = await self.client.wait(arn)
        self.assertEqual((ended.status, ended.error, ended.cause), (ExecutionStatus.FAILED, "Diverged", "at step 7"))

    async def test_work_ends_when_its_connector_says_so(self) -> None:
        async with self.serving(self.worker):
            arn = await self.begin(".sync")
            await self.begun()
            await self.submitted(arn)
            assert self.training.reports is not None
            await self.training.reports.ended(self.training.tokens[0], Succeeded("told"))
            # Durable: a kill does not undo it.
            self.coordinator.kill()
            self.coordinator.restart()
            self.assertEqual((await self.client.wait(arn)).result(), "told")
        self.assertEqual(self.training.stopped, [])

    async def test_whoever_has_the_token_ends_a_callback(self) -> None:
        async with self.serving(self.worker):
            arn = await self.begin(".waitForTaskToken", **{"token.$": "$$.Task.Token"})
            given = self.training.begun[await self.begun()]
            await self.submitted(arn)
            await self.client.send_task_success(given["token"], [1])
            self.assertEqual((await self.client.wait(arn)).result(), [1])

    async def test_work_of_a_stopped_execution_is_stopped(self) -> None:
        async with self.serving(self.worker):
            arn = await self.begin(".sync")
            client_id = await self.begun()
            await self.submitted(arn)
            await self.client.stop_execution(arn)
            await until("it is stopped", lambda: self.training.stopped)
            self.assertEqual(self.training.stopped[0], Work(client_id, {"id": client_id}, arn))

    async def test_a_killed_coordinator_finds_one_piece_of_work(self) -> None:
        async with self.serving(self.worker):
            self.training.gate.clear()
            arn = await self.begin(".sync")
            await until("it begins", lambda: self.training.calls)
            # It begins while nobody listens.
            self.coordinator.kill()
            self.training.gate.set()
            client_id = await self.begun()
            self.coordinator.restart()
            await self.submitted(arn)
            self.coordinator.kill()
            self.training.ended[client_id] = Succeeded(1)
            self.coordinator.restart()
            self.assertEqual((await self.client.wait(arn)).result(), 1)
        self.assertEqual(set(self.training.calls), {client_id})
        self.assertEqual((list(self.training.begun), self.training.stopped), ([client_id], []))

    async def test_a_worker_that_comes_later_is_asked(self) -> None:
        async with self.serving(self.worker):
            arn = await self.begin(".sync")
            client_id = await self.begun()
            await self.submitted(arn)
        self.training.ended[client_id] = Succeeded("by another")
        later = Worker(self.client, name="later")
        later.connector("acme:train", self.training)
        async with self.serving(later):
            self.assertEqual((await self.client.wait(arn)).result(), "by another")
        self.assertEqual((self.training.calls, self.training.stopped), ([client_id], []))

    async def test_the_example_trains(self) -> None:
        example = Path(__file__).parents[1] / "examples" / "connector_worker.py"
        folder = tempfile.TemporaryDirectory(prefix="stepfleet-python-trainings.")
        self.addCleanup(folder.cleanup)
        told = {**os.environ, "STEPFLEET_ENDPOINT": self.coordinator.url, "TRAININGS": folder.name}
        process = await asyncio.create_subprocess_exec(sys.executable, str(example), env=told)
        try:
            ended = await self.client.wait(await self.begin(".sync", Seconds=0.1))
            self.assertEqual(ended.result(), {"loss": 0.25})
            arn = await self.begin(".sync", Seconds=600)
            await self.submitted(arn)
            pids = await until("both have begun", lambda: self.pids(Path(folder.name), 2))
            await self.client.stop_execution(arn)
            await until("the process is gone", lambda: not any(map(is_alive, pids)))
        finally:
            process.terminate()
            self.assertEqual(await process.wait(), 0)

    def pids(self, folder: Path, count: int) -> list[int]:
        found = [int(path.read_text()) for path in folder.glob("trainings/*/pid") if path.read_text()]
        return found if len(found) == count else []


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
