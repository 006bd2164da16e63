"""What the library raises that is no failure of a run."""

from __future__ import annotations


class PayloadError(ValueError):
    """A value that is no JSON, or JSON that is not what a type hint says."""


class NotInWorkflow(RuntimeError):
    """Something that only workflows can do was called elsewhere."""

    def __init__(self, what: str = "this") -> None:
        super().__init__(
            f"{what} exists in workflows only: there is no run here. An activity that needs "
            "another activity calls its function: name.run(...)"
        )


class Unsupported(RuntimeError):
    """What a component has not: threads, processes, sockets."""
