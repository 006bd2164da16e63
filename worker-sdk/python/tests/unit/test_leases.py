from __future__ import annotations

import asyncio
import unittest
from typing import Any

from dacapo_worker import CancelReason
from dacapo_worker.errors import Refused, Unreachable
from dacapo_worker.leases import LeaseKeeper
from dacapo_worker.retry import Backoff

from .support import LOGGER, Answers, ApiOf, Clock, attempt

HELD = {"held": True, "cancel_requested": False, "paused": False}


class Keeping(unittest.IsolatedAsyncioTestCase):
    def keeper(self, *answers: Any) -> LeaseKeeper:
        self.answers = Answers(*answers)
        self.clock = Clock()
        backoff = Backoff(initial=1.0, random=lambda: 1.0)
        return LeaseKeeper(ApiOf(heartbeats=self.answers), LOGGER, backoff, self.clock)  # type: ignore[arg-type]

    async def beat(self, keeper: LeaseKeeper, at: float) -> None:
        self.clock.now = at
        keeper.expire(at)
        due = keeper.due(at)
        if due:
            await keeper._send(due)

    async def test_one_request_keeps_all_that_are_in_hand(self) -> None:
        keeper = self.keeper(HELD)
        first, second, fresh = (attempt(t, now=n) for t, n in (("a", 0), ("b", 4), ("c", 9)))
        for one in (first, second, fresh):
            keeper.add(one)
        await self.beat(keeper, 9.9)
        self.assertEqual(self.answers.asked, [])
        await self.beat(keeper, 10.0)
        self.assertEqual(self.answers.asked, [[{"token": "a"}, {"token": "b"}]])
        self.assertEqual(first.lease.ends_at, 40.0)
        self.assertEqual(fresh.lease.ends_at, 39.0)

    async def test_what_was_said_goes_along(self) -> None:
        keeper = self.keeper(HELD)
        one = attempt("a", now=0)
        keeper.add(one)
        one.lease.note('{"rows":7}')
        await self.beat(keeper, 0.1)
        self.assertEqual(self.answers.asked, [[{"token": "a", "details": {"rows": 7}}]])

    async def test_the_server_says_what_becomes_of_an_attempt(self) -> None:
        lost = {"held": False, "error": {"code": "lease_lost", "message": "another has it"}}
        keeper = self.keeper([HELD | {"cancel_requested": True}, lost, HELD | {"paused": True}])
        attempts = [attempt(token, now=0) for token in "abc"]
        for one in attempts:
            keeper.add(one)
        await self.beat(keeper, 10.0)
        reasons = [one.cancellation.reason for one in attempts]
        self.assertEqual(reasons, [CancelReason.REQUESTED, CancelReason.LEASE_LOST, None])
        # Nobody asks again for one that is lost.
        self.assertEqual([one.token for one in keeper.due(20.0)], ["a", "c"])

    async def test_without_an_answer_it_tries_again_until_the_leases_end(self) -> None:
        keeper = self.keeper(Unreachable("cut"), Unreachable("cut"), HELD)
        one = attempt("a", now=0)
        keeper.add(one)
        one.lease.note("1")
        await self.beat(keeper, 10.0)
        await self.beat(keeper, 10.9)
        await self.beat(keeper, 11.0)
        await self.beat(keeper, 13.0)
        self.assertEqual([entry[0].get("details") for entry in self.answers.asked], [1, 1, 1])
        self.assertIsNone(one.cancellation.reason)
        keeper.expire(43.0)
        self.assertIs(one.cancellation.reason, CancelReason.LEASE_LOST)

    async def test_details_that_the_server_does_not_take_do_not_cost_the_lease(self) -> None:
        busy = {"held": False, "error": {"code": "unavailable", "retryable": True}}
        keeper = self.keeper(Refused(413, "payload_too_large", ""), [busy], HELD)
        one = attempt("a", now=0)
        keeper.add(one)
        one.lease.note("1")
        for at in (10.0, 11.0, 13.0):
            await self.beat(keeper, at)
        self.assertEqual(
            self.answers.asked, [[{"token": "a", "details": 1}], *[[{"token": "a"}]] * 2]
        )
        self.assertIsNone(one.cancellation.reason)

    async def test_the_last_details_are_sent_before_a_failure_is(self) -> None:
        keeper = self.keeper(HELD)
        one = attempt("a", now=0)
        keeper.add(one)
        await keeper.flush(one)
        one.lease.note("5")
        await keeper.flush(one)
        await keeper.flush(one)
        self.assertEqual(self.answers.asked, [[{"token": "a", "details": 5}]])

    async def test_the_loop_wakes_up_for_what_is_said(self) -> None:
        keeper = self.keeper(HELD)
        one = attempt("a", now=0)
        keeper.add(one)
        loop = asyncio.ensure_future(keeper.run())
        one.lease.note("5")
        keeper.hurry()
        await with_timeout(lambda: bool(self.answers.asked))
        loop.cancel()


async def with_timeout(condition: Any) -> None:
    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0)

    await asyncio.wait_for(wait(), 5)
