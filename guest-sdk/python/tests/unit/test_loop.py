"""asyncio on top of what happens to a run."""

import asyncio
import datetime
import time

from dacapo import ApplicationError, Unsupported, activity, sleep, wait_until

from .script import RunTest, done, failed, signal

SECOND = 1_000_000_000


@activity
def step(number: int) -> int:
    return number


class Timers(RunTest):
    def test_asyncio_sleep_is_a_durable_timer_of_exactly_that_length(self) -> None:
        async def workflow() -> str:
            await asyncio.sleep(0.1 + 0.2)
            return "woke"

        self.assertEqual(self.execute(workflow, done(1)), "woke")
        self.assertEqual(self.script.asked, [("timer", 300_000_000)])

    def test_sleep_of_nothing_waits_for_nothing(self) -> None:
        async def workflow() -> None:
            await asyncio.sleep(0)

        self.execute(workflow)
        self.assertEqual(self.script.asked, [])

    def test_the_sleep_of_the_library_takes_a_timedelta(self) -> None:
        async def workflow() -> None:
            await sleep(datetime.timedelta(days=365))

        self.execute(workflow, done(1))
        self.assertEqual(self.script.asked, [("timer", 365 * 86_400 * SECOND)])

    def test_timers_fire_in_the_order_in_which_they_are_delivered(self) -> None:
        order = []

        async def after(seconds: int) -> None:
            await asyncio.sleep(seconds)
            order.append(seconds)

        async def workflow() -> None:
            async with asyncio.TaskGroup() as group:
                for seconds in (3, 1, 2):
                    group.create_task(after(seconds))

        self.execute(workflow, done(2), done(3), done(1))
        self.assertEqual(order, [1, 2, 3])

    def test_a_timeout_that_is_not_needed_is_cancelled(self) -> None:
        async def workflow() -> int:
            async with asyncio.timeout(5):
                return await step(1)

        self.assertEqual(self.execute(workflow, done(2, 1)), 1)
        expected = [("timer", 5 * SECOND), ("activity", "step", b"1"), ("cancel", 1)]
        self.assertEqual(self.script.asked, expected)

    def test_a_timeout_gives_up_what_it_limits(self) -> None:
        async def workflow() -> str:
            try:
                return str(await asyncio.wait_for(step(1).start(), 5))
            except TimeoutError:
                return "elapsed"

        self.assertEqual(self.execute(workflow, done(2)), "elapsed")
        self.assertEqual(self.script.asked[-1], ("cancel", 1))

    def test_a_blocking_sleep_takes_in_what_happens_and_lets_nothing_go_on(self) -> None:
        from dacapo import run, signals

        original = time.sleep
        self.addCleanup(setattr, time, "sleep", original)
        run.install_sleep()
        seen: list[int] = []

        async def listen() -> None:
            seen.append(await signals("s", int).recv())

        async def workflow() -> list[int]:
            listening = asyncio.create_task(listen())
            await asyncio.sleep(0)
            time.sleep(2)
            during = list(seen)
            await listening
            return during

        self.assertEqual(self.execute(workflow, signal("s", 1), done(1)), [])
        self.assertEqual(seen, [1])
        self.assertEqual(self.script.asked, [("timer", 2 * SECOND)])


