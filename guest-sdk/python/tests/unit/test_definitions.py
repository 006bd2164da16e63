"""Decorators, type hints, payloads and failures."""

import dataclasses
import datetime
import enum
import math
import unittest
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar

from dacapo import (
    ActivityError,
    ApplicationError,
    Failure,
    NotInWorkflow,
    PayloadError,
    RetryPolicy,
    activity,
    call_activity,
    registry,
    workflow,
)
from dacapo.failure import FailureInfo, FailureKind, chain_of, failure_from
from dacapo.payload import decode, encode
from dacapo.signature import check_hint
from dacapo.times import nanos

from .script import RunTest, done

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Order:
    id: str
    cents: int = 0
    due: datetime.datetime | None = None
    color: Color = Color.RED


@dataclasses.dataclass
class Page(Generic[T]):
    items: list[T]


class Point(TypedDict):
    x: int


@activity
def charge(order: Order) -> Order:
    return dataclasses.replace(order, cents=order.cents + 1)


@activity(name="with-options", start_to_close=3, retry=RetryPolicy.never())
def optional(count: int = 7) -> int:
    return count


class Decorators(RunTest):
    def test_an_activity_takes_and_returns_dataclasses(self) -> None:
        async def main() -> Order:
            return await charge(Order("o-1", 5))

        result = self.execute(main, done(1, {"id": "o-1", "cents": 6, "newer": True}))
        self.assertEqual(result, Order("o-1", 6))
        [(_, _, input)] = self.script.asked
        self.assertEqual(input, b'{"id":"o-1","cents":5,"due":null,"color":"red"}')

    def test_the_function_itself_is_run_in_tests(self) -> None:
        self.assertEqual(charge.run(Order("o", 1)).cents, 2)
        self.assertEqual(charge.execute(b'{"id":"o","cents":1}')[:19], b'{"id":"o","cents":2')

    def test_an_argument_with_a_default_may_be_left_out(self) -> None:
        self.assertEqual(optional.execute(b""), b"7")
        self.assertEqual(optional.execute(b"3"), b"3")
        self.assertIs(registry.activities["with-options"], optional)

    def test_an_input_that_does_not_fit_fails_for_good_and_says_where(self) -> None:
        with self.assertRaises(Failure) as raised:
            charge.execute(b'{"id":"o","cents":"many"}')
        failure = raised.exception
        self.assertEqual((failure.type, failure.non_retryable), ("InvalidInput", True))
        self.assertIn("activity `charge`: order.cents: expected a whole number", failure.message)

    def test_a_result_that_does_not_fit_is_a_failure_of_the_call(self) -> None:
        async def main() -> Order:
            return await charge(Order("o"))

        with self.assertRaises(ApplicationError) as raised:
            self.execute(main, done(1, {"cents": 1}))
        self.assertEqual(raised.exception.type, "InvalidResult")

    def test_a_function_with_two_arguments_is_refused_when_it_is_defined(self) -> None:
        with self.assertRaisesRegex(TypeError, "`two` takes one input or none"):

            @activity
            def two(one: int, other: int) -> None: ...

    def test_a_name_that_is_used_twice_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "`charge` is defined twice"):

            @activity(name="charge")
            def another() -> None: ...

    def test_a_type_that_json_can_not_become_is_refused_when_it_is_defined(self) -> None:
        class Connection:
            pass

        refused: tuple[Any, ...] = (
            Connection, list[Connection], dict[str, Connection], Page[Connection], complex,
        )  # fmt: skip
        for hint in refused:
            with self.assertRaisesRegex(TypeError, "JSON can't be made a"):
                check_hint(hint, "here")
        taken: tuple[Any, ...] = (
            Order, Page[Order], Point, Color, Literal["a"], Annotated[int, "x"], int | None,
            dict[str, list[tuple[int, ...]]], set[str], datetime.timedelta, None, Any, bytes,
        )  # fmt: skip
        for hint in taken:
            check_hint(hint, "here")

    def test_activities_are_called_in_workflows_only(self) -> None:
        with self.assertRaisesRegex(NotInWorkflow, r"name\.run\(\.\.\.\)"):
            charge(Order("o")).start()

    def test_a_priority_without_a_queue_is_refused_with_the_line(self) -> None:
        async def main() -> None:
            await call_activity("x", priority=1)

        with self.assertRaisesRegex(ValueError, r"test_definitions\.py:\d+.* no task queue"):
            self.execute(main)

    def test_a_module_and_a_queue_exclude_one_another(self) -> None:
        async def main() -> None:
            await call_activity("x", module="billing", task_queue="q")

        with self.assertRaisesRegex(ValueError, "workers know no modules"):
            self.execute(main)

    def test_a_workflow_runs_as_a_part_of_another(self) -> None:
        @workflow(name="part")
        async def part(number: int) -> int:
            return number + 1

        async def main() -> int:
            return await part.run(1)

        self.assertEqual(self.execute(main), 2)

    def test_models_of_the_first_pydantic_are_payloads(self) -> None:
        class Cart:
            """What such a model has, as far as it matters."""

            def __init__(self, items: list[str]) -> None:
                self.items = items

            @classmethod
            def parse_obj(cls, value: Any) -> "Cart":
                if not isinstance(value.get("items"), list):
                    raise ValueError("items is no list")
                return cls(**value)

            def dict(self) -> dict[str, Any]:
                return {"items": self.items}

        check_hint(Cart, "here")
        self.assertEqual(encode([Cart(["a"])]), b'[{"items":["a"]}]')
        self.assertEqual(decode(b'[{"items":["a"]}]', list[Cart])[0].items, ["a"])
        with self.assertRaisesRegex(PayloadError, r"input\[0\]: items is no list"):
            decode(b'[{"items":1}]', list[Cart])

    def test_pydantic_models_are_payloads(self) -> None:
        try:
            import pydantic
        except ImportError:
            self.skipTest("pydantic is not installed")

        class Cart(pydantic.BaseModel):
            items: list[str]

        self.assertEqual(encode(Cart(items=["a"])), b'{"items":["a"]}')
        self.assertEqual(decode(b'{"items":["a"]}', Cart), Cart(items=["a"]))
        with self.assertRaises(PayloadError):
            decode(b'{"items":1}', Cart)
        check_hint(Cart, "here")


