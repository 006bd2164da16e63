"""27 to 38: failures and bugs."""

from typing import Any

from dacapo import (
    ActivityError,
    ApplicationError,
    Failure,
    RetryPolicy,
    call_activity,
    workflow,
)

from .activities import crash, flaky, forbidden, noop, refuse

AT_ONCE = 0.001


def types_of(failure: Failure) -> list[str]:
    return [link.type for link in failure.chain()]


@workflow
async def fails() -> None:
    raise ApplicationError(
        "it is refused", type="Refused", details={"code": 7}, non_retryable=True
    ) from ApplicationError("the reason", type="Inner")


@workflow
async def sees_failure() -> dict[str, Any]:
    asked = {"type": "Declined", "message": "no funds", "non_retryable": True, "details": [1, 2]}
    try:
        await refuse(asked)
    except ActivityError as failure:
        declined = failure.__cause__
        assert isinstance(declined, Failure)
        return {
            "types": types_of(failure),
            "message": declined.message,
            "details": declined.details(list[int]),
        }
    raise AssertionError("it was not refused")


@workflow
async def sees_crash() -> int:
    policy = RetryPolicy(initial_interval=AT_ONCE, maximum_attempts=2)
    try:
        await crash().options(retry=policy)
    except ActivityError as failure:
        return len(types_of(failure))
    return 0


@workflow
async def retries() -> int:
    policy = RetryPolicy(initial_interval=AT_ONCE)
    return await flaky({"succeed_at": 3}).options(retry=policy)


@workflow
async def retries_not() -> list[str]:
    policy = RetryPolicy(initial_interval=AT_ONCE, non_retryable_types=["Listed"])
    asked = {"type": "Listed", "message": "m", "non_retryable": False}
    try:
        await refuse(asked).options(retry=policy)
    except ActivityError as failure:
        return types_of(failure)
    return []


@workflow
async def unknown_activity() -> list[str]:
    try:
        await call_activity("nobody_defines_this", None)
    except ActivityError as failure:
        return types_of(failure)
    return []


@workflow
async def bug() -> None:
    await noop()
    raise RuntimeError("a bug in the workflow")


@workflow
async def hoards() -> None:
    await noop()
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


@workflow
async def spins() -> None:
    await noop()
    while True:
        pass


@workflow
async def huge() -> str:
    return "x" * (3 << 20)


@workflow
async def calls_forbidden() -> str:
    try:
        await forbidden().options(retry=RetryPolicy.never())
    except ActivityError as failure:
        types = types_of(failure)
        if types[0] == "ActivityFailure" and len(types) >= 2:
            return "failed"
    return "done"
