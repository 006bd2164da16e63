"""What a function takes and returns, checked when it is defined."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Union

from .convert import _FROM_JSON, _is_model
from .payload import decode, encode
from .run import reading

_CONTAINERS = (
    list, tuple, set, frozenset, dict,
    collections.abc.Sequence, collections.abc.Iterable, collections.abc.Set,
    collections.abc.Mapping, collections.abc.MutableMapping,
)  # fmt: skip
_PLAIN = {int, float, str, bool, object, type(None), *_FROM_JSON}


@dataclass(frozen=True)
class Signature:
    """One input or none, and a result."""

    #: Such as ``activity `charge` ``.
    what: str
    parameter: str | None
    #: It can be called without its input.
    has_default: bool
    input_hint: Any
    result_hint: Any

    def encode_input(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """What is sent for a call with these arguments."""
        if len(args) == 1 and not kwargs and self.parameter is not None:
            return self._encode(args[0])
        if not args and self.parameter is not None and set(kwargs) == {self.parameter}:
            return self._encode(kwargs[self.parameter])
        if args or kwargs or not (self.parameter is None or self.has_default):
            takes = "no input" if self.parameter is None else f"one input, `{self.parameter}`"
            raise TypeError(f"{self.what} takes {takes}")
        return b""

    def _encode(self, value: Any) -> bytes:
        with reading("InvalidInput", f"the input of {self.what}"):
            return encode(value)

    def decode_input(self, input: bytes) -> list[Any]:
        """The arguments for what was sent."""
        if self.parameter is None or (self.has_default and not input):
            return []
        with reading("InvalidInput", f"the input of {self.what}"):
            return [decode(input, self.input_hint, self.parameter)]

    def encode_result(self, value: Any) -> bytes:
        with reading("InvalidResult", f"the result of {self.what}"):
            return encode(value)

    def decode_result(self, result: bytes) -> Any:
        with reading("InvalidResult", f"the result of {self.what}"):
            return decode(result, self.result_hint, "result")


def signature_of(function: Callable[..., Any], what: str) -> Signature:
    """Raises ``TypeError`` if callers could not be given what it asks for."""
    fitting: inspect.Parameter | None = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if fitting is None and parameter.kind is not parameter.KEYWORD_ONLY:
            fitting = parameter
        elif parameter.default is parameter.empty:
            raise TypeError(f"{what} takes one input or none: put what it needs into a dataclass")
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"the type hints of {what} name something that is not there: {error}; "
            "types of a signature are defined in the module, not in a function"
        ) from error
    for name, hint in hints.items():
        check_hint(hint, f"{what}, `{name}`")
    return Signature(
        what=what,
        parameter=fitting.name if fitting else None,
        has_default=fitting is not None and fitting.default is not fitting.empty,
        input_hint=hints.get(fitting.name, Any) if fitting else Any,
        result_hint=hints.get("return", Any),
    )


def check_hint(hint: Any, where: str, seen: tuple[Any, ...] = ()) -> None:
    """Raises ``TypeError`` for a type that no JSON becomes."""
    if hint is Any or hint in seen or isinstance(hint, (typing.TypeVar, str)):
        return
    seen = (*seen, hint)
    if hasattr(hint, "__supertype__") or hasattr(hint, "__value__"):
        inner = getattr(hint, "__supertype__", None) or hint.__value__
        return check_hint(inner, where, seen)
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return check_hint(typing.get_args(hint)[0], where, seen)
    if origin is Literal:
        return None
    if origin in (Union, types.UnionType) or origin in _CONTAINERS:
        for inner in typing.get_args(hint):
            if inner is not Ellipsis:
                check_hint(inner, where, seen)
        return None
    known = origin or hint
    if dataclasses.is_dataclass(known):
        for inner in typing.get_args(hint):
            check_hint(inner, where, seen)
        for name, inner in typing.get_type_hints(known, include_extras=True).items():
            check_hint(inner, f"{where}.{name}", seen)
        return None
    if (
        hint is None
        or _is_model(known)
        or typing.is_typeddict(hint)
        or hint in _CONTAINERS
        or hint in _PLAIN
        or (isinstance(hint, type) and issubclass(hint, enum.Enum))
    ):
        return None
    raise TypeError(
        f"{where}: JSON can't be made a {getattr(hint, '__name__', hint)}: use a dataclass, a "
        "pydantic model, a TypedDict, an enum, or what JSON has"
    )
