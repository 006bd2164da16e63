"""What an attempt of an activity says while it runs, and hears."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from .failure import ApplicationError
from .info import ActivityInfo
from .payload import decode, encode
from .run import reading
from .times import Seconds, nanos


@dataclass(frozen=True)
class AttemptSignals:
    """What an attempt is to know while it runs."""

    #: The workflow asked the activity to cancel, or gave it up.
    cancel_requested: bool
    #: An operator holds the activity: no further attempt begins.
    paused: bool


class AttemptHost(Protocol):
    """The runtime as an activity sees it."""

    def info(self) -> ActivityInfo: ...
    def heartbeat(self, details: bytes | None) -> AttemptSignals: ...
    def heartbeat_details(self) -> bytes | None: ...
    def signals(self) -> AttemptSignals: ...
    def wait_cancel_requested(self, timeout: int) -> bool: ...
    def complete_later(self) -> str: ...


_host: AttemptHost | None = None


def begin(host: AttemptHost | None) -> None:
    """Makes ``host`` answer the activity that this instance runs."""
    global _host
    _host = host


def _attempt() -> AttemptHost:
    if _host is None:
        raise RuntimeError("there is no activity here: only activities have an attempt")
    return _host


def activity_info() -> ActivityInfo:
    """Describes this attempt."""
    return _attempt().info()


def heartbeat(*details: Any) -> None:
    """Says that this attempt is alive and how far it has come: the next one is told if this one
    fails. Cheap, however often it is called; at most 64 KiB.

    Raises ``asyncio.CancelledError`` once the activity is asked to cancel, and a failure of the
    type ``ActivityPaused``, which does not count as an attempt, while it is paused.
    """
    if len(details) > 1:
        raise TypeError("a heartbeat has one value of details, or none")
    with reading("InvalidDetails", "what the heartbeat says"):
        encoded = encode(details[0]) if details else None
    signals = _attempt().heartbeat(encoded)
    if signals.cancel_requested:
        raise asyncio.CancelledError("the activity was asked to cancel")
    if signals.paused:
        message = "the activity is paused; this attempt makes way"
        raise ApplicationError(message, type="ActivityPaused")


def heartbeat_details(hint: Any = Any) -> Any:
    """What the last heartbeat of an attempt before this one said, or None."""
    details = _attempt().heartbeat_details()
    if details is None:
        return None
    with reading("InvalidDetails", "what the last heartbeat said"):
        return decode(details, hint, "details")


def attempt_signals() -> AttemptSignals:
    """What this attempt is to know now."""
    return _attempt().signals()


def wait_cancel_requested(timeout: Seconds) -> bool:
    """Waits until the activity is asked to cancel, and returns true; or for so long, and returns
    false. ``time.sleep`` is not disturbed by a request."""
    return _attempt().wait_cancel_requested(nanos(timeout))


def complete_later() -> str:
    """Leaves this attempt for somebody else to complete, and returns the token by which they do.
    What the activity returns is then ignored, unless it fails. The timeouts still hold."""
    return _attempt().complete_later()
