"""Signals, queries, updates, and what a run tells about its waits."""

import asyncio
import json
from typing import Any

from dacapo import (
    ApplicationError,
    InvalidSignal,
    activity,
    continue_as_new,
    query,
    side_effect,
    signals,
    sleep,
    update,
    updates_finished,
    wait_until,
)
from dacapo.continuing import Continuation

from . import script
from .script import RunTest, cancel, done, signal


@activity
def pack(item: str) -> str:
    return item


class Signals(RunTest):
    def test_signals_are_kept_until_somebody_takes_them(self) -> None:
        async def workflow() -> list[int]:
            await signals("begin").recv()
            words = signals("word", int)
            return [await words.recv(), await words.recv()]

        words = signal("word", 1), signal("word", 2), signal("begin")
        self.assertEqual(self.execute(workflow, *words), [1, 2])

    def test_each_signal_is_taken_once_by_who_asked_first(self) -> None:
        async def workflow() -> list[int]:
            both = signals("s", int)
            return list(await asyncio.gather(both.recv(), both.recv()))

        self.assertEqual(self.execute(workflow, signal("s", 1), signal("s", 2)), [1, 2])

    def test_a_signal_is_not_lost_with_a_wait_that_is_given_up(self) -> None:
        async def workflow() -> Any:
            waiting = asyncio.create_task(signals("s", int).recv())
            await signals("go").recv()
            # The signal has woken it, and it has not gone on yet.
            waiting.cancel()
            await asyncio.sleep(0)
            return await signals("s").recv()

        # Both are delivered before anything goes on: by a blocking sleep, say.
        from dacapo import run

        async def both() -> Any:
            waiting = asyncio.create_task(signals("s", int).recv())
            await asyncio.sleep(0)
            run.current().deliver(signal("s", 7))
            waiting.cancel()
            await asyncio.sleep(0)
            return await signals("s").recv()

        self.assertEqual(self.execute(both), 7)
        self.assertEqual(self.execute(workflow, signal("go"), signal("s", 5)), 5)

    def test_a_signal_that_says_something_else_is_set_aside(self) -> None:
        async def workflow() -> int:
            return await signals("price", int).recv()

        with self.assertLogs("dacapo") as logs:
            self.assertEqual(self.execute(workflow, signal("price", "x"), signal("price", 3)), 3)
        self.assertIn("expected a whole number", logs.output[0])

    def test_a_raw_signal_leaves_the_decision_to_the_workflow(self) -> None:
        async def workflow() -> str:
            try:
                (await signals("price", int).recv_raw()).decode()
            except InvalidSignal as invalid:
                return f"{invalid.name} {invalid.bytes!r}"
            return ""

        self.assertEqual(self.execute(workflow, signal("price", "x")), "price b'\"x\"'")

    def test_untaken_signals_go_over_to_the_run_that_follows(self) -> None:
        from dacapo import run

        async def workflow() -> None:
            await signals("a").recv()
            continue_as_new(7)

        with self.assertRaises(Continuation) as raised:
            self.execute(workflow, signal("b"), signal("c"), signal("a"))
        self.assertEqual(raised.exception.input, b"7")
        run.current().return_signals()
        self.assertEqual(self.script.asked, [("return signal", 1), ("return signal", 2)])


