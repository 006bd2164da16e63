"""43 to 53: what is recorded beside steps, and payloads."""

import asyncio
import datetime
import logging
from typing import Any, TypedDict

from dacapo import (
    RetryPolicy,
    Text,
    call_activity,
    memo,
    remove_memo,
    search_attributes,
    side_effect,
    sleep,
    upsert_memo,
    upsert_search_attributes,
    version,
    workflow,
    workflow_info,
)

from .activities import attempt_info, count_to, echo, noop, post

MILLISECOND = 0.001


@workflow
async def heartbeats() -> dict[str, int]:
    policy = RetryPolicy(initial_interval=MILLISECOND)
    call = count_to({"n": 3, "fail_after": 2})
    return await call.options(heartbeat=10, retry=policy)


@workflow
async def versions() -> list[int]:
    first = version("conformance", 0, 1)
    await sleep(MILLISECOND)
    return [first, version("conformance", 0, 1)]


@workflow
async def side_effects() -> list[Any]:
    dice = side_effect("dice", lambda: 7)
    await sleep(MILLISECOND)
    return [dice, side_effect("pair", lambda: (1, "a"))]


@workflow(name="memo")
async def memo_() -> list[Any]:
    upsert_memo({"step": {"at": "packing"}})
    upsert_memo({"gone": 1})
    await sleep(MILLISECOND)
    remove_memo("gone")
    return [memo("step"), memo("gone")]


@workflow(name="search_attributes")
async def search_attributes_() -> list[str]:
    due = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    upsert_search_attributes(
        {
            "customer": "c-17",
            "labels": ["a", "b"],
            "title": Text("a new life"),
            "big": 9007199254740993,
            "share": 0.5,
            "paid": True,
            "due": due,
        }
    )
    return sorted(search_attributes())


log = logging.getLogger("conformance")


@workflow
async def logs() -> None:
    log.info("conformance before")
    await asyncio.sleep(0.03)
    log.info("conformance after")
    await noop()


@workflow
async def payloads(value: Any) -> Any:
    return await echo(value)


@workflow
async def nothing() -> None:
    await noop()


@workflow
async def about() -> dict[str, Any]:
    info = workflow_info()
    return {
        "workflow_type": info.workflow_type,
        "workflow_id": info.workflow_id,
        "attempt": info.attempt,
        "activity": await attempt_info(),
    }


class Queue(TypedDict):
    queue: str


@workflow
async def options(input: Queue) -> str:
    policy = RetryPolicy(
        initial_interval=0.01,
        backoff_coefficient=1.5,
        maximum_interval=1,
        maximum_attempts=4,
        non_retryable_types=["A", "B"],
    )
    return await call_activity(
        "step",
        1,
        returns=str,
        task_queue=input["queue"],
        start_to_close=5,
        schedule_to_close=60,
        schedule_to_start=50,
        heartbeat=4,
        priority=1,
        fairness_key="tenant-7",
        fairness_weight=2.5,
        retry=policy,
    )


class Url(TypedDict):
    url: str


@workflow
async def posts(input: Url) -> str:
    return await post({"url": input["url"], "effect": "posted"})
