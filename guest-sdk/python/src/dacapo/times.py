"""Lengths of time and points in time, as the runtime counts them: nanoseconds."""

from __future__ import annotations

import datetime

#: Seconds, or a timedelta.
Seconds = float | datetime.timedelta

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def nanos(length: Seconds) -> int:
    """In whole microseconds, as timers are kept: 3.0000000001 s from a sum of floats are 3 s."""
    if isinstance(length, datetime.timedelta):
        micros = length // _MICROSECOND
    else:
        if not length < float("inf"):
            raise ValueError(f"a length of time is a number of seconds, not {length}")
        micros = round(length * 1_000_000)
    return max(0, micros) * 1_000


def nanos_or_none(length: Seconds | None) -> int | None:
    return None if length is None else nanos(length)


def seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9


def instant(nanoseconds: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=nanoseconds // 1_000)


def nanos_since_1970(time: datetime.datetime) -> int:
    if time.tzinfo is None:
        raise ValueError("a point in time needs a time zone: datetime(..., tzinfo=timezone.utc)")
    return (time - _EPOCH) // _MICROSECOND * 1_000
