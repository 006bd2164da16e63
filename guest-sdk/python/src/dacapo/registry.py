"""What the module defines: all that was decorated in the modules that are imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .activity import Activity
    from .workflow import Workflow

workflows: dict[str, Workflow[Any, Any]] = {}
activities: dict[str, Activity[Any, Any]] = {}


def add(kind: str, known: dict[str, Any], name: str, definition: Any) -> None:
    if not 1 <= len(name.encode()) <= 255:
        raise ValueError(f"the name of {kind} has 1 to 255 bytes")
    before = known.get(name)
    # The same module may be imported under another name, such as by a test.
    if before is not None and before.function.__code__ is not definition.function.__code__:
        raise ValueError(
            f"{kind} `{name}` is defined twice, in {before.function.__module__} and in "
            f"{definition.function.__module__}: give one another name, with name=..."
        )
    known[name] = definition