class Payloads(unittest.TestCase):
    def test_numbers_of_64_bits_and_all_texts_keep_their_value(self) -> None:
        value = {"n": [2**64 - 1, -(2**63), 2**53 + 1], "t": "Grüße 🎼\u0000\u2028"}
        self.assertEqual(decode(encode(value)), value)

    def test_what_json_has_not_is_refused(self) -> None:
        for value in (math.nan, math.inf, object(), "\ud800"):
            with self.assertRaises(PayloadError):
                encode([value])

    def test_nothing_is_read_as_null_and_bytes_are_kept(self) -> None:
        self.assertIsNone(decode(b"", int | None))
        self.assertEqual(decode(b"\xff", bytes), b"\xff")
        self.assertEqual(encode(b"\xff"), b"\xff")

    def test_lengths_of_time_are_whole_microseconds(self) -> None:
        self.assertEqual(nanos(0.1 + 0.2), 300_000_000)
        self.assertEqual(nanos(datetime.timedelta(seconds=-1)), 0)
        with self.assertRaises(ValueError):
            nanos(math.inf)

    def test_conversion_is_the_one_of_the_library_for_workers(self) -> None:
        # Two packages that have nothing else in common, and one rule for what JSON becomes.
        ours = Path(decode.__code__.co_filename).with_name("convert.py")
        root = Path(__file__).parents[4]
        theirs = root / "worker-sdk/python/src/dacapo_worker/convert.py"
        self.assertEqual(ours.read_text(), theirs.read_text())


class Failures(unittest.TestCase):
    def test_the_chain_goes_to_the_runtime_and_back(self) -> None:
        try:
            try:
                raise ApplicationError("no funds", type="Declined", details=[1], next_retry_delay=2)
            except ApplicationError as cause:
                raise ApplicationError("no", non_retryable=True) from cause
        except ApplicationError as error:
            chain = chain_of(error)
        self.assertEqual([it.type for it in chain], ["ApplicationError", "Declined"])
        back = failure_from([FailureInfo(FailureKind.ACTIVITY, "ActivityFailure", "m"), *chain])
        self.assertIsInstance(back, ActivityError)
        self.assertTrue(back.is_type("Declined"))
        *_, last = back.chain()
        self.assertEqual((last.details(list[int]), last.next_retry_delay), ([1], 2.0))

    def test_any_exception_tells_its_class_and_its_line(self) -> None:
        try:
            dict[str, int]()["missing"]
        except KeyError as error:
            [info] = chain_of(error)
        self.assertEqual(info.type, "KeyError")
        self.assertRegex(info.message, r"^'missing' \(.*test_definitions\.py:\d+, in test_any")

    def test_a_chain_is_bounded_and_may_go_round(self) -> None:
        first = error = ValueError("0")
        for number in range(1, 40):
            following = ValueError(str(number))
            error.__cause__ = following
            error = following
        error.__cause__ = first
        self.assertEqual(len(chain_of(first)), 17)

    def test_details_that_are_no_json_do_not_hide_the_failure(self) -> None:
        failure = ApplicationError("m", details=object())
        self.assertIn("can't be written as JSON", failure.details())
