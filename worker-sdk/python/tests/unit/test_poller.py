from __future__ import annotations

import asyncio
import unittest
from typing import Any

from dacapo_worker import FixedSlots, WorkerError
from dacapo_worker.errors import AnswerTooLarge, Refused, Unreachable
from dacapo_worker.poller import Poller
from dacapo_worker.retry import Backoff
from dacapo_worker.slots import PollScale, SlotCount

from .support import LOGGER, ApiOf

TASK: dict[str, Any] = {}


class Polling(unittest.IsolatedAsyncioTestCase):
    async def poll(self, slots: int, *answers: Any) -> None:
        """Polls until there are no more answers; then a poll waits for ever."""
        left = list(answers)
        self.asked: list[int] = []
        self.taken = 0
        no_more = asyncio.Event()

        async def answer(request: Any, most: int) -> list[Any]:
            self.asked.append(most)
            if not left:
                no_more.set()
                await asyncio.Event().wait()
            next_one = left.pop(0)
            if isinstance(next_one, Exception):
                raise next_one
            return [TASK] * next_one

        def take(task: Any) -> None:
            self.taken += 1

        self.slots = SlotCount(FixedSlots(slots))
        backoff = Backoff(initial=0.001)
        api: Any = ApiOf(poll=answer)
        poller = Poller(api, Any, self.slots, PollScale(4), take, LOGGER, backoff)  # type: ignore[arg-type]
        running = asyncio.ensure_future(poller.run())
        waiting = asyncio.ensure_future(no_more.wait())
        try:
            await asyncio.wait([running, waiting], timeout=5, return_when=asyncio.FIRST_COMPLETED)
            self.under_way = self.slots.used
        finally:
            running.cancel()
            waiting.cancel()
            (result, _) = await asyncio.gather(running, waiting, return_exceptions=True)
        if isinstance(result, Exception):
            raise result

    async def test_each_poll_asks_for_the_room_that_is_left(self) -> None:
        await self.poll(10, 3, 5)
        self.assertEqual(self.asked, [10, 7, 2])
        self.assertEqual(self.taken, 8)
        # A poll under way holds the slots for what it may bring, and gives them back.
        self.assertEqual((self.under_way, self.slots.used), (10, 8))

    async def test_without_room_nobody_asks(self) -> None:
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.poll(2, 2), 0.1)
        self.assertEqual(self.asked, [2])

    async def test_troubles_pass(self) -> None:
        await self.poll(1, Unreachable("cut"), Refused(503, "unavailable", ""))
        self.assertEqual(self.asked, [1, 1, 1])

    async def test_less_is_asked_for_while_answers_are_too_large(self) -> None:
        await self.poll(20, AnswerTooLarge(""), AnswerTooLarge(""), 2, 2)
        self.assertEqual(self.asked, [20, 10, 5, 10, 16])

    async def test_a_worker_that_does_not_fit_the_server_is_told_at_its_start(self) -> None:
        with self.assertRaisesRegex(WorkerError, "no such namespace"):
            await self.poll(1, Refused(404, "namespace_not_found", "no such namespace"))
