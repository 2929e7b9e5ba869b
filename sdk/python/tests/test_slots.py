"""Slots that follow the host: what is read of it, what follows from that, and that the coordinator is told."""

from __future__ import annotations

import asyncio
import math
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import test_session
from harness import until
from stepfleet_sdk import Targets, Task, Worker, errors
from stepfleet_sdk._session.host import Host
from stepfleet_sdk.tuner import Usage


class Readings(unittest.TestCase):
    def test_a_host_is_what_its_processors_and_its_group_say(self) -> None:
        with tempfile.TemporaryDirectory() as folder:

            def write(path: str, text: str) -> None:
                file = Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)

            host = Host(folder)
            self.assertIsNone(host.usage(0), "there is nothing to read")
            write("proc/stat", "cpu  0 0 0 0 0\ncpu0 1 2 3\n")
            write("proc/meminfo", "MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   70 kB\n")
            write("proc/self/cgroup", "0::/render\n")
            self.assertIsNone(host.usage(0), "the first reading tells nothing")
            # user nice system idle iowait irq softirq steal guest
            write("proc/stat", "cpu 10 5 5 60 10 5 3 2 7\n")
            self.check(host.usage(1), 0.3, 0.3)
            # A group of half a processor that uses a quarter of one, and most of its memory.
            group = "sys/fs/cgroup/render/"
            write(group + "cpu.max", "50000 100000\n")
            write(group + "cpu.stat", "usage_usec 1000000\nuser_usec 3\n")
            write(group + "memory.max", "1000\n")
            write(group + "memory.current", "900\n")
            write(group + "memory.stat", "anon 1\ninactive_file 100\n")
            host.usage(2)
            write(group + "cpu.stat", "usage_usec 1250000\n")
            self.check(host.usage(3), 0.5, 0.8)
            # Without limits the host alone counts.
            write(group + "cpu.max", "max 100000\n")
            write(group + "memory.max", "max\n")
            self.check(host.usage(4), 0.0, 0.3)

    def check(self, usage: Usage | None, cpu: float, memory: float) -> None:
        assert usage is not None
        self.assertAlmostEqual(usage.cpu, cpu)
        self.assertAlmostEqual(usage.memory, memory)


class Tuner(unittest.TestCase):
    def test_slots_follow_what_the_host_does(self) -> None:
        targets = Targets(slots_min=2, slots_max=20)
        for cpu, memory, slots, used, expect in (
            # Room, and all in use: more, up to the most.
            (0.10, 0.10, 4, 4, 8),
            (0.10, 0.10, 18, 18, 20),
            (0.10, 0.10, 20, 20, 20),
            # Room that nobody needs.
            (0.10, 0.10, 8, 7, 8),
            # About the target: nothing changes.
            (0.78, 0.10, 8, 8, 8),
            (0.80, 0.10, 8, 8, 8),
            # Beyond it, by either: fewer in that measure.
            (0.88, 0.10, 11, 11, 10),
            (0.10, 0.96, 12, 12, 10),
            (0.81, 0.10, 10, 10, 9),
            # Of those that are used.
            (0.90, 0.10, 20, 8, 7),
            (0.90, 0.10, 20, 0, 2),
            # Never less than half at once, nor than the fewest.
            (4.00, 0.10, 16, 16, 8),
            (1.00, 1.00, 2, 2, 2),
        ):
            with self.subTest((cpu, memory, slots, used)):
                self.assertEqual(targets.next(Usage(cpu, memory), slots, used), expect)

    def test_targets_that_cannot_be_are_refused(self) -> None:
        self.assertIsNone(Targets().problem())
        bad = ({"cpu": 0.0}, {"memory": 1.1}, {"cpu": math.nan}, {"slots_min": 0}, {"slots_min": 300}, {"ramp": 0})
        for fields in bad:
            with self.subTest(fields):
                self.assertIsNotNone(Targets(**fields).problem())


class Following(test_session.Case):
    async def test_the_coordinator_is_told_of_slots_that_follow_the_host(self) -> None:
        over = asyncio.Event()
        usage = mock.Mock(return_value=Usage(0.1, 0.1))

        async def handler(task: Task[Any]) -> None:
            await over.wait()

        with (
            mock.patch.object(Host, "usage", usage),
            mock.patch("stepfleet_sdk._session.session._TUNE_EVERY", 0.01),
        ):
            targets = Targets(slots_min=1, slots_max=3, ramp=2)
            async with self.serving(handler, slots=None, slots_by_resources=targets) as (stream, _):
                self.assertEqual(stream.hello.activities[0].slots, 1)

                def told() -> list[int]:
                    return [change.slots for message in stream.received for change in message.slots]

                await stream.push(1, "t1")
                await until("it takes more", lambda: told() == [3])
                usage.return_value = Usage(1.0, 0.1)
                await until("it takes fewer", lambda: told() == [3, 1])
                over.set()
                await until("the result", stream.results)

    async def test_a_worker_with_targets_that_cannot_be_does_not_run(self) -> None:
        worker = Worker(self.client)

        @worker.activity("a", slots_by_resources=Targets(ramp=0))
        def handler(task: Task[Any]) -> None: ...

        with self.assertRaisesRegex(errors.ConfigurationError, "activity `a`: at least 1 slot"):
            await worker.run(asyncio.Event())
        with self.assertRaisesRegex(errors.ConfigurationError, "either fixed or follow"):
            worker.activity("b", slots=3, slots_by_resources=Targets())(handler)
