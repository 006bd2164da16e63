"""Calling the function of an activity, and what comes of it as an outcome."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

from .cancellation import Cancellation, CancelReason
from .context import ActivityContext, enter
from .errors import ActivityCancelled, PayloadError
from .failure import CANCELLED, INVALID_INPUT, WORKER_SHUTDOWN, failure
from .outcome import Outcome, canceled, completed, failed, failed_as
from .payload import decode_input
from .registry import Activity


async def execute(
    activity: Activity,
    task: dict[str, Any],
    context: ActivityContext,
    cancellation: Cancellation,
) -> Outcome:
    """Never raises, but when the caller itself is cancelled."""
    try:
        arguments = [decode_input(task, activity.input_hint)] if activity.takes_input else []
    except (PayloadError, RecursionError) as error:
        text = f"activity {activity.name!r} can't read its input: {error}"
        return failed_as(failure(INVALID_INPUT, text, non_retryable=True))
    run = call_async if activity.is_async else call_plain
    value, raised = await run(activity.function, arguments, context, cancellation)
    return completed(value) if raised is None else outcome_of(raised, cancellation.reason)


def outcome_of(error: BaseException, reason: CancelReason | None) -> Outcome:
    """What it means that the function ended so, where it may have been asked to end."""
    if not isinstance(error, (asyncio.CancelledError, ActivityCancelled)):
        return failed(error)
    if reason is CancelReason.REQUESTED:
        return canceled(error)
    if reason is CancelReason.SHUTDOWN:
        return shut_down()
    return failed_as(failure(CANCELLED, str(error) or "the activity ended itself as cancelled"))


def shut_down() -> Outcome:
    """The worker stopped: another one is to try again."""
    return failed_as(failure(WORKER_SHUTDOWN, "the worker stopped before the activity had ended"))


Ended = tuple[Any, BaseException | None]


async def call_async(
    function: Callable[..., Any],
    arguments: list[Any],
    context: ActivityContext,
    cancellation: Cancellation,
) -> Ended:
    async def call() -> Ended:
        enter(context)
        try:
            return await function(*arguments), None
        except BaseException as error:
            # Also SystemExit: what one activity raises must not end the worker.
            return None, error

    def cancel() -> None:
        task.cancel()

    task = asyncio.ensure_future(call())
    cancellation.listen(cancel)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as error:
        # The task was cancelled before it had begun, or it is the caller who is to end.
        if task.cancelled():
            return None, error
        task.cancel()
        raise
    finally:
        cancellation.listen(None)


async def call_plain(
    function: Callable[..., Any],
    arguments: list[Any],
    context: ActivityContext,
    cancellation: Cancellation,
) -> Ended:
    """In a thread of its own, which does not keep the process alive.

    There are no more of them than the worker has slots. A thread costs little beside the
    requests that each task takes.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Ended] = loop.create_future()

    def settle(result: Ended) -> None:
        if not ended.done():
            ended.set_result(result)

    def call() -> None:
        enter(context)
        try:
            result: Ended = function(*arguments), None
        except BaseException as error:
            result = None, error
        try:
            loop.call_soon_threadsafe(settle, result)
        except RuntimeError:
            # The event loop is closed: the worker has ended before.
            pass

    if cancellation.reason is not None:
        return None, ActivityCancelled()
    run = contextvars.copy_context().run
    name = f"activity {context.info.activity_type}"
    threading.Thread(target=run, args=(call,), name=name, daemon=True).start()
    return await ended
