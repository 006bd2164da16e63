"""asyncio without a selector: code goes on until nothing can, and then somebody waits for all.

One class for workflows, where waiting is the next delivery of the run, and one for activities,
where it is the clock.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import heapq
import logging
import sys
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar, TypeVarTuple

from .errors import Unsupported

_log = logging.getLogger("dacapo")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: Fewer tasks are not worth a look at which have ended.
_SWEEP_MIN = 64


class Loop(asyncio.AbstractEventLoop):
    """What asyncio asks of a loop, in an order that repeats."""

    def __init__(self) -> None:
        self._ready: collections.deque[asyncio.Handle] = collections.deque()
        # asyncio only holds them weakly, in a set: neither their lives nor their order would
        # repeat.
        self._tasks: list[asyncio.Task[Any]] = []
        self._sweep_at = _SWEEP_MIN
        self._running = False

    # Going on.

    def run_ready(self) -> None:
        """Runs what can go on, in the order in which it was asked for, until nothing can."""
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def run_until_done(self, main: asyncio.Future[Any]) -> None:
        """Ends with the round in which ``main`` ends, as asyncio's own loops do."""
        ready = self._ready
        while ready and not main.done():
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()

    def cancel_tasks(self, reason: str) -> None:
        """Cancels those that are left, the oldest first."""
        for task in list(self._tasks):
            if not task.done():
                task.cancel(reason)

    def enter(self) -> None:
        self._running = True
        asyncio._set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._close_generator)

    def leave(self) -> None:
        self._running = False
        asyncio._set_running_loop(None)
        forget_tasks(self._tasks)

    def _close_generator(self, generator: Any) -> None:
        self.create_task(generator.aclose())

    # What asyncio asks for.

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        raise NotImplementedError

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_later(when - self.time(), callback, *args, context=context)

    def time(self) -> float:
        return time.monotonic()

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Generator[Any, None, T] | Coroutine[Any, Any, T], **options: Any
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self, **options)
        if len(self._tasks) >= self._sweep_at:
            self._tasks = [one for one in self._tasks if not one.done()]
            self._sweep_at = max(_SWEEP_MIN, 2 * len(self._tasks))
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return False

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        _log.error("%s", context.get("message"), exc_info=error)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.default_exception_handler(context)

    def run_in_executor(
        self, executor: Any, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        raise Unsupported(
            "a component has no threads: await an activity instead of a thread, or call the "
            "function as it is"
        )

    async def shutdown_asyncgens(self) -> None:
        pass

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        pass


def forget_tasks(tasks: list[asyncio.Task[Any]]) -> None:
    """Nobody will run them to their end, and that is no news."""
    for task in tasks:
        if not task.done():
            task._log_destroy_pending = False  # type: ignore[attr-defined]


class ActivityLoop(Loop):
    """Runs an ``async`` activity. Nothing comes from outside, so it waits for the clock only."""

    def __init__(self) -> None:
        super().__init__()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(self.time() + delay, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (handle.when(), self._count, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def run(self, coro: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine returns or raises."""
        self.enter()
        try:
            main = self.create_task(coro)
            while True:
                self.run_until_done(main)
                if main.done():
                    break
                self._wait()
            self.cancel_tasks("the activity has returned")
            self.run_ready()
            return main.result()
        finally:
            self.leave()

    def _wait(self) -> None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise RuntimeError(
                "the activity awaits something that nothing will wake: only time passes in an "
                "activity, everything else is a blocking call"
            )
        when, _, handle = heapq.heappop(self._timers)
        time.sleep(max(0.0, when - self.time()))
        self._ready.append(handle)
