from __future__ import annotations

import asyncio
import json
import threading
import unittest
from typing import Any

from dacapo_worker import (
    ActivityCancelled,
    ApplicationError,
    CancelReason,
    activity_context,
    activity_info,
    heartbeat,
)
from dacapo_worker.cancellation import Cancellation
from dacapo_worker.context import ActivityContext
from dacapo_worker.execute import execute
from dacapo_worker.registry import activity_of
from dacapo_worker.testing import activity_info_for_tests

from .support import LOGGER


class Executing(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.cancellation = Cancellation()
        self.said: list[str] = []

    async def run_one(self, function: Any, given: Any = None) -> dict[str, Any]:
        activity = activity_of(function, "a")
        context = ActivityContext(
            activity_info_for_tests(),
            self.cancellation,
            is_async=activity.is_async,
            send=self.said.append,
            logger=LOGGER,
        )
        task = {"input": given}
        running = execute(activity, task, context, self.cancellation)
        outcome = await asyncio.wait_for(running, 5)
        report = json.loads(outcome.report("t"))
        report.pop("token")
        return report

    async def test_functions_of_both_kinds_know_where_they_are(self) -> None:
        async def later(number: int) -> list[Any]:
            await asyncio.sleep(0)
            return [number, activity_info().workflow_id]

        def plain(number: int) -> list[Any]:
            return [number, activity_info().workflow_id]

        for function in (later, plain):
            self.assertEqual(await self.run_one(function, 3), {"result": [3, "test"]})
        with self.assertRaisesRegex(RuntimeError, "no activity here"):
            activity_context()

    async def test_an_input_that_does_not_fit_fails_for_good(self) -> None:
        def plain(number: int) -> None: ...

        failure = (await self.run_one(plain, "x"))["failure"]
        self.assertEqual((failure["type"], failure["non_retryable"]), ("InvalidInput", True))

    async def test_whatever_is_raised_is_an_outcome(self) -> None:
        for error in (ValueError("a"), SystemExit(1), KeyboardInterrupt()):

            async def later() -> None:
                raise error

            def plain() -> None:
                raise error

            for function in (later, plain):
                report = await self.run_one(function)
                self.assertEqual(report["failure"]["type"], type(error).__name__)

    async def test_an_async_function_is_cancelled_and_may_clean_up(self) -> None:
        cleaned: list[Any] = []

        async def later() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                cleaned.append(activity_context().cancel_reason)

        asyncio.get_running_loop().call_later(
            0.01, self.cancellation.cancel, CancelReason.REQUESTED
        )
        self.assertEqual(await self.run_one(later), {"canceled": {}})
        self.assertEqual(cleaned, [CancelReason.REQUESTED])

    async def test_one_that_goes_on_after_it_was_asked_to_cancel_completes(self) -> None:
        async def later() -> int:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return 7
            return 0

        asyncio.get_running_loop().call_later(
            0.01, self.cancellation.cancel, CancelReason.REQUESTED
        )
        self.assertEqual(await self.run_one(later), {"result": 7})

    async def test_a_plain_function_ends_at_its_next_heartbeat(self) -> None:
        loop = asyncio.get_running_loop()
        caught: list[str] = []

        def plain() -> None:
            heartbeat(1)
            loop.call_soon_threadsafe(self.cancellation.cancel, CancelReason.REQUESTED)
            self.cancellation.event.wait(5)
            try:
                heartbeat(2)
            except Exception:
                caught.append("an Exception")

        self.assertEqual(await self.run_one(plain), {"canceled": {}})
        self.assertEqual((caught, self.said), ([], ["1", "2"]))

    async def test_a_plain_function_may_wait_and_say_how_it_ended(self) -> None:
        loop = asyncio.get_running_loop()

        def plain() -> None:
            loop.call_soon_threadsafe(self.cancellation.cancel, CancelReason.REQUESTED)
            try:
                activity_context().sleep(5)
            except ActivityCancelled:
                raise ActivityCancelled("undone", details={"rows": 3}) from None

        report = await self.run_one(plain)
        self.assertEqual(report, {"canceled": {"message": "undone", "details": {"rows": 3}}})

    async def test_one_that_is_cancelled_before_it_begins_does_not_begin(self) -> None:
        began: list[int] = []

        async def later() -> None:
            began.append(1)

        def plain() -> None:
            began.append(2)

        self.cancellation.cancel(CancelReason.SHUTDOWN)
        for function in (later, plain):
            report = await self.run_one(function)
            self.assertEqual(report["failure"]["type"], "WorkerShutdown")
        self.assertEqual(began, [])

    async def test_details_of_a_heartbeat_are_bounded(self) -> None:
        async def later() -> None:
            heartbeat("x" * 70_000)

        report = await self.run_one(later)
        self.assertIn("65536 bytes", report["failure"]["message"])

    async def test_a_failure_says_when_to_try_again(self) -> None:
        def plain() -> None:
            raise ApplicationError("busy", type="Busy", next_retry_delay=3)

        report = await self.run_one(plain)
        self.assertEqual(report["failure"]["next_retry_delay_seconds"], 3)

    async def test_threads_do_not_keep_the_process_alive(self) -> None:
        def plain() -> bool:
            return threading.current_thread().daemon

        self.assertEqual(await self.run_one(plain), {"result": True})
