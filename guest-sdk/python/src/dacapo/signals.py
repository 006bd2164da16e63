"""Signals: messages to a run, by name, kept until somebody takes them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from .errors import PayloadError
from .failure import ApplicationError
from .payload import decode
from .place import Place, here
from .run import current
from .signature import check_hint

T = TypeVar("T")

_log = logging.getLogger("dacapo")


class InvalidSignal(ApplicationError):
    """A signal that says something else than was expected."""

    def __init__(self, name: str, bytes: bytes, problem: str) -> None:
        super().__init__(f"signal `{name}`: {problem}", type="InvalidSignal", non_retryable=True)
        self.name = name
        self.bytes = bytes


@dataclass(frozen=True)
class RawSignal(Generic[T]):
    """A signal as it was sent."""

    name: str
    bytes: bytes
    hint: Any

    def decode(self) -> T:
        """What it says; raises :class:`InvalidSignal` if that is something else."""
        try:
            value: T = decode(self.bytes, self.hint, "signal")
        except PayloadError as problem:
            raise InvalidSignal(self.name, self.bytes, str(problem)) from None
        return value


class Signals(Generic[T]):
    """Signals of one name, in the order in which they were sent, made by :func:`signals`.

    All who ask for the same name share its signals: each is taken once. ``async for`` takes one
    after the other.
    """

    def __init__(self, name: str, hint: Any) -> None:
        check_hint(hint, f"signal `{name}`")
        self.name = name
        self._hint = hint

    def recv(self) -> Coroutine[Any, Any, T]:
        """Takes the next signal. One that says something else is set aside, with a line in the
        log of the run; ``dacapo run show`` shows it."""
        return self._recv(here())

    def recv_raw(self) -> Coroutine[Any, Any, RawSignal[T]]:
        """Takes the next signal, whatever it says."""
        return self._recv_raw(here())

    async def _recv(self, place: Place) -> T:
        while True:
            raw = await self._recv_raw(place)
            try:
                return raw.decode()
            except InvalidSignal as invalid:
                _log.warning("a signal was set aside: %s", invalid.message)
                inbox = current().inboxes[self.name]
                inbox.set_aside += 1
                inbox.problem = invalid.message

    async def _recv_raw(self, place: Place) -> RawSignal[T]:
        taken = await current("a signal").take(self.name, place)
        return RawSignal(self.name, taken, self._hint)

    async def __aiter__(self) -> AsyncIterator[T]:
        while True:
            yield await self._recv(here())


@overload
def signals(name: str, hint: type[T]) -> Signals[T]: ...
@overload
def signals(name: str, hint: Any = Any) -> Signals[Any]: ...
def signals(name: str, hint: Any = Any) -> Signals[Any]:
    """The signals of this name: ``await signals("approved", Approval).recv()``.

    What came before anybody asked is kept, also across ``continue_as_new``.
    """
    return Signals(name, hint)
