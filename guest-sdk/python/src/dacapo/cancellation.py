"""What a workflow does when it is asked to cancel, and parts that its own code can cancel.

A request cancels the workflow's main task as asyncio does: what it awaits raises
``asyncio.CancelledError``. ``asyncio.timeout``, task groups and ``Task.cancel`` cancel parts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Any, TypeVar

from .place import here
from .run import current, current_or_none

T = TypeVar("T")


async def shielded(work: Awaitable[T]) -> T:
    """Runs ``work`` to its end, whoever is cancelled meanwhile: for clean-up that must be done.

    A cancellation that comes meanwhile reaches the caller afterwards, at its next ``await``.
    (``asyncio.shield`` stops waiting for it at once.)
    """
    inner = asyncio.ensure_future(work)
    reason: tuple[Any, ...] | None = None
    while not inner.done():
        try:
            await asyncio.wait([inner])
        except asyncio.CancelledError as cancelled:
            reason = cancelled.args
    if reason is not None:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
            task.cancel(*reason)
    return inner.result()


def is_cancel_requested() -> bool:
    """Whether somebody asked this run to cancel, or the code that asks is being cancelled; in an
    activity, whether the activity was asked to."""
    run = current_or_none()
    if run is None:
        from .attempt import attempt_signals

        return attempt_signals().cancel_requested
    task = asyncio.current_task()
    if task is not None and task.cancelling() > 0:
        return True
    return run.cancel_reason is not None


async def cancelled() -> str:
    """Waits until somebody asks this run to cancel, and says why: for tasks other than the main
    one, which a request does not cancel."""
    run = current("a cancellation")
    await run.wait_for(lambda: run.cancel_reason is not None, "cancellation", here())
    return run.cancel_reason or ""


class CancellationScope:
    """A part of a workflow that other code can cancel, while everything beside it goes on::

        scope = CancellationScope()
        async with scope:
            await asyncio.gather(render(film), upload(film))
        if scope.cancelled_caught:
            ...

    What is awaited in the block ends as cancelled, each operation in its own way, and the block
    ends there. Tasks that it starts belong to it if a ``TaskGroup`` or ``gather`` in it has them.
    """

    def __init__(self) -> None:
        self._reason: str | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        #: Whether the block ended because the scope was cancelled.
        self.cancelled_caught = False

    def cancel(self, reason: str = "the scope was cancelled") -> None:
        """Cancels what runs in the scope, now or later. The first reason counts."""
        if self._reason is None:
            self._reason = reason
            if self._task is not None:
                self._task.cancel(reason)

    @property
    def is_cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._reason is not None

    async def __aenter__(self) -> CancellationScope:
        if self._task is not None:
            raise RuntimeError("a scope is entered once")
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        if self._reason is not None:
            self._task.cancel(self._reason)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        task, self._task = self._task, None
        if self._reason is None or task is None:
            return False
        alone = task.uncancel() <= self._cancelling
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self.cancelled_caught = alone
        return self.cancelled_caught
