"""A request to cancel, scopes, shields, and what operations do about it."""

import asyncio

from dacapo import (
    ActivityError,
    CancellationScope,
    CancellationType,
    FailureKind,
    Saga,
    SagaFailure,
    activity,
    call_activity,
    cancelled,
    is_cancel_requested,
    shielded,
    sleep,
    workflow,
)

from .script import RunTest, cancel, done, failed


@activity
def work() -> str:
    return "done"


@activity
def clean_up() -> None:
    pass


@workflow(name="kid")
async def kid() -> None:
    pass


PATIENT = CancellationType.WAIT_CANCELLATION_COMPLETED


class Requests(RunTest):
    def test_a_request_cancels_what_the_main_task_awaits(self) -> None:
        async def workflow() -> None:
            await sleep(60)

        with self.assertRaises(asyncio.CancelledError) as raised:
            self.execute(workflow, cancel("enough"))
        self.assertEqual(raised.exception.args, ("enough",))
        self.assertEqual(self.script.asked[-1], ("cancel", 1))

    def test_clean_up_in_a_shield_runs_to_its_end(self) -> None:
        async def workflow() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await shielded(clean_up())
                raise

        with self.assertRaises(asyncio.CancelledError):
            self.execute(workflow, cancel(), done(2))
        self.assertEqual([it[0] for it in self.script.asked], ["timer", "cancel", "activity"])

    def test_a_request_that_comes_in_a_shield_is_heard_after_it(self) -> None:
        order = []

        async def workflow() -> None:
            await shielded(clean_up())
            order.append("after the shield")
            await sleep(1)

        with self.assertRaises(asyncio.CancelledError) as raised:
            self.execute(workflow, cancel("now"), done(1))
        self.assertEqual(order, ["after the shield"])
        self.assertEqual(raised.exception.args, ("now",))

    def test_other_tasks_can_wait_for_the_request(self) -> None:
        async def workflow() -> tuple[str, bool]:
            told = asyncio.create_task(cancelled())
            try:
                await sleep(60)
            except asyncio.CancelledError:
                pass
            return await told, is_cancel_requested()

        self.assertEqual(self.execute(workflow, cancel("why")), ("why", True))

    def test_a_patient_activity_is_asked_and_its_end_waited_for(self) -> None:
        async def workflow() -> str:
            try:
                return await work().options(cancellation=PATIENT, cancellation_grace=3)
            except asyncio.CancelledError as error:
                failure = error.__cause__
                assert isinstance(failure, ActivityError)
                return f"{failure.is_cancelled} {failure}"

        stopped = failed(1, "Cancelled", kind=FailureKind.CANCELLED)
        told = self.execute(workflow, cancel(), stopped)
        self.assertTrue(told.startswith("True ActivityFailure"), told)
        self.assertEqual(self.script.asked[-1], ("request cancel", 1, 3_000_000_000))

    def test_what_a_patient_activity_achieves_nevertheless_counts(self) -> None:
        async def workflow() -> str:
            return await work().options(cancellation=PATIENT)

        self.assertEqual(self.execute(workflow, cancel(), done(1, "made it")), "made it")

    def test_an_abandoned_activity_is_left_alone(self) -> None:
        async def workflow() -> str:
            try:
                return await work().options(cancellation=CancellationType.ABANDON)
            except asyncio.CancelledError:
                return "left"

        self.assertEqual(self.execute(workflow, cancel()), "left")
        self.assertEqual(self.script.asked, [("activity", "work", b"")])

    def test_a_child_is_asked_and_its_end_waited_for(self) -> None:
        async def workflow() -> None:
            await kid()

        ended = failed(2, "Cancelled", kind=FailureKind.CANCELLED)
        started = done(1, {"run_id": "r", "workflow_id": "w"})
        with self.assertRaises(asyncio.CancelledError) as caught:
            self.execute(workflow, started, cancel(), ended)
        self.assertEqual(self.script.asked[-1], ("cancel", 2))
        self.assertEqual(caught.exception.args, ("Cancelled",), "what the child says")

    def test_a_child_that_has_started_is_told_something_whichever_run_of_it_is_open(self) -> None:
        async def workflow() -> None:
            child = await kid().start()
            await child.signal("go", 1)

        started = done(1, {"run_id": "r", "workflow_id": "w"})
        self.execute(workflow, started, done(3, None))
        self.assertEqual(self.script.asked[-1], ("signal", "w", None, "go", b"1"))

    def test_an_activity_that_others_have_cancelled_is_a_failure(self) -> None:
        async def workflow() -> bool:
            try:
                await work()
            except ActivityError as failure:
                return failure.is_cancelled
            return False

        stopped = failed(1, "Cancelled", kind=FailureKind.CANCELLED)
        self.assertTrue(self.execute(workflow, stopped))


class Scopes(RunTest):
    def test_a_scope_ends_what_is_in_it_and_nothing_else(self) -> None:
        async def workflow() -> tuple[bool, str]:
            scope = CancellationScope()

            async def stop() -> None:
                await sleep(1)
                scope.cancel("stop")

            stopping = asyncio.create_task(stop())
            async with scope:
                await asyncio.gather(sleep(60), work().start())
            await stopping
            return scope.cancelled_caught, await work()

        self.assertEqual(self.execute(workflow, done(3), done(4, "w")), (True, "w"))
        asked = self.script.asked
        self.assertEqual([it for it in asked if it[0] == "cancel"], [("cancel", 1), ("cancel", 2)])

    def test_a_scope_that_was_cancelled_before_ends_at_the_first_wait(self) -> None:
        async def workflow() -> str:
            scope = CancellationScope()
            scope.cancel()
            async with scope:
                await sleep(60)
            return "went on"

        self.assertEqual(self.execute(workflow), "went on")

    def test_a_request_to_the_run_is_not_swallowed_by_a_scope(self) -> None:
        async def workflow() -> None:
            async with CancellationScope():
                await sleep(60)

        with self.assertRaises(asyncio.CancelledError):
            self.execute(workflow, cancel())


class Sagas(RunTest):
    def test_steps_are_undone_the_last_first(self) -> None:
        async def workflow() -> None:
            async with Saga() as saga:
                for name in ("first", "second"):
                    saga.compensate_with(call_activity(f"undo {name}"))
                await work()

        with self.assertRaises(ActivityError):
            self.execute(workflow, failed(1, "Declined"), done(2), done(3))
        self.assertEqual([it[1] for it in self.script.asked], ["work", "undo second", "undo first"])

    def test_one_that_can_not_be_undone_is_told_and_the_others_are(self) -> None:
        async def workflow() -> None:
            async with Saga() as saga:
                for name in ("first", "second"):
                    saga.compensate_with(call_activity(f"undo {name}"))
                await work()

        with self.assertRaises(SagaFailure) as raised:
            self.execute(workflow, failed(1, "Declined"), failed(2, "Gone"), done(3))
        self.assertTrue(raised.exception.is_type("Declined"))
        self.assertEqual(len(raised.exception.not_undone), 1)