class Primitives(RunTest):
    def test_gather_starts_all_in_order_and_keeps_the_order_of_the_results(self) -> None:
        async def workflow() -> list[int]:
            return await asyncio.gather(*map(step, range(3)))

        self.assertEqual(self.execute(workflow, done(3, 2), done(1, 0), done(2, 1)), [0, 1, 2])
        self.assertEqual([asked[2] for asked in self.script.asked], [b"0", b"1", b"2"])

    def test_a_task_group_gives_up_the_others_when_one_fails(self) -> None:
        async def workflow() -> str:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.number(1))
                    group.create_task(self.number(2))
            except ExceptionGroup as failed_together:
                return type(failed_together.exceptions[0]).__name__
            return "done"

        self.assertEqual(self.execute(workflow, failed(2, "Declined")), "ActivityError")
        self.assertIn(("cancel", 1), self.script.asked)

    async def number(self, number: int) -> int:
        return await step(number)

    def test_queues_events_and_semaphores_need_no_delivery(self) -> None:
        async def workflow() -> list[int]:
            queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
            finished = asyncio.Event()
            taken: list[int] = []

            async def take() -> None:
                while len(taken) < 3:
                    taken.append(await queue.get())
                finished.set()

            taking = asyncio.create_task(take())
            async with asyncio.Semaphore(1):
                for number in range(3):
                    await queue.put(number)
            await finished.wait()
            await taking
            return taken

        self.assertEqual(self.execute(workflow), [0, 1, 2])

    def test_conditions_are_looked_at_when_nothing_else_can_go_on(self) -> None:
        votes = 0

        async def vote() -> None:
            nonlocal votes
            for _ in range(2):
                await sleep(1)
                votes += 1

        async def workflow() -> int:
            voting = asyncio.create_task(vote())
            await wait_until(lambda: votes == 2)
            await voting
            return votes

        self.assertEqual(self.execute(workflow, done(1), done(2)), 2)

    def test_what_a_condition_raises_is_raised_by_the_wait(self) -> None:
        async def workflow() -> str:
            waiting = asyncio.ensure_future(wait_until(lambda: looked()))
            await sleep(1)
            try:
                await waiting
            except ApplicationError as error:
                return error.message
            return "held"

        times = iter([False, False])

        def looked() -> bool:
            for held in times:
                return held
            raise ApplicationError("no more")

        self.assertEqual(self.execute(workflow, done(1)), "no more")

    def test_tasks_that_are_left_are_cancelled_when_the_workflow_returns(self) -> None:
        ended = []

        async def background() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("cleaned up")

        async def workflow() -> str:
            asyncio.create_task(background())
            await step(1)
            return "done"

        self.assertEqual(self.execute(workflow, done(1, 1)), "done")
        self.assertEqual(ended, ["cleaned up"])
        self.assertEqual(self.script.asked[-1], ("cancel", 2))

    def test_nothing_is_started_once_the_workflow_has_returned(self) -> None:
        async def background() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await step(7)

        async def workflow() -> None:
            asyncio.create_task(background())
            await asyncio.sleep(0)

        self.execute(workflow)
        self.assertEqual(self.script.asked, [("timer", 60 * SECOND), ("cancel", 1)])

    def test_threads_are_refused_with_what_to_do_instead(self) -> None:
        async def workflow() -> None:
            await asyncio.to_thread(print, "no")

        with self.assertRaisesRegex(Unsupported, "no threads: await an activity"):
            self.execute(workflow)

    def test_an_exception_that_is_no_failure_leaves_the_run(self) -> None:
        async def workflow() -> None:
            raise KeyError("a bug")

        with self.assertRaises(KeyError):
            self.execute(workflow)

    def test_many_tasks_that_have_ended_leave_nothing_behind(self) -> None:
        async def nothing() -> None:
            pass

        async def workflow() -> int:
            from dacapo import run

            for _ in range(1_000):
                await asyncio.create_task(nothing())
            return len(run.current().loop._tasks)

        self.assertLess(self.execute(workflow), 130)


class Activities(RunTest):
    def test_an_async_activity_may_wait_for_the_clock(self) -> None:
        @activity(name="waits")
        async def waits() -> list[int]:
            async def after(seconds: float, number: int) -> int:
                await asyncio.sleep(seconds)
                return number

            return list(await asyncio.gather(after(0.02, 1), after(0.001, 2)))

        self.assertEqual(waits.execute(b""), b"[1,2]")

    def test_an_activity_that_nothing_will_wake_says_so(self) -> None:
        @activity(name="stuck")
        async def stuck() -> None:
            await asyncio.Event().wait()

        with self.assertRaisesRegex(RuntimeError, "nothing will wake"):
            stuck.execute(b"")
