"""That an activity is to end, and why."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable


class CancelReason(enum.Enum):
    """Why an activity is to end."""

    #: The workflow has asked for it.
    REQUESTED = "requested"
    #: The task is another worker's, or its time is over. Nobody wants the outcome any more.
    LEASE_LOST = "lease_lost"
    #: The worker stops.
    SHUTDOWN = "shutdown"


class Cancellation:
    """Told by the worker, in its event loop; looked at from any thread."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._reason: CancelReason | None = None
        self._listener: Callable[[], None] | None = None

    @property
    def reason(self) -> CancelReason | None:
        """The first one that was given, or that the lease is lost: then no other counts."""
        return self._reason

    @property
    def lost(self) -> bool:
        return self._reason is CancelReason.LEASE_LOST

    def cancel(self, reason: CancelReason) -> bool:
        """Whether that is news."""
        if self._reason is reason or self.lost:
            return False
        if self._reason is not None and reason is not CancelReason.LEASE_LOST:
            return False
        self._reason = reason
        self.event.set()
        if self._listener is not None:
            self._listener()
        return True

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Called at each news, at once if there are some already."""
        self._listener = listener
        if listener is not None and self._reason is not None:
            listener()
