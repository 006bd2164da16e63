"""Workers and servers that die, stop and freeze."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from .support import LIBRARY, Process, WithServer, serving

WORKER = Path(__file__).with_name("worker_process.py")
BARE = LIBRARY / "examples/bare_worker.py"


class Troubles(WithServer):
    def process(self, grace: float = 30) -> Process:
        process = Process(WORKER, self.server, self.queue, str(grace))
        self.addCleanup(process.close)
        return process

    async def test_a_task_of_a_worker_that_was_killed_goes_to_another(self) -> None:
        first = self.process()
        run = await self.call("wait", 0.5)
        await first.says("began")
        first.send(signal.SIGKILL)
        second = self.process()
        self.assertEqual(await self.completed(run), "done")
        await second.says("ended")

    async def test_a_worker_that_is_to_stop_ends_what_it_has_and_takes_no_more(self) -> None:
        first = self.process()
        run = await self.call("wait", 1.5)
        await first.says("began")
        first.send(signal.SIGTERM)
        await first.says("the worker stops")
        other = await self.call("wait", 0)
        await first.says("ended")
        self.assertEqual(await first.ended(), 0)
        self.assertEqual(await self.completed(run), "done")
        second = self.process()
        await second.says("began")
        self.assertEqual(await self.completed(other), "done")

    async def test_what_does_not_end_in_time_is_tried_again_by_another_at_once(self) -> None:
        first = self.process(grace=0)
        runs = [await self.call("wait", 5), await self.call("stubborn")]
        await first.says("began")
        await first.says("began")
        first.send(signal.SIGTERM)
        await first.says("cancelled: shutdown")
        self.assertEqual(await first.ended(), 0)
        second = self.process(grace=0)
        await second.says("began")
        await second.says("began")
        for run in runs:
            await asyncio.to_thread(self.server.cancel, run)

    async def test_a_worker_that_was_frozen_learns_that_it_has_lost_its_task(self) -> None:
        first = self.process()
        run = await self.call("wait", 4)
        await first.says("began")
        first.send(signal.SIGSTOP)
        second = self.process()
        await second.says("began")
        first.send(signal.SIGCONT)
        await first.says("cancelled: lease_lost")
        self.assertEqual(await self.completed(run), "done")
        await second.says("ended")

    async def test_a_result_survives_the_death_of_the_server(self) -> None:
        worker = self.worker(lease=10)
        began, go_on = asyncio.Event(), asyncio.Event()

        @worker.activity
        async def later() -> str:
            began.set()
            await go_on.wait()
            return "done"

        async with serving(worker):
            run = await self.call("later")
            await began.wait()
            self.server.kill()
            go_on.set()
            # The report finds nobody now.
            await asyncio.to_thread(self.server.start)
            self.assertEqual(await self.completed(run), "done")

    async def test_a_worker_without_a_library_does_its_tasks(self) -> None:
        self.queue = "payments"
        bare = Process(BARE, self.server, self.queue)
        self.addCleanup(bare.close)
        run = await self.call("charge", {"id": "o-1"})
        self.assertEqual(await self.completed(run), {"number": "receipt-o-1"})
        run = await self.call("charge", {}, maximum_attempts=1)
        self.assertEqual((await self.failure(run))[0]["type"], "KeyError")
