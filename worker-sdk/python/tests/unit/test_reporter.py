from __future__ import annotations

import asyncio
import unittest
from typing import Any

from dacapo_worker.errors import Refused, Unreachable
from dacapo_worker.outcome import completed
from dacapo_worker.reporter import Reporter
from dacapo_worker.retry import Backoff

from .support import LOGGER, Answers, ApiOf, Clock, attempt

RECORDED = {"recorded": True}


def not_recorded(code: str, retryable: bool = False) -> dict[str, Any]:
    return {"recorded": False, "error": {"code": code, "message": "no", "retryable": retryable}}


class Reports(unittest.IsolatedAsyncioTestCase):
    def reporter(self, *answers: Any) -> Reporter:
        self.answers = Answers(*answers)
        self.clock = Clock()
        backoff = Backoff(initial=1.0, random=lambda: 1.0)
        return Reporter(ApiOf(reports=self.answers), LOGGER, backoff, self.clock)  # type: ignore[arg-type]

    async def reporting(self, reporter: Reporter, *tokens: str) -> list[asyncio.Task[None]]:
        tasks = [
            asyncio.ensure_future(reporter.report(attempt(token, now=0.0), completed(token)))
            for token in tokens
        ]
        await asyncio.sleep(0)
        return tasks

    async def test_what_has_come_goes_in_one_request(self) -> None:
        reporter = self.reporter(RECORDED)
        tasks = await self.reporting(reporter, "a", "b")
        self.assertEqual(await reporter.send_once(), 0)
        await asyncio.gather(*tasks)
        self.assertEqual(
            self.answers.asked, [[{"token": "a", "result": "a"}, {"token": "b", "result": "b"}]]
        )

    async def test_it_is_sent_again_until_the_server_has_answered(self) -> None:
        reporter = self.reporter(Unreachable("cut"), Refused(503, "unavailable", ""), RECORDED)
        (task,) = await self.reporting(reporter, "a")
        self.assertEqual([await reporter.send_once() for _ in range(3)], [1.0, 2.0, 0.0])
        await task
        self.assertEqual(len(self.answers.asked), 3)

    async def test_only_those_that_were_not_recorded_are_sent_again(self) -> None:
        again = not_recorded("unavailable", retryable=True)
        reporter = self.reporter([RECORDED, again], [RECORDED])
        tasks = await self.reporting(reporter, "a", "b")
        self.assertEqual(await reporter.send_once(), 1.0)
        await reporter.send_once()
        await asyncio.gather(*tasks)
        self.assertEqual([entry["token"] for entry in self.answers.asked[1]], ["b"])

    async def test_what_nobody_wants_is_thrown_away(self) -> None:
        reporter = self.reporter([not_recorded("lease_lost"), not_recorded("activity_not_found")])
        tasks = await self.reporting(reporter, "a", "b")
        await reporter.send_once()
        await asyncio.gather(*tasks)
        self.assertEqual(len(self.answers.asked), 1)

    async def test_a_result_that_is_refused_becomes_a_failure(self) -> None:
        reporter = self.reporter([not_recorded("payload_too_large")], [RECORDED])
        (task,) = await self.reporting(reporter, "a")
        await reporter.send_once()
        await reporter.send_once()
        await task
        self.assertEqual(self.answers.asked[1][0]["failure"]["type"], "ResultRefused")

    async def test_one_that_spoils_its_batch_is_found(self) -> None:
        too_large = Refused(413, "payload_too_large", "")
        reporter = self.reporter(too_large, RECORDED, too_large, RECORDED)
        tasks = await self.reporting(reporter, "a", "b")
        await reporter.send_once()
        await reporter.send_once()
        await asyncio.gather(*tasks)
        sent = [[entry["token"] for entry in batch] for batch in self.answers.asked]
        self.assertEqual(sent, [["a", "b"], ["a"], ["b"], ["b"]])
        self.assertIn("failure", self.answers.asked[3][0])

    async def test_after_twice_the_lease_it_is_given_up(self) -> None:
        reporter = self.reporter(Unreachable("cut"))
        (task,) = await self.reporting(reporter, "a")
        self.clock.now = 59.0
        await reporter.send_once()
        self.clock.now = 60.0
        self.assertEqual(await reporter.send_once(), 0)
        await task
        self.assertEqual(len(self.answers.asked), 1)

    async def test_the_loop_sends_what_comes(self) -> None:
        reporter = self.reporter(RECORDED, RECORDED)
        loop = asyncio.ensure_future(reporter.run())
        for token in "ab":
            await asyncio.wait_for(reporter.report(attempt(token, now=0.0), completed(1)), 5)
        loop.cancel()
        self.assertEqual(len(self.answers.asked), 2)
