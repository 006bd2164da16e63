"""Telling other runs something."""

from __future__ import annotations

from typing import Any

from .payload import encode
from .place import here
from .run import OnCancel, Operation, current, reading


class ExternalWorkflow:
    """Another run of the namespace, by its workflow id; the open one, unless a run is named."""

    def __init__(self, workflow_id: str, run_id: str | None = None) -> None:
        self._workflow_id = workflow_id
        self._run_id = run_id

    async def signal(self, name: str, value: Any = None) -> None:
        """Sends it a signal, exactly once. Fails as ``RunNotFound`` or ``RunClosed``."""
        place = here()
        with reading("InvalidInput", f"the input of signal `{name}`"):
            input = encode(value)
        run = current("a signal to another run")
        run.require_open()
        number = run.host.signal_external(self._workflow_id, self._run_id, name, input)
        await Operation(run, number, None, place, OnCancel.LEAVE)

    async def cancel(self, reason: str = "") -> None:
        """Asks it to cancel. What it does about that is its own affair."""
        place = here()
        run = current("a request to another run")
        run.require_open()
        number = run.host.cancel_external(self._workflow_id, self._run_id, reason)
        await Operation(run, number, None, place, OnCancel.LEAVE)


def external(workflow_id: str, run_id: str | None = None) -> ExternalWorkflow:
    """The run of this workflow id: ``await external("order-17").signal("paid", receipt)``."""
    return ExternalWorkflow(workflow_id, run_id)
