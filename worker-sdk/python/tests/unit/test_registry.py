from __future__ import annotations

import functools
import unittest
from dataclasses import dataclass
from typing import Any

from dacapo_worker import Worker, WorkerOptions
from dacapo_worker.registry import activity_of


@dataclass
class Order:
    id: str


def plain(order: Order) -> str:
    return order.id


async def later(order: Order) -> str:
    return order.id


class Callable:
    async def __call__(self, order: Order) -> None: ...


class Shop:
    def ship(self, order: Order) -> None: ...


class Registering(unittest.TestCase):
    def test_functions_of_all_kinds_are_understood(self) -> None:
        cases: list[tuple[Any, bool]] = [
            (plain, False),
            (later, True),
            (functools.partial(later), True),
            (Callable(), True),
            (Shop().ship, False),
        ]
        for function, is_async in cases:
            activity = activity_of(function, "a")
            self.assertEqual((activity.is_async, activity.input_hint), (is_async, Order), function)

    def test_one_input_or_none(self) -> None:
        self.assertFalse(activity_of(lambda: None, "none").takes_input)
        self.assertTrue(activity_of(lambda order=None: None, "default").takes_input)
        self.assertTrue(activity_of(lambda order, *, limit=3: None, "named").takes_input)
        with self.assertRaisesRegex(TypeError, "one input or none"):
            activity_of(lambda a, b: None, "two")

    def test_the_decorator_leaves_the_function_as_it_is(self) -> None:
        worker = Worker(task_queue="q")
        self.assertIs(worker.activity(plain), plain)
        self.assertIs(worker.activity("other-name")(plain), plain)
        with self.assertRaisesRegex(ValueError, "registered already"):
            worker.activity(plain)

    def test_a_hint_that_is_not_there_is_told_at_once(self) -> None:
        def broken(order: Missing) -> None: ...  # type: ignore[name-defined] # noqa: F821

        with self.assertRaisesRegex(TypeError, "Missing"):
            activity_of(broken)


class Options(unittest.TestCase):
    def test_what_can_t_be_is_refused(self) -> None:
        for wrong in (
            {"task_queue": ""},
            {"lease": 0.5},
            {"lease": float("nan")},
            {"poll_wait": 61},
            {"polls_max": 0},
            {"shutdown_grace": -1},
            {"identity": "x" * 256},
        ):
            with self.subTest(wrong), self.assertRaises(ValueError):
                WorkerOptions(**{"task_queue": "q", **wrong})

    def test_the_token_is_not_shown(self) -> None:
        self.assertNotIn("hidden", repr(WorkerOptions(task_queue="q", token="hidden")))
