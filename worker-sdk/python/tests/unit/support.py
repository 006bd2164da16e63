"""Parts for tests of the loops: answers that are written down, and a clock that is set."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from dacapo_worker.attempt import Attempt
from dacapo_worker.lease import Lease
from dacapo_worker.testing import activity_info_for_tests

LOGGER = logging.getLogger("dacapo_worker.tests")
LOGGER.addHandler(logging.NullHandler())
LOGGER.propagate = False


class Clock:
    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Answers:
    """Stands for the requests of one kind: keeps them, and answers each with the next."""

    def __init__(self, *answers: Any) -> None:
        self.left = list(answers)
        self.asked: list[list[dict[str, Any]]] = []

    async def __call__(self, entries: list[str], timeout: float = 0) -> list[dict[str, Any]]:
        self.asked.append([json.loads(entry) for entry in entries])
        answer = self.left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, dict):
            return [answer for _ in entries]
        return answer


class ApiOf:
    """An ``Api`` whose routes are these."""

    def __init__(self, **routes: Callable[..., Any]) -> None:
        self.__dict__.update(routes)


def attempt(token: str = "t", now: float | None = None, **task: Any) -> Attempt:
    lease = Lease({"lease_seconds": 30, **task}, time.monotonic() if now is None else now, 2.0)
    return Attempt(token, activity_info_for_tests(), lease, LOGGER)
