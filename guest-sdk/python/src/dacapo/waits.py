"""What the run waits for, and where in its code: told to whoever looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .run import Run

#: The query by which the runtime asks. No handler can have this name.
QUERY = "__dacapo_waits"
#: As many waits are told, and the rest is counted.
WAITS_MAX = 200
#: Names of signals that are told.
SIGNALS_MAX = 100


def report(run: Run) -> dict[str, Any]:
    waits: list[dict[str, Any]] = []
    more = 0

    def add(kind: str, place: Any, **fields: Any) -> None:
        nonlocal more
        if len(waits) == WAITS_MAX:
            more += 1
        else:
            waits.append({"kind": kind, **fields, "at": str(place)})

    for number, operation in run.open.items():
        if getattr(operation, "waited_for", True):
            add("operation", operation.place, operation=number)
    for name, inbox in sorted(run.inboxes.items()):
        for waiter in inbox.waiting:
            if not waiter.done():
                add("signal", waiter.place, signal=name)
    for condition in run.conditions:
        if not condition.done():
            add(condition.kind, condition.place)
    boxes = sorted(run.inboxes.items())
    untaken = [{"name": name, "count": len(box.messages)} for name, box in boxes if box.messages]
    invalid = [
        {"name": name, "count": box.set_aside, "problem": box.problem}
        for name, box in boxes
        if box.set_aside
    ]
    return {
        "waits": waits,
        "more": more,
        "untaken_signals": untaken[:SIGNALS_MAX],
        "invalid_signals": invalid[:SIGNALS_MAX],
    }
