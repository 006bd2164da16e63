"""1 to 9: steps and time."""

import asyncio
import random
import time
import uuid
from typing import TypedDict

from dacapo import signals, sleep, wait_until, workflow

from .activities import double, echo, noop, wait_cancel


class Steps(TypedDict):
    steps: int


class Millis(TypedDict):
    millis: int


@workflow
async def sequential(input: Steps) -> int:
    for _ in range(input["steps"]):
        await noop()
    return input["steps"]


@workflow
async def fan_out(input: Steps) -> list[int]:
    return await asyncio.gather(*map(double, range(input["steps"])))


@workflow
async def race(input: Millis) -> str:
    return await first_of(input["millis"])


async def first_of(millis: int) -> str:
    work = wait_cancel().start()
    timer = sleep(millis / 1000)
    done, pending = await asyncio.wait([work, timer], return_when=asyncio.FIRST_COMPLETED)
    for loser in pending:
        loser.cancel()
    return "timer" if timer in done else "activity"


@workflow
async def timer(input: Millis) -> bool:
    before = time.time_ns()
    await sleep(input["millis"] / 1000)
    return time.time_ns() - before >= input["millis"] * 1_000_000


@workflow
async def native_sleep(input: Millis) -> bool:
    before = time.monotonic_ns()
    await asyncio.sleep(input["millis"] / 1000)
    return time.monotonic_ns() - before >= input["millis"] * 1_000_000


@workflow
async def native_timers() -> list[int]:
    fired = []

    async def after(millis: int) -> None:
        await asyncio.sleep(millis / 1000)
        fired.append(millis)

    async with asyncio.TaskGroup() as group:
        for millis in (300, 100, 200):
            group.create_task(after(millis))
    return fired


class Moment(TypedDict):
    now: int
    random: float
    uuid: str


def moment() -> Moment:
    return {
        "now": time.time_ns() // 1_000_000,
        "random": random.random(),
        "uuid": str(uuid.uuid4()),
    }


@workflow
async def clock_and_random() -> dict[str, bool]:
    first = await echo(moment())
    await asyncio.sleep(0.02)
    second = await echo(moment())
    return {
        "clock": second["now"] - first["now"] >= 20,
        "random": first["random"] != second["random"],
        "uuid": first["uuid"] != second["uuid"],
    }


@workflow
async def condition() -> int:
    votes = 0

    async def count() -> None:
        nonlocal votes
        async for _ in signals("vote"):
            votes += 1

    counting = asyncio.create_task(count())
    await wait_until(lambda: votes >= 2)
    counting.cancel()
    return votes


@workflow
async def deadline(input: Millis) -> str:
    work = wait_cancel().start()
    try:
        await asyncio.wait_for(work, input["millis"] / 1000)
    except TimeoutError:
        return "elapsed"
    return "done"
