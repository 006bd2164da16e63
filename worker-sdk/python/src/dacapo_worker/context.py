"""What a running activity asks and tells: available to everything that it calls."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from .cancellation import Cancellation, CancelReason
from .convert import convert
from .errors import ActivityCancelled
from .info import ActivityInfo
from .payload import encode

#: Bytes of what one heartbeat says.
DETAILS_BYTES_MAX = 64 * 1024

_UNSET: Any = object()


class ActivityContext:
    """One attempt, from inside. May be used from any thread."""

    def __init__(
        self,
        info: ActivityInfo,
        cancellation: Cancellation,
        *,
        is_async: bool,
        send: Callable[[str], None],
        logger: logging.Logger,
        heartbeat_details: Any = _UNSET,
    ) -> None:
        self.info = info
        #: A logger whose lines say which attempt they are of.
        self.logger = AttemptLogger(logger, info.log_fields)
        self._cancellation = cancellation
        self._is_async = is_async
        self._send = send
        self._heartbeat_details = heartbeat_details

    def heartbeat(self, details: Any = None) -> None:
        """Says how far the attempt has come: the next one is told if this one fails.

        The lease is prolonged without it. What follows quickly on another is held back, and only
        the last is sent. In a plain function it raises ``ActivityCancelled`` once the activity is
        to end; an async function is cancelled as asyncio does.
        """
        text = encode(details)
        if len(text.encode()) > DETAILS_BYTES_MAX:
            raise ValueError(f"the details of a heartbeat have at most {DETAILS_BYTES_MAX} bytes")
        self._send(text)
        if not self._is_async:
            self.raise_if_cancelled()

    @property
    def has_heartbeat_details(self) -> bool:
        """Whether an attempt before this one has said something."""
        return self._heartbeat_details is not _UNSET

    def heartbeat_details(self, hint: Any = Any) -> Any:
        """What the last heartbeat of an attempt before this one said, or None."""
        if not self.has_heartbeat_details:
            return None
        return convert(self._heartbeat_details, hint, "heartbeat details")

    @property
    def cancel_reason(self) -> CancelReason | None:
        """Why the activity is to end, if it is."""
        return self._cancellation.reason

    @property
    def is_cancelled(self) -> bool:
        return self._cancellation.event.is_set()

    def raise_if_cancelled(self) -> None:
        """For plain functions that do not heartbeat."""
        if self.is_cancelled:
            raise ActivityCancelled()

    def wait_cancelled(self, timeout: float | None = None) -> bool:
        """Waits so many seconds, and not longer than until the activity is to end: then true.

        For plain functions; it would stop the event loop of async ones.
        """
        return self._cancellation.event.wait(timeout)

    def sleep(self, seconds: float) -> None:
        """As ``time.sleep``, but ends with ``ActivityCancelled`` when the activity is to end."""
        if self.wait_cancelled(seconds):
            raise ActivityCancelled()

    @property
    def trace_headers(self) -> Mapping[str, str]:
        """Headers of requests that belong to the trace of the workflow."""
        known = ("traceparent", "tracestate", "baggage")
        context = self.info.trace_context
        return {name: context[name] for name in known if name in context}


class AttemptLogger(logging.LoggerAdapter):  # type: ignore[type-arg]
    """Adds the fields of the attempt to those of each line."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


_current: contextvars.ContextVar[ActivityContext] = contextvars.ContextVar("dacapo_activity")


def activity_context() -> ActivityContext:
    """The attempt that the caller is a part of."""
    try:
        return _current.get()
    except LookupError:
        raise RuntimeError("there is no activity here: only activities have a context") from None


def activity_info() -> ActivityInfo:
    """What the activity that the caller is a part of was told."""
    return activity_context().info


def heartbeat(details: Any = None) -> None:
    """See :meth:`ActivityContext.heartbeat`."""
    activity_context().heartbeat(details)


def enter(context: ActivityContext) -> None:
    """Makes it the context of what runs from here on, in this task or thread."""
    _current.set(context)
