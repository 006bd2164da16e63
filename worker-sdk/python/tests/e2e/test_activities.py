"""What activities do and say, with a real server."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

from dacapo_worker import (
    ActivityCancelled,
    ApplicationError,
    CancelReason,
    WorkerError,
    activity_context,
    activity_info,
    heartbeat,
)

from .support import SECONDS_MAX, WithServer, serving


@dataclass
class Order:
    id: str
    cents: int


class Activities(WithServer):
    async def test_functions_of_both_kinds_get_and_give_what_their_hints_say(self) -> None:
        worker = self.worker()

        @worker.activity
        async def later(order: Order) -> Order:
            return Order(order.id, order.cents + 1)

        @worker.activity("plain-one")
        def plain(order: Order) -> list[Order]:
            return [order]

        @worker.activity
        def nothing() -> None: ...

        async with serving(worker):
            given = {"id": "o-1", "cents": 5, "new": True}
            results = [
                await self.completed(await self.call(name, given))
                for name in ("later", "plain-one", "nothing")
            ]
        order = {"id": "o-1", "cents": 5}
        self.assertEqual(results, [order | {"cents": 6}, [order], None])

    async def test_an_activity_knows_which_it_is(self) -> None:
        worker = self.worker()

        @worker.activity
        def who() -> list[Any]:
            info = activity_info()
            scheduled = info.scheduled_at is not None and info.started_at is not None
            return [info.workflow_id, info.activity_type, info.attempt, info.task_queue, scheduled]

        async with serving(worker):
            run = await self.call("who")
            self.assertEqual(await self.completed(run), [run, "who", 1, self.queue, True])

    async def test_no_more_run_at_a_time_than_there_are_slots(self) -> None:
        worker = self.worker(slots=7)
        running = most = 0

        @worker.activity
        async def step(number: int) -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1
            return number

        async with serving(worker):
            given = {"queue": self.queue, "activity": "step", "steps": 100}
            run = await asyncio.to_thread(self.server.run, "remote_fan_out", given)
            self.assertEqual(await self.completed(run), list(range(100)))
        self.assertLessEqual(most, 7)
        self.assertGreater(most, 1)

    async def test_a_failure_is_told_in_full(self) -> None:
        worker = self.worker()

        @worker.activity
        def declined() -> None:
            try:
                raise OSError("the line is dead")
            except OSError as error:
                raise ApplicationError(
                    "no", type="Declined", details={"code": 51}, non_retryable=True
                ) from error

        async with serving(worker):
            failure, cause = await self.failure(await self.call("declined"))
        self.assertEqual((failure["type"], failure["message"]), ("Declined", "no"))
        self.assertEqual((failure["details"], failure["non_retryable"]), ({"code": 51}, True))
        self.assertEqual((cause["type"], cause["message"]), ("OSError", "the line is dead"))

    async def test_a_failed_attempt_is_made_again_and_told_what_the_first_said(self) -> None:
        worker = self.worker()

        @worker.activity
        def copy() -> list[Any]:
            context = activity_context()
            if context.info.attempt == 1:
                for row in range(100):
                    heartbeat({"row": row})
                raise ConnectionError("broken")
            assert context.info.last_failure is not None
            return [context.heartbeat_details(), context.info.last_failure["type"]]

        async with serving(worker):
            self.assertEqual(
                await self.completed(await self.call("copy")), [{"row": 99}, "ConnectionError"]
            )

    async def test_inputs_and_results_that_do_not_fit_fail_for_good(self) -> None:
        worker = self.worker()

        @worker.activity
        def number(given: int) -> None: ...

        @worker.activity
        def large() -> str:
            return "x" * 3_000_000

        async with serving(worker):
            (failure,) = await self.failure(await self.call("number", "text"))
            self.assertEqual(failure["type"], "InvalidInput")
            (failure,) = await self.failure(await self.call("large"))
            self.assertEqual(failure["type"], "ResultRefused")

    async def test_bytes_go_through_as_they_are(self) -> None:
        worker = self.worker()

        @worker.activity
        def as_bytes(given: bytes) -> str:
            return given.decode()

        async with serving(worker):
            run = await self.call("as_bytes", {"a": 1})
            self.assertEqual(await self.completed(run), '{"a":1}')

    async def test_an_activity_outlives_its_lease_many_times(self) -> None:
        worker = self.worker(lease=4)

        @worker.activity
        async def later() -> int:
            await asyncio.sleep(9)
            return activity_info().attempt

        @worker.activity
        def plain() -> int:
            threading.Event().wait(9)
            return activity_info().attempt

        async with serving(worker):
            runs = [await self.call(name, heartbeat_millis=3_900) for name in ("later", "plain")]
            self.assertEqual([await self.completed(run) for run in runs], [1, 1])

    async def test_functions_of_both_kinds_end_when_the_workflow_asks(self) -> None:
        worker = self.worker(lease=1)
        began = asyncio.Semaphore(0)
        loop = asyncio.get_running_loop()
        reasons: list[CancelReason | None] = []

        @worker.activity
        async def later() -> None:
            began.release()
            try:
                await asyncio.Event().wait()
            finally:
                reasons.append(activity_context().cancel_reason)

        @worker.activity
        def plain() -> None:
            loop.call_soon_threadsafe(began.release)
            try:
                while True:
                    heartbeat()
                    activity_context().wait_cancelled(0.01)
            except ActivityCancelled:
                reasons.append(activity_context().cancel_reason)
                raise ActivityCancelled("undone") from None

        async with serving(worker):
            for name in ("later", "plain"):
                run = await self.call(name, cancellation="wait")
                await began.acquire()
                await asyncio.to_thread(self.server.cancel, run)
                self.assertEqual((await self.result(run))["status"], "canceled")
        self.assertEqual(reasons, [CancelReason.REQUESTED] * 2)

    async def test_one_that_is_given_up_is_told_that_nobody_waits(self) -> None:
        worker = self.worker(lease=1)
        began, ended = asyncio.Event(), asyncio.Event()

        @worker.activity
        async def later() -> None:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async with serving(worker):
            run = await self.call("later")
            await began.wait()
            await asyncio.to_thread(self.server.cancel, run)
            self.assertEqual((await self.result(run))["status"], "canceled")
            await asyncio.wait_for(ended.wait(), SECONDS_MAX)

    async def test_an_attempt_that_takes_too_long_is_cancelled(self) -> None:
        worker = self.worker(lease=30)
        reasons: list[CancelReason | None] = []
        ended = asyncio.Event()

        @worker.activity
        async def later() -> str:
            if activity_info().attempt > 1:
                return "again"
            try:
                await asyncio.Event().wait()
            finally:
                reasons.append(activity_context().cancel_reason)
                ended.set()
            return "never"

        async with serving(worker):
            run = await self.call("later", start_to_close_millis=1_000)
            self.assertEqual(await self.completed(run), "again")
            await asyncio.wait_for(ended.wait(), SECONDS_MAX)
        self.assertEqual(reasons, [CancelReason.LEASE_LOST])

    async def test_a_worker_that_the_server_does_not_want_ends(self) -> None:
        worker = self.worker(namespace="nowhere")

        @worker.activity
        def nothing() -> None: ...

        with self.assertRaisesRegex(WorkerError, "namespace_not_found"):
            await worker.serve()
