"""Keeps the leases of all tasks in hand: one request for many."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence

from .api import ANSWER_SECONDS_MAX, Api, batches
from .attempt import Attempt
from .errors import Refused, Unreachable
from .retry import Backoff, is_retryable

#: An event loop that is late by more could not keep leases for long.
LATE_SECONDS = 1.0


class LeaseKeeper:
    """``run`` goes on as long as the worker has tasks in hand."""

    def __init__(
        self,
        api: Api,
        logger: logging.Logger,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._logger = logger
        self._backoff = backoff or Backoff(initial=0.2, maximum=2.0)
        self._clock = clock
        self._held: dict[str, Attempt] = {}
        self._changed = asyncio.Event()
        # One request at a time, so that details arrive in the order in which they were said.
        self._sending = asyncio.Lock()
        self._not_before = float("-inf")

    def add(self, attempt: Attempt) -> None:
        self._held[attempt.token] = attempt
        self._changed.set()

    def remove(self, attempt: Attempt) -> None:
        self._held.pop(attempt.token, None)

    def hurry(self) -> None:
        """A task has something to say."""
        self._changed.set()

    async def run(self) -> None:
        while True:
            await self._wait()
            now = self._clock()
            self.expire(now)
            due = self.due(now)
            if due:
                await self._send(due)

    async def flush(self, attempt: Attempt) -> None:
        """Sends what an attempt has said last, which the next one is to be told.

        Tried once: its failure is not held up by it.
        """
        if attempt.lease.has_details and not attempt.cancellation.lost:
            await self._send([attempt])

    def expire(self, now: float) -> None:
        """Gives up the tasks whose leases have ended without an answer."""
        for attempt in self._held.values():
            if attempt.lease.ends_at <= now:
                attempt.lose("its time was over before the server prolonged it")

    def due(self, now: float) -> list[Attempt]:
        """Those whose heartbeats go into the next request: none if none has to be sent now."""
        if now < self._not_before:
            return []
        held = [attempt for attempt in self._held.values() if not attempt.cancellation.lost]
        if not any(attempt.lease.due_at <= now for attempt in held):
            return []
        return [attempt for attempt in held if attempt.lease.worth_joining(now)]

    async def _wait(self) -> None:
        now = self._clock()
        wake_at = float("inf")
        for attempt in self._held.values():
            if not attempt.cancellation.lost:
                due = max(attempt.lease.due_at, self._not_before)
                wake_at = min(wake_at, due, attempt.lease.ends_at)
        self._changed.clear()
        try:
            timeout = max(0.0, wake_at - now) if wake_at < float("inf") else None
            await asyncio.wait_for(self._changed.wait(), timeout)
        except (asyncio.TimeoutError, TimeoutError):
            late = self._clock() - wake_at
            if late > LATE_SECONDS:
                self._logger.warning(
                    "the event loop was blocked, and leases are prolonged late: plain functions "
                    "run in threads, async ones must not block",
                    extra={"late_seconds": round(late, 3)},
                )

    async def _send(self, attempts: Sequence[Attempt]) -> None:
        async with self._sending:
            entries = []
            now = self._clock()
            taken = [(attempt, attempt.lease.take(now)) for attempt in attempts]
            for attempt, details in taken:
                more = "" if details is None else f',"details":{details}'
                entries.append(f'{{"token":{json.dumps(attempt.token)}{more}}}')
            at = 0
            for count in batches(map(len, entries)):
                await self._send_batch(taken[at : at + count], entries[at : at + count])
                at += count

    async def _send_batch(
        self, taken: Sequence[tuple[Attempt, str | None]], entries: Sequence[str]
    ) -> None:
        sent_at = self._clock()
        # No longer than leases last: who waits can't see them end.
        ends = min(attempt.lease.ends_at for attempt, _ in taken)
        timeout = min(max(ends - sent_at, 1.0), ANSWER_SECONDS_MAX)
        try:
            results = await self._api.heartbeats(entries, timeout)
        except (Refused, Unreachable) as error:
            wait = self._backoff.next(error)
            self._not_before = self._clock() + wait
            self._logger.warning(
                "leases could not be prolonged; trying again",
                extra={"error": str(error), "tasks": len(taken)},
            )
            # Details that the server does not take must not cost the leases of all.
            keep = is_retryable(error)
            for attempt, details in taken:
                attempt.lease.missed(details if keep else None)
            return
        self._backoff.reset()
        self._not_before = float("-inf")
        for (attempt, details), result in zip(taken, results, strict=True):
            if not attempt.learn(result, sent_at):
                attempt.lease.missed(details)
