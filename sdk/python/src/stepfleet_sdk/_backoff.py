"""Delays between attempts: doubling, capped, jittered so that a fleet does not come back in step."""

from __future__ import annotations

import random


class Backoff:
    """Doubling delays between `first` and `longest` seconds."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def next_delay(self) -> float:
        """The next delay: between half of the current step and all of it."""
        step = self._next
        self._next = min(step * 2, self._longest)
        return jittered(step)

    def reset(self) -> None:
        """Starts over."""
        self._next = self._first


def jittered(seconds: float) -> float:
    """Between a half and all of `seconds`."""
    return seconds * random.uniform(0.5, 1.0)
