"""Threads for handlers that block. Daemons, unlike those of `concurrent.futures`: a handler that never ends cannot keep a
worker from leaving.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class Threads:
    """At most `count_max` threads, started when they are needed, kept until `close`."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._count = 0
        self._idle = 0
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def submit(self, work: Callable[[], None]) -> None:
        """Runs `work`, which must not raise, in a thread."""
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._count < self._count_max:
                self._count += 1
                threading.Thread(target=self._serve, name=f"stepfleet-{self._count}", daemon=True).start()
        self._work.put(work)

    def grow(self, count_max: int) -> None:
        """Allows more threads; those that there are stay."""
        with self._lock:
            self._count_max = max(self._count_max, count_max)

    def close(self) -> None:
        """Ends the threads that have nothing to do, and the others when they are done."""
        for _ in range(self._count):
            self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work
            with self._lock:
                self._idle += 1