class Queries(RunTest):
    def test_a_query_sees_the_state_and_takes_its_argument_by_its_hint(self) -> None:
        async def workflow() -> None:
            items = ["lamp"]

            @query
            def item(number: int) -> str:
                return items[number]

            await sleep(1)

        self.execute(workflow, script.query("item", 0), done(1))
        self.assertEqual(self.script.answers["q"], b'"lamp"')

    def test_a_query_that_nobody_answers_names_those_that_are(self) -> None:
        async def workflow() -> None:
            query("b", lambda: 1)
            query("a", lambda: 1)
            await sleep(1)

        self.execute(workflow, script.query("c"), done(1))
        [failure] = self.script.answers["q"]
        self.assertEqual(failure.type, "UnknownQuery")
        self.assertIn("it answers `a`, `b`", failure.message)

    def test_a_query_can_not_leave_a_task_behind(self) -> None:
        async def never() -> None:
            raise AssertionError("it ran")

        async def workflow() -> None:
            query("act", lambda: asyncio.ensure_future(never()).done())
            await sleep(1)

        self.execute(workflow, script.query("act"), done(1))
        self.assertEqual(self.script.answers["q"][0].type, "QueryActs")

    def test_waits_name_the_lines_of_the_workflow(self) -> None:
        async def after() -> None:
            await asyncio.sleep(5)

        async def workflow() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(after())
                group.create_task(signals("go").recv())
                group.create_task(wait_until(lambda: True))
                timer = asyncio.ensure_future(pack("x").start())
                await timer

        ask = script.query("__dacapo_waits")
        self.execute(workflow, ask, done(1, "x"), done(2), signal("go"))
        report = json.loads(self.script.answers["q"])
        self.assertEqual(
            [it["kind"] for it in report["waits"]], ["operation", "operation", "signal"]
        )
        for wait in report["waits"]:
            self.assertRegex(wait["at"], r"test_messages\.py:\d+:\d+$")

    def test_whoever_looks_is_told_the_stack_of_the_workflow(self) -> None:
        async def inner() -> None:
            await sleep(1)

        async def workflow() -> None:
            await inner()

        from dacapo import run

        host = script.Script(done(1))
        host.observed = True
        run.begin(host).execute(workflow())
        [position] = host.positions
        first, second = position.splitlines()
        self.assertRegex(first, r"test_messages\.py:\d+:\d+ .*inner$")
        self.assertRegex(second, r"test_messages\.py:\d+:\d+ .*workflow$")


class Updates(RunTest):
    def cart(self) -> Any:
        async def workflow() -> list[str]:
            items: list[str] = []

            @update
            async def add(item: str) -> int:
                items.append(await pack(item))
                return len(items)

            @add.validator
            def has_a_name(item: str) -> None:
                if not item:
                    raise ApplicationError("an item has a name", type="NoItem")

            await signals("check out").recv()
            await updates_finished()
            return items

        return workflow

    def test_an_update_is_accepted_done_and_answered(self) -> None:
        happens = script.update("add", "lamp"), signal("check out"), done(1, "lamp")
        self.assertEqual(self.execute(self.cart(), *happens), ["lamp"])
        self.assertEqual(self.script.answers["u"], b"1")
        self.assertEqual(
            self.script.asked, [("accept", "u"), ("activity", "pack", b'"lamp"'), ("complete", "u")]
        )

    def test_an_update_is_rejected_by_its_validator_its_type_or_its_name(self) -> None:
        for name, value, type in ("add", "", "NoItem"), ("add", 7, "InvalidInput"), (
            "remove", None, "UnknownUpdate",
        ):  # fmt: skip
            self.execute(self.cart(), script.update(name, value), signal("check out"))
            self.assertEqual(self.script.answers["u"][0].type, type)
            self.assertEqual(self.script.asked, [])

    def test_a_failure_in_a_handler_is_its_answer_and_a_bug_is_a_bug(self) -> None:
        def workflow_that(error: Exception) -> Any:
            async def workflow() -> str:
                def handler() -> None:
                    raise error

                update("u", handler)
                await signals("go").recv()
                return "went on"

            return workflow

        declined = workflow_that(ApplicationError("no", type="Declined"))
        self.assertEqual(self.execute(declined, script.update("u"), signal("go")), "went on")
        self.assertEqual(self.script.answers["u"][0].type, "Declined")
        with self.assertRaises(KeyError):
            self.execute(workflow_that(KeyError("a bug")), script.update("u"), signal("go"))

    def test_an_update_whose_run_returns_has_no_answer(self) -> None:
        async def workflow() -> str:
            update("slow", lambda: sleep(60))
            await signals("go").recv()
            return "returned"

        self.assertEqual(self.execute(workflow, script.update("slow"), signal("go")), "returned")
        self.assertNotIn("u", self.script.answers)


class Values(RunTest):
    def test_a_side_effect_is_computed_once_and_read_on_a_replay(self) -> None:
        computed: list[int] = []

        def compute() -> Any:
            computed.append(1)
            return 1, "a"

        async def workflow() -> Any:
            return side_effect("dice", compute)

        self.assertEqual(self.execute(workflow), [1, "a"])
        self.assertEqual(self.script.asked, [("record", "dice", b'[1,"a"]')])
        self.script = replayed = script.Script()
        replayed.recorded = [b"7"]
        from dacapo import run

        self.assertEqual(run.begin(replayed).execute(workflow()), 7)
        self.assertEqual(len(computed), 1)

    def test_a_cancelled_wait_for_a_signal_ends(self) -> None:
        async def workflow() -> None:
            await signals("never").recv()

        with self.assertRaises(asyncio.CancelledError):
            self.execute(workflow, cancel())
