"""Runs an activity in a test, without a server.

>>> tester = ActivityTester()
>>> tester.run(resize, {"path": "a.png"})
>>> assert tester.heartbeats == [1, 2, 3]
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from .cancellation import Cancellation, CancelReason
from .context import _UNSET, ActivityContext
from .execute import call_async, call_plain
from .info import ActivityInfo
from .payload import decode_input, encode, result_field
from .registry import activity_of

__all__ = ["ActivityTester", "activity_info_for_tests"]


def activity_info_for_tests(**changes: Any) -> ActivityInfo:
    """Made up, but for what is given."""
    facts: dict[str, Any] = {
        "workflow_id": "test",
        "run_id": "00000000-0000-0000-0000-000000000000",
        "workflow_type": "test",
        "operation_id": 1,
        "activity_type": "test",
        "attempt": 1,
        "task_queue": "test",
        "namespace": "default",
    }
    return ActivityInfo(**{**facts, **changes})


class ActivityTester:
    """One attempt. Inputs and results go through JSON, as with a server."""

    def __init__(
        self,
        *,
        info: Mapping[str, Any] | None = None,
        heartbeat_details: Any = _UNSET,
        on_heartbeat: Callable[[Any], None] | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self._info = dict(info or {})
        self._told = heartbeat_details
        self._on_heartbeat = on_heartbeat
        self._logger = logger or logging.getLogger("dacapo_worker.testing")
        self._cancellation = Cancellation()
        self._loop: asyncio.AbstractEventLoop | None = None
        #: What the activity has said, all of it: nothing is held back here.
        self.heartbeats: list[Any] = []

    def cancel(self, reason: CancelReason = CancelReason.REQUESTED) -> None:
        """Asks the activity to end, before it begins or meanwhile; from any thread."""
        if self._loop is None:
            self._cancellation.cancel(reason)
        else:
            # A plain function that has asked for it by its own heartbeat sees it in that one.
            self._cancellation.event.set()
            self._loop.call_soon_threadsafe(self._cancellation.cancel, reason)

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the activity returns. What it raises is raised, also when it was cancelled."""
        return asyncio.run(self.run_async(function, *arguments))

    async def run_async(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The same in an async test."""
        activity = activity_of(function)
        given = inspect.signature(function).bind(*arguments).args
        arguments = tuple(
            decode_input({"input": json.loads(encode(value))}, activity.input_hint)
            if not isinstance(value, bytes)
            else value
            for value in given
        )
        info = activity_info_for_tests(**{"activity_type": activity.name, **self._info})
        context = ActivityContext(
            info,
            self._cancellation,
            is_async=activity.is_async,
            send=self._heard,
            logger=self._logger,
            heartbeat_details=self._told,
        )
        call = call_async if activity.is_async else call_plain
        self._loop = asyncio.get_running_loop()
        try:
            value, error = await call(function, list(arguments), context, self._cancellation)
        finally:
            self._loop = None
        if error is not None:
            raise error
        result_field(value)
        return value

    def _heard(self, details: str) -> None:
        self.heartbeats.append(json.loads(details))
        if self._on_heartbeat is not None:
            self._on_heartbeat(self.heartbeats[-1])
