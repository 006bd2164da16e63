"""A worker at work: from the first poll to the last report."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from .api import Api, PollRequest
from .attempt import Attempt
from .cancellation import CancelReason
from .context import ActivityContext
from .errors import PayloadError
from .execute import execute, shut_down
from .failure import NOT_REGISTERED, failure
from .info import info_of
from .lease import Lease
from .leases import LeaseKeeper
from .options import WorkerOptions
from .outcome import Outcome, failed_as
from .poller import Poller
from .registry import Registry
from .reporter import Reporter
from .slots import PollScale, SlotCount

#: Seconds that the last reports may take, whatever else was set.
LAST_REPORTS_SECONDS = 5.0


class Session:
    """Belongs to one event loop."""

    def __init__(
        self, api: Api, registry: Registry, options: WorkerOptions, logger: logging.Logger
    ) -> None:
        self._registry = registry
        self._options = options
        self._logger = logger
        self._slots = SlotCount(options.make_slots())
        self._leases = LeaseKeeper(api, logger)
        self._reporter = Reporter(api, logger)
        self._running: dict[asyncio.Task[None], Attempt] = {}
        self._idle = asyncio.Event()
        self._stopping = asyncio.Event()
        self._kill_at = float("inf")
        request = PollRequest(
            task_queue=options.task_queue,
            identity=options.identity,
            build_id=options.build_id,
            activity_types=registry.names,
            wait_seconds=options.poll_wait,
            lease_seconds=options.lease,
        )
        scale = PollScale(options.polls_max)
        self._poller = Poller(api, request, self._slots, scale, self._take, logger)

    def stop(self, grace: float) -> None:
        """Takes no more tasks. A later call may shorten the grace."""
        self._kill_at = min(self._kill_at, time.monotonic() + grace)
        self._stopping.set()
        # Whoever waits for the tasks in hand looks at the time again.
        self._idle.set()

    async def run(self) -> None:
        self._logger.info(
            "the worker takes tasks",
            extra={
                "task_queue": self._options.task_queue,
                "namespace": self._options.namespace,
                "server": self._options.url,
                "activity_types": self._registry.names,
            },
        )
        background = [
            asyncio.ensure_future(self._leases.run()),
            asyncio.ensure_future(self._reporter.run()),
        ]
        poller = asyncio.ensure_future(self._poller.run())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait([poller, stopping, *background], return_when=asyncio.FIRST_COMPLETED)
            self.stop(self._options.shutdown_grace)
            await _end(poller)
            await self._drain()
            self._logger.info("the worker has stopped")
            for task in (poller, *background):
                if task.done() and not task.cancelled() and task.exception() is not None:
                    task.result()
        finally:
            await _end(poller, stopping, *background, *self._running)

    async def _drain(self) -> None:
        """Lets tasks in hand end, then cancels them, then goes without them."""
        if self._running:
            self._logger.info("the worker stops", extra={"tasks": len(self._running)})
        while self._running and (left := self._kill_at - time.monotonic()) > 0:
            self._idle.clear()
            await _wait(self._idle, left)
        for attempt in self._running.values():
            attempt.cancellation.cancel(CancelReason.SHUTDOWN)
        if self._running:
            await asyncio.wait(self._running, timeout=self._options.cancel_grace)
        if self._running:
            given_up = [asyncio.ensure_future(self._abandon(it)) for it in self._running.values()]
            # Outcomes that are known and not reported yet are waited for as well.
            known = [task for task, attempt in self._running.items() if attempt.ended]
            await asyncio.wait([*given_up, *known], timeout=LAST_REPORTS_SECONDS)

    async def _abandon(self, attempt: Attempt) -> None:
        """Lets another worker try again at once what can't be ended here."""
        if attempt.ended or attempt.cancellation.lost:
            return
        attempt.ended = True
        attempt.logger.warning("an activity has not ended, and the worker stops without it")
        await self._leases.flush(attempt)
        await self._reporter.report(attempt, shut_down())

    def _take(self, task: dict[str, Any]) -> None:
        """Begins a task, whose slot is taken."""
        try:
            attempt = self._attempt(task)
        except PayloadError as error:
            # There is not even a token to report it by, or nothing that says what to do.
            self._logger.error("a task can't be read", extra={"error": str(error)})
            self._slots.give_back(1)
            return
        self._leases.add(attempt)
        running = asyncio.ensure_future(self._do(attempt, task))
        self._running[running] = attempt
        running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        attempt = self._running.pop(running)
        self._leases.remove(attempt)
        self._slots.give_back(1)
        if not self._running:
            self._idle.set()
        if not running.cancelled() and (error := running.exception()) is not None:
            attempt.logger.error("the worker met a defect of its own", exc_info=error)

    def _attempt(self, task: dict[str, Any]) -> Attempt:
        token = task.get("token")
        if not isinstance(token, str):
            raise PayloadError("it has no token")
        info = info_of(task, self._options.namespace, self._options.task_queue)
        lease = Lease(task, time.monotonic(), self._options.heartbeat_throttle)
        return Attempt(token, info, lease, self._logger)

    async def _do(self, attempt: Attempt, task: dict[str, Any]) -> None:
        outcome = await self._outcome(attempt, task)
        if attempt.ended:
            # It was given up meanwhile, and that is reported.
            return
        attempt.ended = True
        seconds = round(time.monotonic() - attempt.received_at, 3)
        if outcome.is_failure:
            attempt.logger.warning(
                "an attempt has failed",
                extra={"failure": outcome.failure_text, "seconds": seconds},
            )
        else:
            attempt.logger.debug(
                "an attempt has ended", extra={"outcome": outcome.kind, "seconds": seconds}
            )
        if attempt.cancellation.lost:
            return
        if outcome.is_failure:
            await self._leases.flush(attempt)
        await self._reporter.report(attempt, outcome)

    async def _outcome(self, attempt: Attempt, task: dict[str, Any]) -> Outcome:
        activity = self._registry.get(attempt.info.activity_type)
        if activity is None:
            text = f"this worker has no activity {attempt.info.activity_type!r}"
            return failed_as(failure(NOT_REGISTERED, text))
        loop = asyncio.get_running_loop()

        def send(details: str) -> None:
            attempt.lease.note(details)
            loop.call_soon_threadsafe(self._leases.hurry)

        told = (
            {"heartbeat_details": task["heartbeat_details"]} if "heartbeat_details" in task else {}
        )
        context = ActivityContext(
            attempt.info,
            attempt.cancellation,
            is_async=activity.is_async,
            send=send,
            logger=self._logger,
            **told,
        )
        return await execute(activity, task, context, attempt.cancellation)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), None if seconds == float("inf") else seconds)
    except (asyncio.TimeoutError, TimeoutError):
        pass


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
