"""A task in hand."""

from __future__ import annotations

import logging
import time
from typing import Any

from .cancellation import Cancellation, CancelReason
from .context import AttemptLogger
from .info import ActivityInfo
from .lease import Lease


class Attempt:
    """What the worker knows of one task, from the poll to the answer to its report."""

    def __init__(
        self,
        token: str,
        info: ActivityInfo,
        lease: Lease,
        logger: logging.Logger,
    ) -> None:
        self.token = token
        self.info = info
        self.lease = lease
        self.cancellation = Cancellation()
        self.logger = AttemptLogger(logger, info.log_fields)
        #: Its outcome is known, or will not be waited for.
        self.ended = False
        self.received_at = time.monotonic()

    def learn(self, result: dict[str, Any], sent_at: float) -> bool:
        """What the server answered to a heartbeat: false if it has to be sent again."""
        if result.get("held") is True:
            self.lease.prolonged(sent_at)
            if result.get("cancel_requested") is True and self.cancellation.cancel(
                CancelReason.REQUESTED
            ):
                self.logger.info("the workflow asks the activity to cancel")
            return True
        given = result.get("error")
        error = given if isinstance(given, dict) else {}
        if error.get("retryable") is True:
            return False
        self.lose(error.get("message"))
        return True

    def lose(self, why: object) -> None:
        """Nobody wants the outcome any more."""
        if self.cancellation.cancel(CancelReason.LEASE_LOST):
            self.logger.warning("the lease of a task is lost", extra={"reason": str(why)})
