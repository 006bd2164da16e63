"""How busy the machine is, or the control group that the process is in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
PROC = Path("/proc")


@dataclass(frozen=True)
class Load:
    """Shares of what there is, from 0 to 1."""

    cpu: float
    memory: float


class LoadReader:
    """Reads /proc, and the limits of a version 2 control group where there are some."""

    def __init__(
        self,
        proc: Path = PROC,
        cgroup: Path = CGROUP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not (proc / "stat").exists() or not (proc / "meminfo").exists():
            raise RuntimeError(
                "the load of this machine can't be read, as it has no /proc: give ResourceSlots a "
                "function that returns a Load, or use FixedSlots"
            )
        self._proc = proc
        self._cgroup = cgroup
        self._clock = clock
        self._machine = self._machine_ticks()
        self._group = self._group_seconds()

    def __call__(self) -> Load:
        return Load(self._cpu(), self._memory())

    def _cpu(self) -> float:
        """Since the last time."""
        before, self._machine = self._machine, self._machine_ticks()
        total = self._machine[1] - before[1]
        load = (self._machine[0] - before[0]) / total if total > 0 else 0.0
        limit = self._cpus_max()
        if limit is not None:
            used, at = self._group
            self._group = self._group_seconds()
            elapsed = self._group[1] - at
            if elapsed > 0:
                load = max(load, (self._group[0] - used) / elapsed / limit)
        return min(max(load, 0.0), 1.0)

    def _memory(self) -> float:
        facts = {}
        for line in (self._proc / "meminfo").read_text().splitlines():
            name, _, rest = line.partition(":")
            facts[name] = rest.split()[0] if rest.split() else "0"
        total, available = int(facts["MemTotal"]), int(facts.get("MemAvailable", 0))
        load = 1 - available / total
        limit, used = self._read("memory.max"), self._read("memory.current")
        if limit and used and limit.isdigit() and int(limit) > 0:
            cache = self._stat("memory.stat", "inactive_file")
            load = max(load, (int(used) - cache) / int(limit))
        return min(max(load, 0.0), 1.0)

    def _machine_ticks(self) -> tuple[int, int]:
        """Busy ones, and all."""
        with (self._proc / "stat").open() as file:
            ticks = [int(text) for text in file.readline().split()[1:9]]
        idle = sum(ticks[3:5])
        return sum(ticks) - idle, sum(ticks)

    def _group_seconds(self) -> tuple[float, float]:
        return self._stat("cpu.stat", "usage_usec") / 1e6, self._clock()

    def _cpus_max(self) -> float | None:
        quota, _, period = (self._read("cpu.max") or "max").partition(" ")
        if not quota.isdigit() or not period.isdigit() or int(period) == 0:
            return None
        return min(int(quota) / int(period), os.cpu_count() or 1)

    def _read(self, name: str) -> str | None:
        try:
            return (self._cgroup / name).read_text().strip()
        except OSError:
            return None

    def _stat(self, file: str, name: str) -> int:
        for line in (self._read(file) or "").splitlines():
            key, _, value = line.partition(" ")
            if key == name and value.isdigit():
                return int(value)
        return 0
