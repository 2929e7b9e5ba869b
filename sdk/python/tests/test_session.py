"""The worker against a coordinator that does what a real one does rarely: every part of the stream's protocol by itself."""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from harness import until
from stepfleet_sdk import Client, Endpoint, Task, TaskError, Worker, errors
from stepfleet_sdk._proto import executions_pb2, fleet_pb2, status_pb2


class Stream:
    """One connection of a worker, as the coordinator sees it."""

    def __init__(self, context: Any, hello: fleet_pb2.Hello) -> None:
        self.hello = hello
        self.over = asyncio.Event()
        #: The connection breaks when the worker has said its last.
        self.breaks = False
        self.received: list[fleet_pb2.WorkerMessage] = []
        self._context = context

    async def send(self, **parts: Any) -> None:
        await self._context.write(fleet_pb2.CoordinatorMessage(**parts))

    async def push(self, number: int, token: str, **more: Any) -> None:
        push = fleet_pb2.Push(number=number, task_token=token, input=more.pop("input", "null"), **more)
        await self.send(pushes=[push])

    def results(self) -> list[tuple[str, int, str]]:
        found = [result for message in self.received for result in message.results]
        return [(r.task_token, r.number, r.output or f"!{r.failure.error}") for r in found]

    def beats(self) -> list[tuple[str, str]]:
        return [(beat.task_token, beat.details) for message in self.received for beat in message.heartbeats]

    def returned(self) -> list[str]:
        return [token for message in self.received for token in message.returned]


