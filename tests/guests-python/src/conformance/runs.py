"""19 to 26: other runs."""

from typing import Any, TypedDict

from dacapo import (
    ApplicationError,
    ChildError,
    Failure,
    ParentClosePolicy,
    continue_as_new,
    continued_failure,
    external,
    signals,
    workflow,
    workflow_info,
)

from .activities import noop
from .failures import fails, types_of
from .messages import signal


class Number(TypedDict):
    number: int


class Text(TypedDict):
    text: str


class To(TypedDict):
    to: str


@workflow
async def square(number: int) -> int:
    return number * number


@workflow
async def parent(input: Number) -> int:
    return await square(input["number"])


@workflow
async def parent_of_failure() -> list[str]:
    try:
        await fails()
    except ChildError as failure:
        return types_of(failure)
    return []


@workflow
async def nudge(input: Text) -> Any:
    child = await signal().start()
    await child.signal("go", input["text"])
    return await child.result()


class Leaves(TypedDict):
    policy: str
    workflow_id: str


@workflow
async def leaves(input: Leaves) -> dict[str, str]:
    policy = ParentClosePolicy[input["policy"].upper()]
    call = signal().options(workflow_id=input["workflow_id"], parent_close_policy=policy)
    child = await call.start()
    return {"workflow_id": child.workflow_id}


@workflow
async def tells(input: To) -> list[Any]:
    told: list[Any] = []
    for to in (input["to"], "nobody-has-this-id"):
        try:
            await external(to).signal("go", 5)
            told.append(None)
        except Failure as failure:
            told.append(types_of(failure))
    return told


@workflow
async def cancels(input: To) -> None:
    await external(input["to"]).cancel("enough")


class Relay(TypedDict):
    count: int
    taken: list[int]


@workflow
async def relay(input: Relay) -> list[int]:
    taken = input["taken"]
    if not taken:
        await signals("begin").recv()
    taken.append(await signals("word", int).recv())
    await noop()
    if len(taken) == input["count"]:
        return taken
    continue_as_new({"count": input["count"], "taken": taken})


@workflow
async def tries() -> dict[str, Any]:
    attempt = workflow_info().attempt
    before = continued_failure()
    if before is None:
        raise ApplicationError(f"attempt {attempt}", type="NotYet")
    return {"attempt": attempt, "before": before.type}
