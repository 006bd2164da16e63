"""Which functions do which activities."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Activity types that a poll may name.
TYPES_MAX = 1000


@dataclass(frozen=True)
class Activity:
    """A function, and what is known of it."""

    name: str
    function: Callable[..., Any]
    is_async: bool
    takes_input: bool
    input_hint: Any


def activity_of(function: Callable[..., Any], name: str | None = None) -> Activity:
    """Raises ``TypeError`` if it can't be an activity."""
    if not callable(function):
        raise TypeError(f"an activity is a function, not {type(function).__name__}")
    name = name or getattr(function, "__name__", None)
    if not name:
        raise TypeError("this function has no name: say what its activity type is")
    parameters = _parameters(function, name)
    takes_input = bool(parameters)
    return Activity(
        name=name,
        function=function,
        is_async=_is_async(function),
        takes_input=takes_input,
        input_hint=_hint(function, parameters[0], name) if takes_input else Any,
    )


class Registry:
    """Functions by activity type."""

    def __init__(self) -> None:
        self._activities: dict[str, Activity] = {}

    def add(self, activity: Activity) -> None:
        if activity.name in self._activities:
            raise ValueError(f"activity {activity.name!r} is registered already")
        if len(self._activities) == TYPES_MAX:
            raise ValueError(f"a worker has at most {TYPES_MAX} activity types")
        self._activities[activity.name] = activity

    def get(self, name: str) -> Activity | None:
        return self._activities.get(name)

    @property
    def names(self) -> list[str]:
        return sorted(self._activities)


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    """Those that a call with one value at most has to fill or can fill."""
    fitting: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        positional = parameter.kind in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        )
        needed = parameter.default is inspect.Parameter.empty
        if positional and not fitting:
            fitting.append(parameter)
        elif needed and parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ):
            raise TypeError(
                f"activity {name!r} takes one input or none: put what it needs into a dataclass"
            )
    return fitting


def _hint(function: Callable[..., Any], parameter: inspect.Parameter, name: str) -> Any:
    unwrapped = function
    while isinstance(unwrapped, functools.partial):
        unwrapped = unwrapped.func
    if not inspect.isroutine(unwrapped):
        unwrapped = type(unwrapped).__call__
    try:
        hints = typing.get_type_hints(unwrapped, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"the type hints of activity {name!r} name something that is not there: {error}"
        ) from error
    return hints.get(parameter.name, Any)


def _is_async(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.iscoroutinefunction(function):
        return True
    # An object that can be called.
    return not inspect.isroutine(function) and inspect.iscoroutinefunction(type(function).__call__)
