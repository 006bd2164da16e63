from __future__ import annotations

import datetime
import decimal
import enum
import json
import unittest
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal, NewType, Optional, TypedDict, Union

from dacapo_worker.convert import convert
from dacapo_worker.errors import PayloadError
from dacapo_worker.payload import decode_input, encode, result_field

try:
    import pydantic
except ImportError:
    pydantic = None  # type: ignore[assignment]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Item:
    name: str
    quantity: int = 1


@dataclass
class Order:
    id: uuid.UUID
    items: list[Item]
    at: datetime.datetime
    colour: Colour | None = None
    notes: dict[str, float] = field(default_factory=dict)


class Point(TypedDict):
    x: int
    y: int


Cents = NewType("Cents", int)


class Hints(unittest.TestCase):
    def test_a_dataclass_comes_back_as_it_was_written(self) -> None:
        order = Order(
            id=uuid.UUID(int=7),
            items=[Item("lamp"), Item("book", 2)],
            at=datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
            colour=Colour.BLUE,
            notes={"a": 1.5},
        )
        self.assertEqual(convert(json.loads(encode(order)), Order), order)

    def test_fields_that_have_a_default_may_be_absent_and_unknown_ones_are_left_out(self) -> None:
        self.assertEqual(convert({"name": "lamp", "new": True}, Item), Item("lamp", 1))

    def test_what_does_not_fit_is_refused_with_its_place(self) -> None:
        cases: list[tuple[Any, Any, str]] = [
            ({"quantity": 1}, Item, "input: field name is missing"),
            (
                {"name": "a", "quantity": "x"},
                Item,
                "input.quantity: expected a whole number, not a text",
            ),
            ([{"name": 1}], list[Item], "input[0].name: expected a text, not a number"),
            (True, int, "input: expected a whole number, not true or false"),
            ("1", float, "input: expected a number, not a text"),
            (1, None, "input: expected null, not a number"),
            ("green", Colour, "input: expected one of 'red', 'blue', not a text"),
            ("c", Literal["a", "b"], "input: expected one of 'a', 'b', not a text"),
            ([1], tuple[int, int], "input: expected a list of 2, not a list"),
            ({"x": 1}, Point, "input: field y is missing"),
            ("nonsense", datetime.datetime, "input: expected a time in RFC 3339, not a text"),
            (3, uuid.UUID, "input: expected a UUID, not a number"),
            ("&", bytes, "input: expected bytes in base64, not a text"),
            ([], Item, "input: expected an object, not a list"),
            ("x", dict[str, int], "input: expected an object, not a text"),
        ]
        for value, hint, message in cases:
            with self.subTest(message), self.assertRaises(PayloadError) as caught:
                convert(value, hint)
            self.assertEqual(str(caught.exception), message)

    def test_all_common_hints_are_known(self) -> None:
        cases: list[tuple[Any, Any, Any]] = [
            (1, float, 1.0),
            (None, Optional[int], None),
            (1, Union[float, int], 1),
            ("a", int | str, "a"),
            ([1, "a"], tuple[int, str], (1, "a")),
            ([1, 2], tuple[int, ...], (1, 2)),
            ([1, 1], set[int], {1}),
            ({"1": "a"}, dict[int, str], {1: "a"}),
            ({"x": 1, "y": 2}, Point, {"x": 1, "y": 2}),
            (5, Cents, 5),
            (
                "2026-01-02T00:00:00Z",
                datetime.datetime,
                datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
            ),
            (1.5, datetime.timedelta, datetime.timedelta(seconds=1.5)),
            ("1.10", decimal.Decimal, decimal.Decimal("1.10")),
            ("/w==", bytes, b"\xff"),
            ({"a": [1]}, Any, {"a": [1]}),
            ({"a": 1}, dict, {"a": 1}),
            ([1], list, [1]),
        ]
        for value, hint, expected in cases:
            with self.subTest(hint=hint):
                self.assertEqual(convert(value, hint), expected)

    @unittest.skipIf(pydantic is None, "pydantic is not installed")
    def test_pydantic_models_validate_and_write_themselves(self) -> None:
        class Charge(pydantic.BaseModel):
            cents: int = pydantic.Field(gt=0)
            due: datetime.date

        charge = convert({"cents": 5, "due": "2026-01-02"}, Charge)
        self.assertEqual(charge.due, datetime.date(2026, 1, 2))
        self.assertEqual(encode([charge]), '[{"cents":5,"due":"2026-01-02"}]')
        with self.assertRaisesRegex(PayloadError, "cents"):
            convert({"cents": 0, "due": "2026-01-02"}, Charge)


class Texts(unittest.TestCase):
    def test_what_json_can_t_say_is_refused(self) -> None:
        loop: list[Any] = []
        loop.append(loop)
        for value in (float("nan"), object(), {1j: 2}, loop, "\ud800"):
            with self.assertRaises(PayloadError):
                encode(value)

    def test_bytes_are_kept_as_they_are(self) -> None:
        self.assertEqual(result_field(b"\xff"), '"result_base64":"/w=="')
        self.assertEqual(result_field(None), '"result":null')
        self.assertEqual(decode_input({"input_base64": "/w=="}, bytes), b"\xff")
        self.assertEqual(decode_input({"input_base64": "/w=="}, Any), b"\xff")
        with self.assertRaisesRegex(PayloadError, "parameter of type bytes"):
            decode_input({"input_base64": "/w=="}, Item)
        with self.assertRaisesRegex(PayloadError, "no base64"):
            decode_input({"input_base64": "&"}, bytes)

    def test_an_input_that_is_json_can_be_had_as_bytes(self) -> None:
        self.assertEqual(decode_input({"input": {"a": 1}}, bytes), b'{"a":1}')
