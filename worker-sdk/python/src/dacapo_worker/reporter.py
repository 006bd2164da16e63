"""Hands outcomes over, many in one request, and again until the server has answered."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .api import Api, batches
from .attempt import Attempt
from .errors import Refused, Unreachable
from .outcome import Outcome, refused
from .retry import Backoff, is_retryable

#: Codes that say that nobody wants the outcome any more.
OVER = frozenset({"lease_lost", "activity_not_found", "run_not_found", "run_closed"})


@dataclass
class Pending:
    """An outcome that the server has not answered to."""

    attempt: Attempt
    outcome: Outcome
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def entry(self) -> str:
        return self.outcome.report(self.attempt.token)


class Reporter:
    """One request at a time: what comes meanwhile goes with the next."""

    def __init__(
        self,
        api: Api,
        logger: logging.Logger,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._logger = logger
        self._backoff = backoff or Backoff(initial=0.1, maximum=3.0)
        self._clock = clock
        self._pending: list[Pending] = []
        self._changed = asyncio.Event()

    async def report(self, attempt: Attempt, outcome: Outcome) -> None:
        """Returns when the server has answered, or nobody wants the outcome any more."""
        pending = Pending(attempt, outcome)
        self._pending.append(pending)
        self._changed.set()
        await pending.answered.wait()

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._pending:
                wait = await self.send_once()
                if wait > 0:
                    await asyncio.sleep(wait)

    async def send_once(self) -> float:
        """Sends what there is. Returns how long to wait before the next time."""
        self._give_up()
        sending, self._pending = self._pending, []
        entries = [pending.entry for pending in sending]
        wait, at = 0.0, 0
        for count in batches(map(len, entries)):
            batch = sending[at : at + count]
            wait = max(wait, await self._send(batch, entries[at : at + count]))
            at += count
        if wait == 0:
            self._backoff.reset()
        return wait

    async def _send(self, batch: Sequence[Pending], entries: Sequence[str]) -> float:
        try:
            results = await self._api.reports(entries)
        except (Refused, Unreachable) as error:
            return await self._not_taken(batch, entries, error)
        again = None
        for pending, result in zip(batch, results, strict=True):
            again = self._settle(pending, result) or again
        return self._backoff.next(again) if again else 0.0

    async def _not_taken(
        self, batch: Sequence[Pending], entries: Sequence[str], error: Refused | Unreachable
    ) -> float:
        if is_retryable(error):
            self._logger.warning(
                "outcomes could not be reported; trying again",
                extra={"error": str(error), "tasks": len(batch)},
            )
            self._pending = [*batch, *self._pending]
            return self._backoff.next(error)
        if len(batch) == 1 and isinstance(error, Refused):
            self._refused(batch[0], error.code, error.message)
            return 0.0
        # One of them is why: those beside it must not pay for it.
        waits = [
            await self._send([one], [entry]) for one, entry in zip(batch, entries, strict=True)
        ]
        return max(waits)

    def _settle(self, pending: Pending, result: dict[str, Any]) -> Refused | None:
        """Done with it, or the reason why it is sent again."""
        if result.get("recorded") is True:
            pending.answered.set()
            return None
        given = result.get("error")
        error = given if isinstance(given, dict) else {}
        code, message = str(error.get("code")), str(error.get("message"))
        if error.get("retryable") is True or code in ("unavailable", "overloaded"):
            self._pending.append(pending)
            return Refused(503, code, message, retryable=True)
        self._refused(pending, code, message)
        return None

    def _refused(self, pending: Pending, code: str, message: str) -> None:
        extra = {"code": code, "reason": message, "outcome": pending.outcome.kind}
        instead = None if code in OVER else refused(pending.outcome, code, message)
        if instead is None:
            pending.attempt.logger.warning("an outcome was thrown away", extra=extra)
            pending.answered.set()
            return
        pending.attempt.logger.error("the server refused an outcome", extra=extra)
        pending.outcome = instead
        self._pending.append(pending)

    def _give_up(self) -> None:
        """Leaves out those whose tasks are other workers' by now.

        A lease that ended while the server could not be reached may not be known to have ended
        there either. So an outcome is offered for as long again.
        """
        now = self._clock()
        wanted = []
        for pending in self._pending:
            lease = pending.attempt.lease
            if lease.ends_at + lease.seconds > now:
                wanted.append(pending)
                continue
            pending.attempt.logger.warning(
                "an outcome was thrown away",
                extra={"code": "lease_lost", "outcome": pending.outcome.kind},
            )
            pending.answered.set()
        self._pending = wanted
