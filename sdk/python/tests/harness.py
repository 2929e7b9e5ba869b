"""A coordinator process, a proxy whose connections can be cut, and waiting for conditions. Needs STEPFLEET_BIN."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from stepfleet_sdk import Client, Endpoint, Worker

_numbers = itertools.count(1)


def unique(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


async def until(what: str, look: Callable[[], Any], seconds: float = 20) -> Any:
    """Looks until there is something to see, and gives it."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if inspect.isawaitable(seen):
            seen = await seen
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        await asyncio.sleep(0.02)


class Coordinator:
    """A coordinator with a data folder of its own, at the same port when it comes back."""

    def __init__(self, *arguments: str, scheme: str = "http") -> None:
        self._program = os.environ.get("STEPFLEET_BIN") or sys.exit("STEPFLEET_BIN must name the program under test")
        self.folder = Path(tempfile.mkdtemp(prefix="stepfleet-python."))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._arguments = [*(arguments or ("dev",)), "--listen", f"127.0.0.1:{self.port}"]
        self._arguments += ["--data", str(self.folder / "data")]
        self._log = open(self.folder / "coordinator.log", "wb")
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([self._program, *self._arguments], stdout=self._log, stderr=self._log)
        deadline = time.monotonic() + 60
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "coordinator.log").read_text())
            time.sleep(0.02)
        return process

    def _is_ready(self) -> bool:
        if not self.url.startswith("http://"):
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Comes back after `kill`."""
        self.process = self._spawn()

    def stop(self) -> None:
        """Ends it, and deletes its data."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Proxy:
    """Passes bytes on, in both directions, until it is told to cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.accepted = 0
        #: Connections that are open now hold back what the coordinator says.
        self._silent: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Breaks every connection; new ones are taken."""
        with self._lock:
            for end in self._open:
                shut(end)

    def swallow(self) -> None:
        """Lets the connections that are open now stand, and passes nothing on: a network that lost its way back."""
        with self._lock:
            self._silent |= self._open

    def close(self) -> None:
        """Ends it."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if source not in self._silent:
                    sink.sendall(data)
        except OSError:
            pass
        shut(sink)
        with self._lock:
            self._open.discard(source)
            self._silent.discard(source)
        source.close()


def shut(end: socket.socket) -> None:
    """Ends both directions, whatever state they are in."""
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


_shared: Coordinator | None = None


def coordinator() -> Coordinator:
    """The one coordinator of tests that do not hurt theirs."""
    global _shared
    if _shared is None:
        _shared = Coordinator()
        unittest.addModuleCleanup(_forget)
    return _shared


def _forget() -> None:
    global _shared
    if _shared is not None:
        _shared.stop()
        _shared = None


def activity_arn(name: str) -> str:
    """The ARN of an activity of the default namespace."""
    return f"arn:aws:states:us-east-1:000000000000:activity:{name}"


def task_machine(*activities: str, prefix: str = "T", **fields: Any) -> dict[str, Any]:
    """A machine of one Task state per activity, one after the other."""
    states: dict[str, Any] = {}
    for index, activity in enumerate(activities):
        after = {"Next": f"{prefix}{index + 1}"} if index + 1 < len(activities) else {"End": True}
        states[f"{prefix}{index}"] = {"Type": "Task", "Resource": activity_arn(activity), **after, **fields}
    return {"StartAt": f"{prefix}0", "States": states}


def map_machine(activity: str, concurrency: int = 0) -> dict[str, Any]:
    """A machine that sends every item of its input to an activity."""
    state = {"Type": "Map", "MaxConcurrency": concurrency, "ItemProcessor": task_machine(activity), "End": True}
    return {"StartAt": "M", "States": {"M": state}}


PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}


class Case(unittest.IsolatedAsyncioTestCase):
    """A test with a client and the usual steps."""

    maxDiff = None

    async def asyncSetUp(self) -> None:
        # Coordinators are started in the event loop of a test; its debug mode need not say so.
        asyncio.get_running_loop().slow_callback_duration = 60
        self.client = Client(coordinator().url)
        self.addAsyncCleanup(self.client.close)

    async def machine(self, definition: dict[str, Any], **more: Any) -> str:
        """Creates a state machine and gives its ARN."""
        return (await self.client.create_state_machine(unique("machine"), definition, **more)).arn

    async def activity(self) -> str:
        """Creates an activity and gives its name."""
        name = unique("activity")
        await self.client.create_activity(name)
        return name

    @asynccontextmanager
    async def serving(self, worker: Worker) -> AsyncIterator[asyncio.Event]:
        """Runs a worker for the length of a block, then drains it."""
        shutdown = asyncio.Event()
        running = asyncio.create_task(worker.run(shutdown))
        try:
            yield shutdown
        finally:
            shutdown.set()
            await running

    async def history(self, arn: str) -> list[str]:
        """The types of an execution's events so far."""
        return [event.type async for event in self.client.get_execution_history(arn)]


def client_at(url: str, **options: Any) -> Client:
    """A client that gives up on a silent connection soon."""
    return Client(Endpoint(url, **options))
