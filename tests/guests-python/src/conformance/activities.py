"""What the workflows call."""

from typing import Any, TypedDict

from dacapo import (
    ApplicationError,
    CancelledFailure,
    activity,
    activity_info,
    attempt_signals,
    heartbeat,
    heartbeat_details,
    http,
    sleep,
    wait_cancel_requested,
)


class Reason(Exception):
    """Why something was refused."""


@activity
def noop() -> None:
    pass


@activity
def double(number: int) -> int:
    return 2 * number


@activity
def echo(value: Any) -> Any:
    return value


class Flaky(TypedDict):
    succeed_at: int


@activity
def flaky(input: Flaky) -> int:
    attempt = activity_info().attempt
    if attempt < input["succeed_at"]:
        raise ApplicationError(f"attempt {attempt}", type="NotYet")
    return attempt


@activity
def refuse(input: dict[str, Any]) -> None:
    raise ApplicationError(
        input["message"],
        type=input["type"],
        details=input.get("details"),
        non_retryable=input["non_retryable"],
    ) from ApplicationError("as asked", type="Reason")


@activity
def crash() -> None:
    raise RuntimeError("a bug in the activity")


class CountTo(TypedDict):
    n: int
    fail_after: int


@activity
def count_to(input: CountTo) -> dict[str, int]:
    attempt = activity_info().attempt
    first = (heartbeat_details(int | None) or 0) + 1
    for number in range(first, input["n"] + 1):
        heartbeat(number)
        if attempt == 1 and number == input["fail_after"]:
            raise ApplicationError("fails as asked", type="Interrupted")
    return {"attempt": attempt, "from": first}


@activity
def wait_cancel() -> None:
    attempt_signals()
    while not wait_cancel_requested(600):
        pass
    raise CancelledFailure("stopped")


@activity
def attempt_info() -> dict[str, Any]:
    info = activity_info()
    return {
        "activity_type": info.activity_type,
        "operation": info.operation,
        "attempt": info.attempt,
        "workflow_id": info.workflow_id,
    }


class Post(TypedDict):
    url: str
    effect: str


@activity
def post(input: Post) -> str:
    info = activity_info()
    body = {
        "effect": input["effect"],
        "key": info.idempotency_key,
        "workflow_id": info.workflow_id,
        "run_id": info.run_id,
        "attempt": info.attempt,
    }
    http.post(input["url"], json=body).raise_for_status()
    return input["effect"]


@activity
def forbidden() -> None:
    sleep(1)
