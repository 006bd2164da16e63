"""What went wrong, in the shape that the runtime records and shows.

A workflow that ends by one of these exceptions fails, or ends as cancelled. Any other exception is
taken for a bug: it blocks the run, which goes on once the code is fixed. An activity fails by every
exception; the name of its class is the type then.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import place
from .errors import PayloadError
from .payload import decode, encode
from .times import Seconds, nanos, seconds

#: Causes that the server keeps of a failure.
CAUSES_MAX = 16
#: Characters of a message; the server cuts longer ones as well.
MESSAGE_MAX = 16 * 1024


class FailureKind(enum.Enum):
    """What went wrong, in the broadest terms."""

    APPLICATION = 0
    CANCELLED = 1
    TIMEOUT = 2
    TERMINATED = 3
    ACTIVITY = 4
    CHILD = 5
    NONDETERMINISM = 6


@dataclass(frozen=True)
class FailureInfo:
    """One link of a failure's chain, as the runtime knows it."""

    kind: FailureKind
    type: str
    message: str
    non_retryable: bool = False
    #: In nanoseconds.
    next_retry_delay: int | None = None
    details: bytes | None = None


class Failure(Exception):
    """A failure of a workflow or an activity; ``__cause__`` is what led to it."""

    kind = FailureKind.APPLICATION

    def __init__(
        self,
        message: str = "",
        *,
        type: str | None = None,
        details: Any = None,
        non_retryable: bool = False,
        next_retry_delay: Seconds | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        #: A stable name for programs, such as ``CardDeclined``. Retry policies match it exactly.
        self.type: str = type or self.__class__.__name__
        #: True if trying again can't help; no retry policy overrides it.
        self.non_retryable = non_retryable
        delay = None if next_retry_delay is None else nanos(next_retry_delay)
        self.info = FailureInfo(
            self.kind,
            self.type,
            message[:MESSAGE_MAX],
            non_retryable,
            delay,
            None if details is None else _details(details),
        )

    @property
    def next_retry_delay(self) -> float | None:
        """Seconds to wait before the next attempt, instead of what the policy says."""
        return seconds(self.info.next_retry_delay)

    def details(self, hint: Any = Any) -> Any:
        """Data for the program that handles the failure, or None."""
        found = self.info.details
        return None if found is None else decode(found, hint, "details")

    def chain(self) -> Iterator[Failure]:
        """The failure itself, then its causes, the nearest first."""
        current: BaseException | None = self
        while isinstance(current, Failure):
            yield current
            current = current.__cause__

    def is_type(self, name: str) -> bool:
        """Whether the failure or one of its causes has this type.

        What an activity raised arrives in the workflow as the cause of an ``ActivityError``, so
        this is the way to ask for it.
        """
        return any(failure.type == name for failure in self.chain())

    @property
    def is_cancelled(self) -> bool:
        """Whether this is the consequence of a cancellation."""
        return self.cancellation is not None

    @property
    def cancellation(self) -> Failure | None:
        """The link of the chain that says that the work was cancelled, if it was."""
        for failure in self.chain():
            if failure.kind not in (FailureKind.ACTIVITY, FailureKind.CHILD):
                return failure if failure.kind is FailureKind.CANCELLED else None
        return None

    def __str__(self) -> str:
        return "; caused by ".join(f"{it.type}: {it.message}" for it in self.chain())


class ApplicationError(Failure):
    """Fails a workflow, or an attempt of an activity, with a type of its own."""


class CancelledFailure(Failure):
    """Says that the work was cancelled. A workflow that raises it ends as cancelled."""

    kind = FailureKind.CANCELLED

    def __init__(self, message: str = "", *, type: str = "Cancelled", details: Any = None) -> None:
        super().__init__(message, type=type, details=details)


class TimeoutFailure(Failure):
    """A timeout of the runtime elapsed; ``type`` says which."""

    kind = FailureKind.TIMEOUT


class TerminatedFailure(Failure):
    """A run was terminated from outside."""

    kind = FailureKind.TERMINATED


class ActivityError(Failure):
    """An activity closed without a result; its cause says why."""

    kind = FailureKind.ACTIVITY


class ChildError(Failure):
    """A child closed without a result; its cause says why."""

    kind = FailureKind.CHILD


class NondeterminismFailure(Failure):
    """The code does not fit the recorded history."""

    kind = FailureKind.NONDETERMINISM


_CLASSES: dict[FailureKind, type[Failure]] = {
    FailureKind.APPLICATION: ApplicationError,
    FailureKind.CANCELLED: CancelledFailure,
    FailureKind.TIMEOUT: TimeoutFailure,
    FailureKind.TERMINATED: TerminatedFailure,
    FailureKind.ACTIVITY: ActivityError,
    FailureKind.CHILD: ChildError,
    FailureKind.NONDETERMINISM: NondeterminismFailure,
}


def failure_from(chain: list[FailureInfo]) -> Failure:
    """The exception that the runtime's words stand for."""
    cause: Failure | None = None
    for info in reversed(chain):
        failure = _CLASSES[info.kind].__new__(_CLASSES[info.kind])
        Exception.__init__(failure, info.message)
        failure.message = info.message
        failure.type = info.type
        failure.non_retryable = info.non_retryable
        failure.info = info
        failure.__cause__ = cause
        cause = failure
    assert cause is not None
    return cause


def chain_of(error: BaseException) -> list[FailureInfo]:
    """The runtime's words for an exception, with what caused it, the nearest first."""
    return [_info(error), *map(_info, _causes(error))]


def refused(code: str, what: str, problem: PayloadError) -> Failure:
    """A value that is not what the code on one of its ends says: trying again can't help."""
    return ApplicationError(f"{what}: {problem}", type=code, non_retryable=True)


def _causes(error: BaseException) -> list[BaseException]:
    """As a traceback would show them, and no more than are kept.

    Of a failure only what it was raised *from* counts: it may be raised while another is handled
    that has nothing to do with it.
    """
    chain: list[BaseException] = []
    seen = {id(error)}
    current: BaseException | None = error
    while current is not None and len(chain) < CAUSES_MAX:
        following = current.__cause__
        if following is None and not isinstance(current, Failure):
            following = None if current.__suppress_context__ else current.__context__
        current = following
        if current is None or id(current) in seen:
            break
        seen.add(id(current))
        chain.append(current)
    return chain


def _info(error: BaseException) -> FailureInfo:
    if isinstance(error, Failure):
        return error.info
    if isinstance(error, asyncio.CancelledError):
        return FailureInfo(FailureKind.CANCELLED, "Cancelled", _text(error))
    message = _text(error)
    where = place.of_traceback(error.__traceback__)
    if where:
        message = f"{message} ({where})"
    return FailureInfo(FailureKind.APPLICATION, type(error).__name__, message)


def _text(error: BaseException) -> str:
    try:
        return str(error)[:MESSAGE_MAX]
    except Exception as problem:
        return f"an exception whose text can't be had: {type(problem).__name__}"


def _details(details: Any) -> bytes:
    try:
        return encode(details)
    except PayloadError as problem:
        # The failure itself matters more than what it has to say besides.
        return encode(f"the details {problem}")
