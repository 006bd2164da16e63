"""When a request is sent again."""

from __future__ import annotations

import random
from collections.abc import Callable

from .errors import Refused, Unreachable

#: Statuses that pass by themselves, whoever answers: a proxy may know nothing of our codes.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

#: Longest wait that a server's ``Retry-After`` may ask for, in seconds.
RETRY_AFTER_MAX = 60.0


def is_retryable(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, Refused):
        return error.retryable or error.status in PASSING
    return isinstance(error, Unreachable)


def retry_after(error: BaseException) -> float | None:
    """How long the server asks to wait, in seconds."""
    return error.retry_after if isinstance(error, Refused) else None


class Backoff:
    """Waits that double, with jitter, so that many workers do not come back at once."""

    def __init__(
        self,
        initial: float = 0.1,
        maximum: float = 5.0,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._initial = initial
        self._maximum = maximum
        self._random = random
        self._failures = 0

    def reset(self) -> None:
        """The last request was answered."""
        self._failures = 0

    def next(self, error: BaseException) -> float:
        """Seconds to wait after one more failure, never fewer than the server asks for."""
        # The exponent is bounded, or it would overflow after a long outage.
        wait = min(self._maximum, self._initial * 2.0 ** min(self._failures, 30))
        self._failures += 1
        jittered = wait * (0.5 + 0.5 * self._random())
        asked = retry_after(error)
        if asked is None:
            return jittered
        return min(asked, RETRY_AFTER_MAX) + jittered
