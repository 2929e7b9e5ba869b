"""What the host of a worker is doing: its processors and memory, and the limits of the control group (v2) that the worker is
in. Linux alone tells; elsewhere there is no reading, and slots stay as they are.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..tuner import Usage


@dataclass(frozen=True)
class _Reading:
    #: Seconds.
    at: float
    #: Of all processors since the start, in ticks.
    busy: int
    all: int
    #: Microseconds of processor time of the control group.
    group_us: int | None


class Host:
    """Reads the host once in a while; what the processors did is told between two readings."""

    def __init__(self, root: str = "/") -> None:
        self._root = Path(root)
        self._last: _Reading | None = None

    def usage(self, now: float) -> Usage | None:
        """What the host did since the reading before; none the first time, and where it cannot be read.

        Args:
            now: Seconds, on any clock that goes on steadily.
        """
        times = _times(self._text("proc/stat"))
        if times is None:
            return None
        group = self._group()
        reading = _Reading(now, *times, field(_read(group / "cpu.stat"), "usage_usec"))
        last, self._last = self._last, reading
        memory = _memory(self._text("proc/meminfo"))
        if last is None or memory is None:
            return None
        cpu = _share(reading.busy - last.busy, reading.all - last.all)
        limit = _processors(_read(group / "cpu.max"))
        if limit is not None and reading.group_us is not None and last.group_us is not None and now > last.at:
            cpu = max(cpu, max(reading.group_us - last.group_us, 0) / ((now - last.at) * 1e6) / limit)
        cache = field(_read(group / "memory.stat"), "inactive_file") or 0
        of_group = _used(_read(group / "memory.max"), _read(group / "memory.current"), cache)
        return Usage(cpu, max(memory, of_group))

    def _group(self) -> Path:
        """The folder of the control group that this process is in."""
        lines = self._text("proc/self/cgroup").splitlines()
        path = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")
        folder = self._root / "sys/fs/cgroup"
        own = folder / path.lstrip("/")
        # In a container the path may be that of the host, while the container sees its own group at the root.
        return own if (own / "cpu.stat").exists() else folder

    def _text(self, path: str) -> str:
        return _read(self._root / path)


def field(text: str, name: str) -> int | None:
    """The number behind a name at the start of a line."""
    for line in text.splitlines():
        if line.startswith(name):
            words = line.removeprefix(name).split()
            return int(words[0]) if words and words[0].isdecimal() else None
    return None


def _read(path: Path) -> str:
    """A file's text; empty where there is none."""
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text()
    return ""


def _times(stat: str) -> tuple[int, int] | None:
    """Busy and all ticks, of the first line of `/proc/stat`."""
    words = stat.partition("\n")[0].split()
    if len(words) < 5 or words[0] != "cpu":
        return None
    # user nice system idle iowait irq softirq steal; guests are in user and nice.
    ticks = [int(word) for word in words[1:9]]
    return sum(ticks) - sum(ticks[3:5]), sum(ticks)


def _memory(meminfo: str) -> float | None:
    """The share of memory that is not available."""
    total, available = field(meminfo, "MemTotal:"), field(meminfo, "MemAvailable:")
    return None if total is None or available is None else _share(total - available, total)


def _processors(text: str) -> float | None:
    """Processors that `cpu.max` allows; none without a limit."""
    words = text.split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return None
    quota, period = int(words[0]), int(words[1])
    return quota / period if quota > 0 and period > 0 else None


def _used(most: str, current: str, cache: int) -> float:
    """The share of the group's memory that is in use, what can be dropped left out; 0 without a limit."""
    if not most.strip().isdecimal() or not current.strip().isdecimal():
        return 0.0
    return _share(int(current) - cache, int(most))


def _share(part: int, whole: int) -> float:
    return max(part, 0) / whole if whole > 0 else 0.0
