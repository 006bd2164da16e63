"""Asks for tasks, as long as there is room for more."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from .api import BATCH_MAX, Api, PollRequest
from .errors import AnswerTooLarge, Refused, Unreachable, WorkerError
from .retry import Backoff, is_retryable
from .slots import PollScale, SlotCount

#: Seconds between two polls that are refused for good: somebody may set it right.
REFUSED_SECONDS = 30.0
#: An empty answer that comes sooner has not waited for tasks.
AT_ONCE_SECONDS = 0.2


class Poller:
    """``run`` goes on until it is cancelled. It hands each task over with a slot taken for it."""

    def __init__(
        self,
        api: Api,
        request: PollRequest,
        slots: SlotCount,
        scale: PollScale,
        hand_over: Callable[[dict[str, Any]], None],
        logger: logging.Logger,
        backoff: Backoff | None = None,
    ) -> None:
        self._api = api
        self._request = request
        self._slots = slots
        self._scale = scale
        self._hand_over = hand_over
        self._logger = logger
        self._backoff = backoff or Backoff()
        self._was_answered = False
        self._is_failing = False
        self._most = BATCH_MAX

    async def run(self) -> None:
        """Raises ``WorkerError`` if the server refuses the first poll for good."""
        polls: set[asyncio.Task[float]] = set()
        try:
            while True:
                most = self._scale.share(self._slots.room(), len(polls), self._most)
                if most > 0:
                    self._slots.take(most)
                    poll = asyncio.ensure_future(self._poll(most))
                    poll.add_done_callback(lambda _: self._slots.wake())
                    polls.add(poll)
                    continue
                await self._slots.changed()
                done = {poll for poll in polls if poll.done()}
                polls -= done
                wait = max((poll.result() for poll in done), default=0.0)
                if wait > 0:
                    await asyncio.sleep(wait)
        finally:
            for poll in polls:
                poll.cancel()
            await asyncio.gather(*polls, return_exceptions=True)

    async def _poll(self, most: int) -> float:
        """Returns how long to wait before the next one."""
        got = 0
        began = time.monotonic()
        try:
            tasks = await self._api.poll(self._request, most)
            got = len(tasks)
            if got > most:
                self._slots.take(got - most)
            for task in tasks:
                self._hand_over(task)
        except (Refused, Unreachable) as error:
            if isinstance(error, AnswerTooLarge):
                # Large inputs: fewer of them fit into an answer.
                self._most = max(1, most // 2)
            return self._failed(error)
        finally:
            if got < most:
                self._slots.give_back(most - got)
        self._answered()
        self._scale.learn(most, got)
        if got > 0:
            self._most = min(BATCH_MAX, self._most * 2)
        # A server that stops answers at once: it must not be asked in a circle.
        at_once = got == 0 and time.monotonic() - began < AT_ONCE_SECONDS
        return AT_ONCE_SECONDS if at_once else 0.0

    def _answered(self) -> None:
        if self._is_failing:
            self._logger.info("the server answers again")
        elif not self._was_answered:
            self._logger.info("the server answers")
        self._was_answered, self._is_failing = True, False
        self._backoff.reset()

    def _failed(self, error: Refused | Unreachable) -> float:
        if is_retryable(error):
            wait = self._backoff.next(error)
        elif not self._was_answered:
            raise WorkerError(f"the server refuses to give out tasks: {error}") from error
        else:
            wait = REFUSED_SECONDS
        self._is_failing = True
        self._logger.warning(
            "no tasks could be had; trying again",
            extra={"error": str(error), "wait_seconds": round(wait, 3)},
        )
        return wait
