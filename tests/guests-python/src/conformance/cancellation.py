"""39 to 42: cancellation."""

import asyncio
from typing import Any

from dacapo import (
    CancellationScope,
    CancellationType,
    Failure,
    shielded,
    signals,
    sleep,
    workflow,
)

from .activities import noop, wait_cancel
from .failures import types_of
from .messages import signal

DAY = 86_400


@workflow
async def cleans_up() -> None:
    try:
        await asyncio.sleep(DAY)
    except asyncio.CancelledError:
        await shielded(noop())
        raise


async def stop(scope: CancellationScope) -> None:
    await signals("stop").recv()
    scope.cancel("stop")


@workflow
async def scope() -> list[bool]:
    scope = CancellationScope()
    stopping = asyncio.create_task(stop(scope))
    async with scope:
        parts = [wait_cancel().start(), sleep(DAY)]
        await asyncio.gather(*parts)
    await stopping
    await noop()
    return [part.cancelled() for part in parts]


@workflow
async def asks() -> dict[str, Any]:
    scope = CancellationScope()
    stopping = asyncio.create_task(stop(scope))
    patient = CancellationType.WAIT_CANCELLATION_COMPLETED
    told: dict[str, Any] = {}
    async with scope:
        try:
            await wait_cancel().options(cancellation=patient)
        except asyncio.CancelledError as cancelled:
            failure = cancelled.__cause__
            assert isinstance(failure, Failure)
            *_, last = failure.chain()
            told = {
                "cancelled": failure.is_cancelled,
                "types": types_of(failure),
                "message": last.message,
            }
    await stopping
    return told


@workflow
async def parent_cancelled() -> Any:
    return await signal()
