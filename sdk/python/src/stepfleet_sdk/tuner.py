"""How many slots an activity has, from what its host is doing. Pure: readings in, slots out."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Below this share of a target there is room for more: slots that came and go about a target would only thrash.
_ROOM = 0.95


@dataclass(frozen=True)
class Usage:
    """What the host is doing: shares of what there is, 0 to 1."""

    cpu: float
    memory: float


@dataclass(frozen=True)
class Targets:
    """What a worker may use of its host, and how many slots an activity may have for that.

    Once a second: beyond a target the activity gets fewer slots, in the measure in which the target is exceeded; below both
    it gets more, as long as it uses those that it has.
    """

    #: Share of the processors' time, 0 to 1; of the limit of the worker's control group, where one is set.
    cpu: float = 0.8
    #: Share of the memory, 0 to 1; likewise.
    memory: float = 0.8
    #: Fewest slots, at least 1: what it begins with.
    slots_min: int = 1
    #: Most slots.
    slots_max: int = 256
    #: Slots that are added in one second at most.
    ramp: int = 4

    def problem(self) -> str | None:
        """What is wrong with them."""
        if not (0 < self.cpu <= 1 and 0 < self.memory <= 1):
            return "targets of CPU and memory are above 0 and at most 1"
        if not 1 <= self.slots_min <= self.slots_max:
            return "the fewest slots are at least 1 and at most the most"
        return "at least 1 slot must be added in a second" if self.ramp < 1 else None

    def next(self, usage: Usage, slots: int, used: int) -> int:
        """The slots after a second in which the host did this, with so many slots and so many of them in use."""
        fill = max(usage.cpu / self.cpu, usage.memory / self.memory)
        after = slots
        if fill > 1:
            # What is not used adds nothing to what the host does.
            after = _shrunk(min(slots, max(used, 1)), fill)
        elif fill < _ROOM and used >= slots:
            after = slots + self.ramp
        return min(max(after, self.slots_min), self.slots_max)


def _shrunk(slots: int, fill: float) -> int:
    """At least one fewer, at least half of them."""
    return min(math.floor(slots / min(fill, 2.0)), slots - 1)
