"""What history has of values and versions, and waiting for the workflow's own state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from .payload import decode, encode
from .place import here
from .run import Operation, current, reading
from .times import Seconds, nanos

T = TypeVar("T")


def version(change_id: str, least: int, most: int) -> int:
    """The version of a change that the code is to follow from here on; 0 is before the change.

    Runs that come here for the first time follow ``most``; those that were here before the change
    go on as they began.
    """
    return current("a version").host.version(change_id, least, most)


def patched(change_id: str) -> bool:
    """Whether the code is to follow a change: ``version(change_id, 0, 1) == 1``."""
    return version(change_id, 0, 1) == 1


def side_effect(name: str, compute: Callable[[], T], *, returns: Any = Any) -> T:
    """Computes a value once and records it: a replay takes it from history.

    Clocks and random numbers need no such help in a workflow. This is for a value that must stay
    what it was when the code that computes it is changed, and for one that costs much.
    """
    recorded = current("a side effect").host.recorded_value(name)
    return cast(T, _value(name, compute, recorded, returns))


def mutable_side_effect(name: str, compute: Callable[[], T], *, returns: Any = Any) -> T:
    """The same for a value that is asked for again and again: recorded only when it changes."""
    latest = current("a side effect").host.latest_value(name)
    return cast(T, _value(name, compute, latest, returns))


def _value(name: str, compute: Callable[[], Any], recorded: bytes | None, hint: Any) -> Any:
    with reading("InvalidValue", f"value `{name}`"):
        if recorded is None:
            recorded = encode(compute())
            current().host.record_value(name, recorded)
        # What replay will get, also the first time.
        return decode(recorded, hint, name)


def wait_until(holds: Callable[[], bool]) -> Coroutine[Any, Any, None]:
    """Waits until ``holds`` is true: ``await wait_until(lambda: votes >= 3)``.

    It is asked now, and again whenever the run has taken in what happened and nothing else can go
    on. It changes nothing. ``asyncio.timeout`` gives it a limit.
    """
    return current("a condition").wait_for(holds, "condition", here())


def sleep(length: Seconds) -> asyncio.Future[None]:
    """Starts a timer, which ``await`` waits for: as ``asyncio.sleep``, and cheaper."""
    run = current("a durable timer")
    run.require_open()
    return Operation(run, run.host.start_timer(nanos(length)), None, here())
