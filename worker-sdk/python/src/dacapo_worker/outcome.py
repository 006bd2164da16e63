"""How an attempt ended."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .errors import ActivityCancelled, PayloadError
from .failure import INVALID_RESULT, MESSAGE_MAX, RESULT_REFUSED, failure, failure_of
from .payload import encode, result_field

#: Characters of a failure's message in the log.
LOGGED_MAX = 1024


@dataclass(frozen=True)
class Outcome:
    """``field`` is that of the report: its name, a colon, and JSON."""

    kind: str
    field: str

    @property
    def is_failure(self) -> bool:
        return self.kind == "failed"

    @property
    def failure_text(self) -> str | None:
        """Type and message of a failure, for the log."""
        if not self.is_failure:
            return None
        failure = json.loads(f"{{{self.field}}}")["failure"]
        return f"{failure['type']}: {failure['message'][:LOGGED_MAX]}"

    def report(self, token: str) -> str:
        """The entry of a batch, as JSON."""
        return f'{{"token":{json.dumps(token)},{self.field}}}'


def completed(value: object) -> Outcome:
    """What the function returned; a failure if that is no JSON."""
    try:
        return Outcome("completed", result_field(value))
    except PayloadError as error:
        return failed_as(failure(INVALID_RESULT, f"the result {error}"))


def failed(error: BaseException) -> Outcome:
    return failed_as(failure_of(error))


def failed_as(failure: str) -> Outcome:
    """Of a failure that is JSON already."""
    return Outcome("failed", f'"failure":{failure}')


def canceled(error: BaseException) -> Outcome:
    """The function ended as it was asked to. It may have something to say."""
    fields = []
    message = str(error)[:MESSAGE_MAX]
    if message:
        fields.append(f'"message":{json.dumps(message)}')
    if isinstance(error, ActivityCancelled) and error.details is not None:
        try:
            fields.append(f'"details":{encode(error.details)}')
        except PayloadError as problem:
            fields.append(f'"details":{json.dumps(f"the details {problem}")}')
    return Outcome("canceled", f'"canceled":{{{",".join(fields)}}}')


def refused(outcome: Outcome, code: str, message: str) -> Outcome | None:
    """What to report in the place of an outcome that the server takes for wrong.

    Without it the task would be given out again, to end in the same way. A result is wrong for
    good; that nobody had asked to cancel may be another matter next time.
    """
    if outcome.is_failure:
        return None
    text = f"the server refused the report ({code}): {message}"
    return failed_as(failure(RESULT_REFUSED, text, non_retryable=outcome.kind == "completed"))
