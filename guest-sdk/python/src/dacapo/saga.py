"""Steps that are undone if a later one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Any

from .cancellation import shielded
from .failure import ApplicationError, Failure


class SagaFailure(ApplicationError):
    """A saga failed, and some of its steps could not be undone; its cause is why it failed."""

    def __init__(self, failure: BaseException, not_undone: list[Failure]) -> None:
        problems = "; ".join(map(str, not_undone))
        super().__init__(f"{len(not_undone)} of the steps are not undone: {problems}")
        self.failure = failure
        self.not_undone = not_undone


class Saga:
    """What undoes the steps that were done, if a later one fails or the run is cancelled::

        async with Saga() as saga:
            flight = await book_flight(to)
            saga.compensate_with(cancel_flight(flight))
            hotel = await book_hotel(to)  # if it fails, the flight is cancelled

    Compensations run one after the other, the last added first, shielded from cancellation. One
    that fails does not keep the others from running; then the block ends by :class:`SagaFailure`.
    """

    def __init__(self) -> None:
        self._compensations: list[Awaitable[Any]] = []

    def compensate_with(self, compensation: Awaitable[Any]) -> None:
        """Adds what undoes a step: a call that is not awaited yet. Added *before* the step, it
        also runs if the step fails."""
        self._compensations.append(compensation)

    async def __aenter__(self) -> Saga:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or not isinstance(error, (Failure, asyncio.CancelledError)):
            # A bug undoes nothing: the run goes on here once it is fixed.
            self._forget()
            return
        not_undone = await shielded(self._undo())
        if not_undone:
            raise SagaFailure(error, not_undone) from error

    async def _undo(self) -> list[Failure]:
        failures: list[Failure] = []
        while self._compensations:
            try:
                await self._compensations.pop()
            except Failure as failure:
                failures.append(failure)
        return failures

    def _forget(self) -> None:
        for compensation in self._compensations:
            if asyncio.iscoroutine(compensation):
                compensation.close()
        self._compensations.clear()
