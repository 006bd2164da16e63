"""What an activity raises to say how it ended, and what the library raises."""

from __future__ import annotations

from typing import Any


class ApplicationError(Exception):
    """Fails the attempt, with more to say than an exception of another class has.

    Any exception fails the attempt; its class is the failure's type then. ``type`` is a stable
    name for programs: retry policies match it. ``details`` are for the workflow that handles the
    failure.
    """

    def __init__(
        self,
        message: str,
        *,
        type: str = "ApplicationError",
        details: Any = None,
        non_retryable: bool = False,
        next_retry_delay: float | None = None,
    ) -> None:
        super().__init__(message)
        if next_retry_delay is not None and not 0 <= next_retry_delay < float("inf"):
            raise ValueError("next_retry_delay is a number of seconds, 0 or more")
        self.message = message
        self.type = type
        self.details = details
        self.non_retryable = non_retryable
        self.next_retry_delay = next_retry_delay


class ActivityCancelled(BaseException):
    """The activity is to end: raised by a heartbeat of a plain function, once it is cancelled.

    Like ``asyncio.CancelledError`` it is no ``Exception``, so that code which goes on after any
    error does not go on after this one. An activity that ends by it ends as cancelled; it may
    raise its own, to say more.
    """

    def __init__(self, message: str = "", *, details: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class PayloadError(ValueError):
    """A value that is no JSON, or JSON that is not what a type hint says."""


class WorkerError(Exception):
    """The worker can't work: what it was told does not fit the server."""


class Unreachable(Exception):
    """There is no answer: no connection, one that broke, or none in time."""


class AnswerTooLarge(Unreachable):
    """There is an answer, and no room for it: ask for less."""


class Refused(Exception):
    """The server has answered that it does not do what it was asked."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{message} ({code}, status {status})")
        self.status = status
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