class Fake(grpc.GenericRpcHandler):
    """A coordinator that does what the test says."""

    def __init__(self) -> None:
        self.streams: asyncio.Queue[Stream] = asyncio.Queue()
        self.answers: list[Callable[[Any], Any]] = []
        self.requests: list[Any] = []

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if details.method == "/stepfleet.v1.FleetService/Work":
            return grpc.stream_stream_rpc_method_handler(
                self.work, fleet_pb2.WorkerMessage.FromString, fleet_pb2.CoordinatorMessage.SerializeToString
            )
        return grpc.unary_unary_rpc_method_handler(
            self.start,
            executions_pb2.StartExecutionRequest.FromString,
            executions_pb2.StartExecutionResponse.SerializeToString,
        )

    async def work(self, messages: Any, context: Any) -> None:
        first = await context.read()
        stream = Stream(context, first.hello)
        await self.streams.put(stream)

        async def receive() -> None:
            while isinstance(message := await context.read(), fleet_pb2.WorkerMessage):
                stream.received.append(message)
            stream.over.set()

        reading = asyncio.create_task(receive())
        await stream.over.wait()
        reading.cancel()
        if stream.breaks:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    async def start(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        await self.answers.pop(0)(context)
        return executions_pb2.StartExecutionResponse(execution_arn="arn:execution")


async def answer(context: Any) -> None:
    """Takes the request."""


def refuse(code: grpc.StatusCode, reason: str, **retry_delay: int) -> Callable[[Any], Any]:
    async def refuse(context: Any) -> None:
        status = status_pb2.Status()
        info = status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo")
        info.value = status_pb2.ErrorInfo(reason=reason).SerializeToString()
        if retry_delay:
            retry = status.details.add(type_url="type.googleapis.com/google.rpc.RetryInfo")
            retry.value = status_pb2.RetryInfo(retry_delay=retry_delay).SerializeToString()
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        await context.abort(code, "refused")

    return refuse


class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.fake = Fake()
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((self.fake,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self.addAsyncCleanup(server.stop, None)
        self.client = Client(Endpoint(f"http://127.0.0.1:{port}"))
        self.addAsyncCleanup(self.client.close)

    @asynccontextmanager
    async def serving(
        self, handler: Any, slots: int | None = 2, **options: Any
    ) -> AsyncIterator[tuple[Stream, asyncio.Event]]:
        """Runs a worker of the activity `a`; gives its first connection."""
        worker = Worker(self.client, name="w", build_id="b1", labels={"zone": "z"}, confirm_timeout=0.2)
        register: Any = worker.activity("a", slots=slots, **options)
        register(handler)
        self.worker = worker
        shutdown = asyncio.Event()
        running = asyncio.create_task(worker.run(shutdown))
        stream = await self.fake.streams.get()
        await stream.send(welcome=fleet_pb2.Welcome())
        try:
            yield stream, shutdown
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


class Sessions(Case):
    async def test_hello_says_who_comes(self) -> None:
        async def handler(task: Task[Any]) -> None: ...

        async with self.serving(handler) as (stream, _):
            hello = stream.hello
            self.assertEqual((hello.worker_name, hello.build_id, dict(hello.labels)), ("w", "b1", {"zone": "z"}))
            self.assertEqual([(slots.activity, slots.slots) for slots in hello.activities], [("a", 2)])
            self.assertEqual(list(hello.held), [])

    async def test_a_task_is_what_the_push_says(self) -> None:
        seen: list[Any] = []

        async def handler(task: Task[Any]) -> None:
            seen.append((task.token, task.execution_arn, task.attempt, task.traceparent, task.heartbeat_seconds))

        async with self.serving(handler) as (stream, _):
            await stream.push(1, "t1", execution_arn="arn:e", attempt=2, traceparent="00-a-b-01", heartbeat_seconds=9)
            await stream.push(2, "t2")
            await until("both", lambda: len(stream.results()) == 2)
            self.assertEqual(seen, [("t1", "arn:e", 2, "00-a-b-01", 9), ("t2", "", 0, None, None)])

    async def test_results_are_sent_again_until_they_are_confirmed(self) -> None:
        async def handler(task: Task[int]) -> int:
            return task.input

        async with self.serving(handler) as (first, _):
            for number in (1, 2, 3):
                await first.push(number, f"t{number}", input=str(number))
            await until("three results", lambda: len(first.results()) == 3)
            await first.send(confirmed=1, reconnect_after_ms=1)
            second = await self.fake.streams.get()
            self.assertEqual(second.hello.session_id, first.hello.session_id)
            self.assertEqual(list(second.hello.held), ["t2", "t3"])
            await second.send(welcome=fleet_pb2.Welcome(resumed=True, confirmed=2))
            await until("the rest", second.results)
            self.assertEqual(second.results(), [("t3", 3, "3")])
            self.assertEqual(second.received[-1].received, 3)

    async def test_a_new_session_counts_pushes_anew_and_results_on(self) -> None:
        async def handler(task: Task[int]) -> int:
            return task.input

        async with self.serving(handler) as (first, _):
            await first.push(7, "t1", input="1")
            await until("a result", first.results)
            await first.send(reconnect_after_ms=1)
            second = await self.fake.streams.get()
            await second.send(welcome=fleet_pb2.Welcome(resumed=False))
            await until("it comes again", second.results)
            self.assertEqual(second.received[0].received, 0)
            await second.push(1, "t2", input="2")
            await until("the next", lambda: len(second.results()) == 2)
            self.assertEqual(second.results(), [("t1", 1, "1"), ("t2", 2, "2")])

    async def test_a_refused_output_fails_its_task(self) -> None:
        async def handler(task: Task[Any]) -> str:
            return "x"

        async with self.serving(handler) as (stream, _):
            await stream.push(1, "t1")
            await until("a result", stream.results)
            refused = fleet_pb2.RefusedResult(task_token="t1", reason="InvalidOutput")
            with self.assertLogs("stepfleet_sdk.worker", "WARNING"):
                await stream.send(refused=[refused], confirmed=1)
                await until("a failure", lambda: len(stream.results()) == 2)
            self.assertEqual(stream.results()[1], ("t1", 2, "!InvalidOutput"))

    async def test_progress_goes_out_at_once_and_heartbeats_by_themselves(self) -> None:
        async def handler(task: Task[Any]) -> None:
            task.heartbeat({"done": 1})
            task.heartbeat({"done": 2})
            await asyncio.Event().wait()

        async with self.serving(handler) as (stream, _):
            await stream.push(1, "t1", heartbeat_seconds=1)
            await until("progress", stream.beats)
            self.assertEqual(stream.beats()[0], ("t1", '{"done":2}'))
            await until("three heartbeats", lambda: len(stream.beats()) >= 3)
            self.assertEqual(stream.beats()[1], ("t1", ""))
            await stream.send(reconnect_after_ms=1)
            second = await self.fake.streams.get()
            await second.send(welcome=fleet_pb2.Welcome(resumed=True))
            await until("a heartbeat first of all", second.beats)

    async def test_slots_change_while_the_worker_runs(self) -> None:
        gate = asyncio.Event()

        async def handler(task: Task[Any]) -> None:
            await gate.wait()

        async with self.serving(handler) as (stream, _):
            worker = self.worker

            def changes() -> list[tuple[int, int]]:
                return [(each.activity, each.slots) for m in stream.received for each in m.slots]

            with self.assertRaises(errors.ConfigurationError):
                worker.set_slots("nothing", 2)
            with self.assertRaises(errors.ConfigurationError):
                worker.set_slots("a", 0)
            worker.set_slots("a", 40)
            await until("a change", changes)
            self.assertEqual(changes(), [(0, 40)])
            await stream.send(reconnect_after_ms=1)
            second = await self.fake.streams.get()
            self.assertEqual(second.hello.activities[0].slots, 40)
            await second.send(welcome=fleet_pb2.Welcome(resumed=True))
            gate.set()

    async def test_an_attempt_goes_on_from_the_one_before(self) -> None:
        async def handler(task: Task[Any]) -> None:
            row = (task.last_progress or {"row": 0})["row"]
            with self.assertRaisesRegex(errors.EncodeError, "8194 bytes, of at most 8192"):
                task.heartbeat("x" * 8192)
            task.heartbeat({"row": row + 1})
            raise TaskError("Boom")

        async with self.serving(handler) as (stream, _):
            await stream.push(1, "t1")
            await until("a failure", stream.results)
            await stream.push(2, "t2", last_progress='{"row":41}')
            await until("another failure", lambda: len(stream.results()) == 2)
            self.assertEqual(stream.beats(), [("t1", '{"row":1}'), ("t2", '{"row":42}')])
            refused = fleet_pb2.RefusedResult(task_token="t2", reason="ProgressTooLarge")
            with self.assertLogs("stepfleet_sdk.worker", "WARNING"):
                await stream.send(refused_progress=[refused], confirmed=2)
                await stream.push(3, "t3")
                await until("a third failure", lambda: len(stream.results()) == 3)

    async def test_a_push_is_acknowledged_when_nothing_else_goes_out(self) -> None:
        async def handler(task: Task[Any]) -> None:
            await asyncio.Event().wait()

        async with self.serving(handler) as (stream, _):
            await stream.push(1, "t1")
            await until("an acknowledgement", lambda: stream.received)
            self.assertEqual([(m.received, len(m.results)) for m in stream.received], [(1, 0)])

    async def test_cancelled_tasks_leave_their_slot_to_those_that_wait(self) -> None:
        begun, clean_up = [], asyncio.Event()

        async def handler(task: Task[int]) -> int:
            begun.append(task.input)
            try:
                return await asyncio.Future() if task.input == 1 else task.input
            except asyncio.CancelledError:
                await clean_up.wait()
                return -1

        async with self.serving(handler, slots=1) as (stream, _):
            await stream.push(1, "t1", input="1")
            await until("the first has begun", lambda: begun)
            await stream.send(cancelled=["t1"], pushes=[fleet_pb2.Push(number=2, task_token="t2", input="2")])
            await stream.push(3, "t3", input="3")
            await stream.send(cancelled=["t3"])
            # Handed back at once: what was sent before has arrived.
            await stream.push(4, "t4", activity=9)
            await until("all has arrived", stream.returned)
            clean_up.set()
            await until("the second is done", stream.results)
            self.assertEqual((begun, stream.results()), ([1, 2], [("t2", 1, "2")]))

    async def test_a_draining_worker_hands_back_what_has_not_begun(self) -> None:
        go_on = asyncio.Event()

        async def handler(task: Task[int]) -> int:
            await go_on.wait()
            return task.input

        async with self.serving(handler, slots=1) as (stream, shutdown):
            for number in (1, 2):
                await stream.push(number, f"t{number}", input=str(number))
            await until("both are there", lambda: stream.received and stream.received[-1].received == 2)
            shutdown.set()
            await until("it drains", lambda: any(message.draining for message in stream.received))
            await stream.push(3, "t3")
            await until("two come back", lambda: len(stream.returned()) == 2)
            self.assertEqual(stream.returned(), ["t2", "t3"])
            go_on.set()
            await until("the result", stream.results)
            await stream.send(confirmed=1)
            await asyncio.wait_for(stream.over.wait(), 5)
            self.assertEqual(stream.results(), [("t1", 1, "1")])

    async def test_a_worker_that_is_told_to_drain_may_be_told_to_go_on_until_it_is_done(self) -> None:
        go_on = asyncio.Event()

        async def handler(task: Task[int]) -> int:
            await go_on.wait()
            return task.input

        async with self.serving(handler, slots=1) as (stream, _):
            for number in (1, 2):
                await stream.push(number, f"t{number}", input=str(number))
            await until("both are there", lambda: stream.received and stream.received[-1].received == 2)
            await stream.send(order=fleet_pb2.ORDER_DRAIN)
            await until("one comes back", lambda: stream.returned() == ["t2"])
            await stream.push(3, "t3")
            await until("it takes none", lambda: stream.returned() == ["t2", "t3"])
            await stream.send(order=fleet_pb2.ORDER_RESUME)
            await stream.push(4, "t4", input="4")
            self.assertFalse(any(message.draining for message in stream.received))
            go_on.set()
            await until("two results", lambda: len(stream.results()) == 2)
            await stream.send(confirmed=2)
            await stream.send(order=fleet_pb2.ORDER_DRAIN)
            await until("it leaves", lambda: any(message.draining for message in stream.received))
            await asyncio.wait_for(stream.over.wait(), 5)
            self.assertEqual(stream.results(), [("t1", 1, "1"), ("t4", 2, "4")])
            self.assertEqual(stream.returned(), ["t2", "t3"])

    async def test_the_last_words_go_out_over_another_connection_when_one_breaks(self) -> None:
        async def handler(task: Task[Any]) -> None: ...

        async with self.serving(handler) as (stream, shutdown):
            stream.breaks = True
            await stream.push(1, "t1")
            await until("the result", stream.results)
            await stream.send(confirmed=1)
            with self.assertLogs("stepfleet_sdk.worker", "WARNING"):
                shutdown.set()
                second = await asyncio.wait_for(self.fake.streams.get(), 5)
            self.assertTrue(stream.received[-1].draining)
            self.assertEqual(second.hello.session_id, stream.hello.session_id)
            await second.send(welcome=fleet_pb2.Welcome(resumed=True))
            await asyncio.wait_for(second.over.wait(), 5)
            self.assertTrue(second.received[-1].draining)
            self.assertTrue(self.fake.streams.empty())


class Retries(Case):
    async def test_a_throttled_start_is_repeated_after_the_hint_under_one_name(self) -> None:
        throttled = refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "ThrottlingException", nanos=200_000_000)
        self.fake.answers = [throttled, refuse(grpc.StatusCode.UNAVAILABLE, "ServiceUnavailable"), answer]
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.assertEqual(await self.client.start("arn:machine"), "arn:execution")
        self.assertGreaterEqual(loop.time() - began, 0.2)
        names = {request.name for request in self.fake.requests}
        self.assertEqual((len(self.fake.requests), len(names)), (3, 1))

    async def test_a_start_without_a_name_is_sent_once(self) -> None:
        self.fake.answers = [refuse(grpc.StatusCode.UNAVAILABLE, "ServiceUnavailable"), answer]
        with self.assertRaises(errors.ServiceUnavailable):
            await self.client.start_execution("arn:machine")
        self.assertEqual(len(self.fake.requests), 1)

    async def test_a_start_whose_answer_was_lost_is_known_by_its_name(self) -> None:
        self.fake.answers = [refuse(grpc.StatusCode.ALREADY_EXISTS, "ExecutionAlreadyExists")]
        arn = await self.client.start("arn:aws:states:us-east-1:000000000000:stateMachine:orders:3")
        name = self.fake.requests[0].name
        self.assertEqual(arn, f"arn:aws:states:us-east-1:000000000000:execution:orders:{name}")

    async def test_a_reason_without_a_class_is_an_api_error(self) -> None:
        self.fake.answers = [refuse(grpc.StatusCode.ABORTED, "SomethingNew")]
        with self.assertRaises(errors.ApiError) as caught:
            await self.client.start_execution("arn:machine")
        self.assertEqual((caught.exception.reason, str(caught.exception)), ("SomethingNew", "SomethingNew: refused"))
