"""Workflows, and starting them as children."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, TypeVar, overload

from . import registry
from .child import ChildCall, ChildOptions
from .place import here
from .signature import Signature, signature_of

P = ParamSpec("P")
T = TypeVar("T")


class Workflow(Generic[P, T]):
    """A function that is a workflow. Calling it in a workflow makes a :class:`ChildCall`."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function = function
        self.name = name
        self.signature: Signature = signature_of(function, f"workflow `{name}`")
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> ChildCall[T]:
        input = self.signature.encode_input(args, kwargs)
        return ChildCall(self.name, input, self.signature.decode_result, ChildOptions(), here())

    async def run(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs it as a part of the workflow that calls it, and not as a child."""
        result = self.function(*args, **kwargs)
        if inspect.isawaitable(result):
            result = await result
        return result  # type: ignore[no-any-return]

    async def execute(self, input: bytes) -> bytes:
        """From the encoded input to the encoded result."""
        result = self.function(*self.signature.decode_input(input))
        if inspect.isawaitable(result):
            result = await result
        return self.signature.encode_result(result)


@overload
def workflow(function: Callable[P, Coroutine[Any, Any, T]], /) -> Workflow[P, T]: ...
@overload
def workflow(function: Callable[P, T], /) -> Workflow[P, T]: ...
@overload
def workflow(*, name: str) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Workflow[P, T]]: ...
def workflow(function: Callable[..., Any] | None = None, /, *, name: str | None = None) -> Any:
    """Makes an ``async`` function a workflow of the module. It takes one input or none.

    Within it, asyncio is durable: ``asyncio.sleep`` may take a year, and goes on after a crash.
    Its clocks and its random numbers are the same on a replay. It ends as failed by a
    :class:`~dacapo.Failure`; any other exception is a bug, and blocks the run until it is fixed.
    """

    def define(function: Callable[..., Any]) -> Workflow[Any, Any]:
        defined = Workflow[Any, Any](function, name or function.__name__)
        registry.add("workflow", registry.workflows, defined.name, defined)
        return defined

    return define if function is None else define(function)
