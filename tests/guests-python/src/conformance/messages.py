"""10 to 18: signals, queries, updates."""

from typing import Any, TypedDict

from dacapo import (
    ApplicationError,
    publish,
    query,
    signals,
    sleep,
    update,
    updates_finished,
    wait_until,
    workflow,
)

from .activities import noop


class Count(TypedDict):
    count: int


@workflow
async def signal() -> Any:
    return await signals("go").recv()


@workflow
async def buffered_signals(input: Count) -> list[Any]:
    await signals("begin").recv()
    return [await signals("word").recv() for _ in range(input["count"])]


@workflow
async def stages() -> None:
    stage = "waiting"

    query("stage", lambda: stage)

    @query
    def times(number: int) -> int:
        return 2 * number

    @query
    def act() -> None:
        sleep(1)

    @query
    def crash() -> None:
        raise RuntimeError("a bug in the query")

    await signals("go").recv()
    stage = "done"


@workflow
async def cart() -> list[str]:
    items: list[str] = []
    checked_out = False

    @update
    def add(item: str) -> int:
        items.append(item)
        return len(items)

    @add.validator
    def has_a_name(item: str) -> None:
        if not item:
            raise ApplicationError("an item has a name", type="NoItem")

    @update
    async def add_slowly(item: str) -> int:
        await noop()
        return add_now(item)

    def add_now(item: str) -> int:
        items.append(item)
        return len(items)

    @update
    def check_out() -> None:
        nonlocal checked_out
        checked_out = True

    await wait_until(lambda: checked_out)
    await updates_finished()
    return items


@workflow
async def publishes() -> None:
    publish("status", "packing")
    await signals("go").recv()
    publish("status", "shipped")
