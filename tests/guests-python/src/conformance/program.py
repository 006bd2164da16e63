"""54: programs that are data."""

import asyncio
from typing import Any, TypedDict

from dacapo import signals, sleep, workflow

from .activities import double
from .steps import first_of


class Program(TypedDict):
    steps: list[dict[str, Any]]


@workflow
async def program(input: Program) -> list[Any]:
    return [await result(*each) for step in input["steps"] for each in step.items()]


async def result(kind: str, of: Any) -> Any:
    match kind:
        case "activity":
            return await double(of)
        case "fan_out":
            return await asyncio.gather(*map(double, of))
        case "timer":
            return await sleep(of / 1000)
        case "race":
            return await first_of(of)
        case "child":
            return await program(of)
        case _:
            return await signals(of).recv()
