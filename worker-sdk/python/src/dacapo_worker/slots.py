"""How many tasks a worker takes at a time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Protocol

from .load import Load, LoadReader

#: Seconds between two looks at the load: it follows what was changed with a delay.
LOAD_SECONDS = 0.5


class Slots(Protocol):
    """Says how many tasks may be in hand together; asked before each poll."""

    def limit(self, in_hand: int) -> int: ...


class FixedSlots:
    """Always the same number."""

    def __init__(self, maximum: int) -> None:
        if maximum < 1:
            raise ValueError("a worker needs one slot at least")
        self._maximum = maximum

    def limit(self, in_hand: int) -> int:
        return self._maximum


class ResourceSlots:
    """As many as keep the machine at these shares of its CPU time and memory.

    All that runs on the machine counts. While the load is below both targets and the slots are in
    use, there are more of them, by a quarter each time; above either there are fewer. Never fewer
    than ``minimum``, never more than ``maximum``.
    """

    def __init__(
        self,
        *,
        cpu: float = 0.8,
        memory: float = 0.8,
        minimum: int = 1,
        maximum: int = 500,
        load: Callable[[], Load] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 1 <= minimum <= maximum:
            raise ValueError("minimum is 1 or more, and maximum not less than it")
        if not 0 < cpu <= 1 or not 0 < memory <= 1:
            raise ValueError("targets are shares: more than 0, and 1 at most")
        self._target = Load(cpu, memory)
        self._minimum = minimum
        self._maximum = maximum
        self._load = load or LoadReader()
        self._clock = clock
        self._capacity = minimum
        self._looked_at = clock()

    def limit(self, in_hand: int) -> int:
        now = self._clock()
        if now - self._looked_at >= LOAD_SECONDS:
            self._looked_at = now
            self._adjust(in_hand, self._load())
        return self._capacity

    def _adjust(self, in_hand: int, load: Load) -> None:
        step = max(1, self._capacity // 4)
        if load.cpu > self._target.cpu or load.memory > self._target.memory:
            self._capacity = max(self._minimum, self._capacity - step)
        elif in_hand >= self._capacity:
            self._capacity = min(self._maximum, self._capacity + step)


class SlotCount:
    """Slots in use: by tasks in hand, and by polls that may bring some."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._used = 0
        self._changed = asyncio.Event()

    @property
    def used(self) -> int:
        return self._used

    def room(self) -> int:
        return max(0, self._slots.limit(self._used) - self._used)

    def take(self, count: int) -> None:
        self._used += count

    def give_back(self, count: int) -> None:
        self._used -= count
        self._changed.set()

    async def changed(self) -> None:
        """Waits until some may have become free."""
        # The load of the machine changes without our doing.
        timeout = None if isinstance(self._slots, FixedSlots) else LOAD_SECONDS
        try:
            await asyncio.wait_for(self._changed.wait(), timeout)
        except (asyncio.TimeoutError, TimeoutError):
            pass
        self._changed.clear()

    def wake(self) -> None:
        """Something else has changed that those who wait look at."""
        self._changed.set()


class PollScale:
    """How many polls are under way together: one, and more while they come back full."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.wanted = 1

    def learn(self, asked: int, got: int) -> None:
        if got >= asked:
            self.wanted = min(self.wanted + 1, self._maximum)
        elif got == 0:
            self.wanted = max(1, self.wanted - 1)

    def share(self, room: int, under_way: int, most: int) -> int:
        """How many tasks the next poll asks for: 0 if there is to be none now."""
        if room <= 0 or under_way >= self.wanted:
            return 0
        return min(math.ceil(room / (self.wanted - under_way)), most)
