"""JSON values to what a type hint says."""

from __future__ import annotations

import base64
import binascii
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import inspect
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any, Literal, Union

from .errors import PayloadError

#: Where a value stands, for messages: ``input.items[3]``.
ROOT = "input"


def convert(value: Any, hint: Any, place: str = ROOT) -> Any:
    """The value as ``hint`` says, or ``PayloadError`` with the place where it does not fit."""
    if hint is Any or hint is inspect.Parameter.empty or hint is object:
        return value
    if isinstance(hint, typing.TypeVar):
        return value
    if hasattr(hint, "__supertype__"):
        return convert(value, hint.__supertype__, place)
    if hasattr(hint, "__value__"):
        # An alias made with `type`, from Python 3.12 on.
        return convert(value, hint.__value__, place)
    origin = typing.get_origin(hint)
    if origin is not None:
        return _generic(value, hint, origin, typing.get_args(hint), place)
    if hint is None or hint is type(None):
        return _expect(value is None, value, place, "null")
    if not isinstance(hint, type):
        raise PayloadError(f"{place}: nothing is known of the type hint {hint!r}")
    return _plain(value, hint, place)


def _generic(value: Any, hint: Any, origin: Any, args: tuple[Any, ...], place: str) -> Any:
    if origin is typing.Annotated:
        return convert(value, args[0], place)
    if origin is Union or origin is types.UnionType:
        return _union(value, args, place)
    if origin is Literal:
        fits = any(value == one and type(value) is type(one) for one in args)
        return _expect(fits, value, place, "one of " + ", ".join(map(repr, args)))
    if _is_model(origin):
        return _pydantic(value, hint, place)
    if dataclasses.is_dataclass(origin):
        return _dataclass(value, origin, place)
    if origin is tuple:
        return _tuple(value, args, place)
    item = args[0] if args else Any
    if origin in (list, collections.abc.Sequence, collections.abc.Iterable):
        return _items(value, item, place)
    if origin is set:
        return set(_items(value, item, place))
    if origin in (frozenset, collections.abc.Set):
        return frozenset(_items(value, item, place))
    if origin in (dict, collections.abc.Mapping, collections.abc.MutableMapping):
        _expect(isinstance(value, dict), value, place, "an object")
        of_key, of_value = args or (Any, Any)
        return {
            _key(key, of_key, place): convert(one, of_value, f"{place}.{key}")
            for key, one in value.items()
        }
    raise PayloadError(f"{place}: nothing is known of the type hint {hint!r}")


def _plain(value: Any, hint: type, place: str) -> Any:
    if _is_model(hint):
        return _pydantic(value, hint, place)
    if dataclasses.is_dataclass(hint):
        return _dataclass(value, hint, place)
    if typing.is_typeddict(hint):
        return _typed_dict(value, hint, place)
    if issubclass(hint, enum.Enum):
        return _made(hint, value, place, "one of " + ", ".join(repr(one.value) for one in hint))
    if hint is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float(_expect(fits, value, place, "a number"))
    if hint is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
        return _expect(fits, value, place, "a whole number")
    if hint in _FROM_JSON:
        what, make = _FROM_JSON[hint]
        return _made(make, value, place, what)
    if hint in (tuple, set, frozenset):
        return hint(_expect(isinstance(value, list), value, place, "a list"))
    name = _NAMES.get(hint, hint.__name__)
    return _expect(isinstance(value, hint), value, place, name)


def _union(value: Any, options: tuple[Any, ...], place: str) -> Any:
    # First what it is already: 1 stays an int for `float | int`.
    if any(option is type(value) for option in options):
        return value
    problems = []
    for option in options:
        try:
            return convert(value, option, place)
        except PayloadError as error:
            problems.append(str(error))
    raise PayloadError("; or ".join(problems))


def _is_model(hint: Any) -> bool:
    """Whether it is a model of pydantic, of its second version or its first."""
    return hasattr(hint, "model_validate") or hasattr(hint, "parse_obj")


def _pydantic(value: Any, hint: Any, place: str) -> Any:
    validate = getattr(hint, "model_validate", None) or hint.parse_obj
    try:
        return validate(value)
    except ValueError as error:
        raise PayloadError(f"{place}: {error}") from error


def _dataclass(value: Any, hint: Any, place: str) -> Any:
    """Fields that it does not know are left out: whoever sends them may be newer."""
    _expect(isinstance(value, dict), value, place, "an object")
    hints = typing.get_type_hints(hint, include_extras=True)
    known = {}
    for field in dataclasses.fields(hint):
        if not field.init:
            continue
        if field.name in value:
            one = value[field.name]
            known[field.name] = convert(one, hints[field.name], f"{place}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise PayloadError(f"{place}: field {field.name} is missing")
    try:
        return hint(**known)
    except (TypeError, ValueError) as error:
        raise PayloadError(f"{place}: {error}") from error


def _typed_dict(value: Any, hint: Any, place: str) -> Any:
    _expect(isinstance(value, dict), value, place, "an object")
    missing = sorted(hint.__required_keys__ - value.keys())
    if missing:
        raise PayloadError(f"{place}: field {missing[0]} is missing")
    hints = typing.get_type_hints(hint)
    return {key: convert(one, hints.get(key, Any), f"{place}.{key}") for key, one in value.items()}


def _tuple(value: Any, args: tuple[Any, ...], place: str) -> Any:
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_items(value, args[0], place))
    fits = isinstance(value, list) and len(value) == len(args)
    _expect(fits, value, place, f"a list of {len(args)}")
    return tuple(
        convert(one, hint, f"{place}[{index}]")
        for index, (one, hint) in enumerate(zip(value, args, strict=True))
    )


def _items(value: Any, hint: Any, place: str) -> list[Any]:
    _expect(isinstance(value, list), value, place, "a list")
    return [convert(one, hint, f"{place}[{index}]") for index, one in enumerate(value)]


def _key(key: str, hint: Any, place: str) -> Any:
    """Keys are texts in JSON."""
    return _made(int, key, place, "a whole number") if hint is int else convert(key, hint, place)


def _made(make: Callable[[Any], Any], value: Any, place: str, what: str) -> Any:
    try:
        return make(value)
    except (TypeError, ValueError, ArithmeticError, AttributeError):
        return _expect(False, value, place, what)


def _expect(fits: bool, value: Any, place: str, what: str) -> Any:
    if not fits:
        raise PayloadError(f"{place}: expected {what}, not {_NAMES.get(type(value), 'this')}")
    return value


def _datetime(text: str) -> datetime.datetime:
    # Python 3.10 does not know the Z.
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


_NAMES: dict[Any, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}

_FROM_JSON: dict[Any, tuple[str, Callable[[Any], Any]]] = {
    datetime.datetime: ("a time in RFC 3339", _datetime),
    datetime.date: ("a date", datetime.date.fromisoformat),
    datetime.time: ("a time of day", datetime.time.fromisoformat),
    datetime.timedelta: (
        "a number of seconds",
        lambda seconds: datetime.timedelta(seconds=seconds),
    ),
    uuid.UUID: ("a UUID", uuid.UUID),
    decimal.Decimal: ("a decimal number", lambda value: decimal.Decimal(str(value))),
    bytes: ("bytes in base64", _bytes),
}
