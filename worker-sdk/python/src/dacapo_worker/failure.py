"""Exceptions as failures of the protocol."""

from __future__ import annotations

import json
from typing import Any

from .errors import ApplicationError, PayloadError
from .payload import encode

#: Causes that the server keeps of a failure.
CAUSES_MAX = 16
#: Characters of a message; the server cuts longer ones as well.
MESSAGE_MAX = 16 * 1024

#: The input is not what the function's type hint says. Trying again can't help.
INVALID_INPUT = "InvalidInput"
#: The result is no JSON. The function ran: whether it would do better again is not known.
INVALID_RESULT = "InvalidResult"
#: The server took the report of this outcome for wrong, such as a result that is too large.
RESULT_REFUSED = "ResultRefused"
#: The worker stopped before the function had ended.
WORKER_SHUTDOWN = "WorkerShutdown"
#: The function ended itself as cancelled, and nobody had asked for it.
CANCELLED = "Cancelled"
#: The server gave this worker something that it has not registered.
NOT_REGISTERED = "ActivityTypeNotFound"


def failure(
    type: str, message: str, *, non_retryable: bool = False, causes: list[str] | None = None
) -> str:
    """The JSON of a failure that this library has to report."""
    fields: dict[str, Any] = {"type": type, "message": message[:MESSAGE_MAX]}
    if non_retryable:
        fields["non_retryable"] = True
    text = json.dumps(fields)
    return _with_field(text, "causes", f"[{','.join(causes)}]") if causes else text


def failure_of(error: BaseException) -> str:
    """The JSON of the failure that an exception stands for, with what caused it."""
    causes = [_info(cause) for cause in causes_of(error)]
    text = _info(error)
    return _with_field(text, "causes", f"[{','.join(causes)}]") if causes else text


def causes_of(error: BaseException) -> list[BaseException]:
    """As a traceback would show them, the nearest first, and no more than are kept."""
    chain: list[BaseException] = []
    seen = {id(error)}
    current: BaseException | None = error
    while current is not None and len(chain) < CAUSES_MAX:
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
        if current is None or id(current) in seen:
            break
        seen.add(id(current))
        chain.append(current)
    return chain


def _info(error: BaseException) -> str:
    if not isinstance(error, ApplicationError):
        return json.dumps({"type": type(error).__name__, "message": _message(error)})
    fields: dict[str, Any] = {"type": error.type, "message": error.message[:MESSAGE_MAX]}
    if error.non_retryable:
        fields["non_retryable"] = True
    if error.next_retry_delay is not None:
        fields["next_retry_delay_seconds"] = error.next_retry_delay
    text = json.dumps(fields)
    if error.details is None:
        return text
    try:
        return _with_field(text, "details", encode(error.details))
    except PayloadError as problem:
        # The failure itself matters more than what it has to say besides.
        return _with_field(text, "details", json.dumps(f"the details {problem}"))


def _message(error: BaseException) -> str:
    try:
        return str(error)[:MESSAGE_MAX]
    except Exception as problem:
        return f"an exception whose text can't be had: {type(problem).__name__}"


def _with_field(text: str, name: str, value: str) -> str:
    return f'{text[:-1]},"{name}":{value}}}'
