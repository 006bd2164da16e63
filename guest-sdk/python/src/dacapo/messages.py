"""Answering queries, and doing what updates ask for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, overload

from .payload import encode
from .place import here
from .run import current, reading
from .signature import Signature, signature_of

F = TypeVar("F", bound=Callable[..., Any])


class _Query:
    def __init__(self, name: str, handler: Callable[..., Any]) -> None:
        if inspect.iscoroutinefunction(handler):
            raise TypeError(f"the handler of query `{name}` can't wait: it is a plain function")
        self._handler = handler
        self._signature: Signature = signature_of(handler, f"query `{name}`")

    def answer(self, input: bytes) -> bytes:
        value = self._handler(*self._signature.decode_input(input))
        return self._signature.encode_result(value)


@overload
def query(name: F, /) -> F: ...
@overload
def query(name: str, handler: Callable[..., Any], /) -> None: ...
@overload
def query(name: str, /) -> Callable[[F], F]: ...
def query(name: Any, handler: Any = None, /) -> Any:
    """Answers queries of this name, until the name is used again. In the workflow::

        @query
        def count() -> int:
            return len(items)

        query("item", lambda number: items[number])

    The handler looks at what the workflow knows, and changes nothing: a query is in no history.
    """
    if callable(name):
        query(name.__name__, name)
        return name
    if handler is None:

        def decorate(function: F) -> F:
            query(name, function)
            return function

        return decorate
    current("a query").queries[name] = _Query(name, handler)
    return None


def publish(name: str, value: Any) -> None:
    """Shows a value to those who query this name: also while the run does not wait and after its
    end, without asking its code. At most 100 names in a run."""
    with reading("InvalidResult", f"the published value `{name}`"):
        encoded = encode(value)
    current("a published value").host.publish(name, encoded)


class Update:
    """What is done about updates of one name, made by :func:`update`."""

    def __init__(self, name: str, handler: Callable[..., Any]) -> None:
        self._handler = handler
        self._validator: Callable[..., Any] | None = None
        self._signature: Signature = signature_of(handler, f"update `{name}`")

    def validator(self, function: F) -> F:
        """Decides whether an update is accepted: one for which it raises is rejected, and leaves
        no trace. It changes nothing, and can't wait."""
        if inspect.iscoroutinefunction(function):
            raise TypeError("a validator can't wait: it is a plain function")
        self._validator = function
        return function

    def check(self, input: bytes) -> list[Any]:
        """The arguments of the handler; raises if the update is not to be accepted."""
        arguments = self._signature.decode_input(input)
        if self._validator is not None:
            self._validator(*arguments)
        return arguments

    async def run(self, *arguments: Any) -> bytes:
        result = self._handler(*arguments)
        if inspect.isawaitable(result):
            result = await result
        return self._signature.encode_result(result)


@overload
def update(name: Callable[..., Any], /) -> Update: ...
@overload
def update(name: str, handler: Callable[..., Any], /) -> Update: ...
@overload
def update(name: str, /) -> Callable[[Callable[..., Any]], Update]: ...
def update(name: Any, handler: Any = None, /) -> Any:
    """Handles updates of this name: requests whose callers wait for the answer::

        @update
        async def add(item: str) -> int:
            await reserve(item)
            items.append(item)
            return len(items)

        @add.validator
        def has_a_name(item: str) -> None:
            if not item:
                raise ApplicationError("an item has a name", type="NoItem")

    Each runs in a task of its own. One that has not ended when the workflow returns is cancelled,
    and its caller told that the run has closed: see :func:`updates_finished`.
    """
    if callable(name):
        return update(name.__name__, name)
    if handler is None:
        return lambda function: update(name, function)
    handled = Update(name, handler)
    current("an update").updates[name] = handled
    return handled


async def updates_finished() -> None:
    """Waits until all updates that were accepted have been answered."""
    run = current("waiting for updates")
    await run.wait_for(lambda: run.open_updates == 0, "updates", here())
