"""When a task's lease has to be prolonged, and when it is over: the rules, without a clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: A lease is prolonged so many times before it would end: two answers may be lost.
BEATS_PER_LEASE = 3


class Lease:
    """Times are seconds of a clock that never goes back.

    The end that the server names is a time of its clock. Counted here is from when the task was
    received, or from when the request was sent that prolonged it: never too late by more than the
    way of one answer.
    """

    def __init__(self, task: Mapping[str, Any], now: float, throttle: float) -> None:
        self.seconds = _seconds(task, "lease_seconds") or 30.0
        # How long the worker may be silent.
        self._silence = min(self.seconds, _seconds(task, "heartbeat_timeout_seconds") or 3600.0)
        self.interval = self._silence / BEATS_PER_LEASE
        self._throttle = min(throttle, self.interval)
        close = _seconds(task, "start_to_close_timeout_seconds")
        self._last_end = now + close if close is not None else float("inf")
        self._sent_at = now
        self._details: str | None = None
        self._details_sent_at = float("-inf")
        self.ends_at = min(now + self._silence, self._last_end)

    def note(self, details: str) -> None:
        """What the next attempt is to be told, as JSON. Takes the place of what was not sent."""
        self._details = details

    @property
    def has_details(self) -> bool:
        return self._details is not None

    @property
    def due_at(self) -> float:
        """When the next heartbeat has to be sent."""
        regular = self._sent_at + self.interval
        if self._details is None:
            return regular
        return min(regular, self._details_sent_at + self._throttle)

    def worth_joining(self, now: float) -> bool:
        """Whether it may go along with others that are due: half of its time is over."""
        return now >= self.due_at or now >= self._sent_at + self.interval / 2

    def take(self, now: float) -> str | None:
        """A heartbeat is sent now: with these details."""
        self._sent_at = now
        details, self._details = self._details, None
        if details is not None:
            self._details_sent_at = now
        return details

    def missed(self, details: str | None) -> None:
        """It was not answered, and is due at once. What was said since then counts more."""
        self._sent_at = self._details_sent_at = float("-inf")
        if self._details is None:
            self._details = details

    def prolonged(self, sent_at: float) -> None:
        """The server has prolonged it, at some time after this."""
        self.ends_at = min(max(self.ends_at, sent_at + self._silence), self._last_end)


def _seconds(task: Mapping[str, Any], name: str) -> float | None:
    value = task.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return float(value)
    return None
