"""The other side of a run: what a workflow may ask of the runtime, and what it hears.

Components talk to the imported interface (``component/host.py``); the tests of this package talk
to a script.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .failure import FailureInfo
from .options import ActivityOptions

if TYPE_CHECKING:
    from .attributes import SearchValue
    from .child import ChildOptions
    from .info import WorkflowInfo


@dataclass(frozen=True)
class Completed:
    """An operation ended: with bytes, or with a failure and its causes."""

    operation: int
    outcome: bytes | list[FailureInfo]


@dataclass(frozen=True)
class SignalReceived:
    name: str
    input: bytes


@dataclass(frozen=True)
class QueryReceived:
    """To be answered before anything else."""

    id: str
    name: str
    input: bytes


@dataclass(frozen=True)
class UpdateReceived:
    """To be decided about before anything else."""

    id: str
    name: str
    input: bytes


@dataclass(frozen=True)
class CancelRequested:
    reason: str


Delivery = Completed | SignalReceived | QueryReceived | UpdateReceived | CancelRequested


class Host(Protocol):
    """The runtime as a workflow sees it. Lengths of time are nanoseconds."""

    def start_activity(self, name: str, input: bytes, options: ActivityOptions) -> int: ...
    def start_timer(self, after: int) -> int: ...
    def start_child(self, name: str, input: bytes, options: ChildOptions) -> tuple[int, int]: ...
    def signal_external(
        self, workflow_id: str, run_id: str | None, name: str, input: bytes
    ) -> int: ...
    def cancel_external(self, workflow_id: str, run_id: str | None, reason: str) -> int: ...
    def cancel(self, operation: int) -> None: ...
    def request_cancel(self, operation: int, grace: int | None) -> None: ...
    def next(self) -> Delivery: ...
    def return_signal(self, nth: int) -> None: ...
    def respond_query(self, id: str, answer: bytes | list[FailureInfo]) -> None: ...
    def publish(self, name: str, value: bytes) -> None: ...
    def accept_update(self, id: str) -> None: ...
    def reject_update(self, id: str, failure: list[FailureInfo]) -> None: ...
    def complete_update(self, id: str, outcome: bytes | list[FailureInfo]) -> None: ...
    def version(self, change_id: str, least: int, most: int) -> int: ...
    def recorded_value(self, name: str) -> bytes | None: ...
    def latest_value(self, name: str) -> bytes | None: ...
    def record_value(self, name: str, value: bytes) -> None: ...
    def memo(self) -> Mapping[str, str]: ...
    def search_attributes(self) -> Mapping[str, SearchValue]: ...
    def upsert_memo(self, changes: Mapping[str, str | None]) -> None: ...
    def upsert_search_attributes(self, changes: Mapping[str, Any]) -> None: ...
    def info(self) -> WorkflowInfo: ...
    def continued_failure(self) -> list[FailureInfo] | None: ...
    def history_length(self) -> int: ...
    def history_bytes(self) -> int: ...
    def continue_as_new_suggested(self) -> bool: ...
    def is_cancel_requested(self) -> bool: ...
