"""A runtime for unit tests: it notes what the workflow asks for, and says what happens next."""

from __future__ import annotations

import asyncio
import json
import unittest
from collections.abc import Callable, Mapping
from typing import Any

from dacapo import ActivityOptions, ChildOptions, Failure, FailureKind, WorkflowInfo, run
from dacapo.failure import FailureInfo
from dacapo.host import (
    CancelRequested,
    Completed,
    Delivery,
    QueryReceived,
    SignalReceived,
    UpdateReceived,
)

#: What happens: a delivery, or a function that makes one of what was asked for until then.
Happens = Delivery | Callable[["Script"], Delivery]


class Script:
    """Answers the workflow from a list. It ends with an error when the list does."""

    def __init__(self, *happens: Happens) -> None:
        self.happens = list(happens)
        self.asked: list[tuple[Any, ...]] = []
        self.answers: dict[str, Any] = {}
        self.recorded: list[bytes] = []
        self.observed = False
        self.positions: list[str] = []
        self._operations = 0

    def _operation(self, *asked: Any) -> int:
        self._operations += 1
        self.asked.append(asked)
        return self._operations

    # What a workflow asks for.

    def start_activity(self, name: str, input: bytes, options: ActivityOptions) -> int:
        return self._operation("activity", name, input)

    def start_timer(self, after: int) -> int:
        return self._operation("timer", after)

    def start_child(self, name: str, input: bytes, options: ChildOptions) -> tuple[int, int]:
        started = self._operation("child", name, input)
        self._operations += 1
        return started, self._operations

    def signal_external(self, workflow_id: str, run_id: str | None, name: str, input: bytes) -> int:
        return self._operation("signal", workflow_id, run_id, name, input)

    def cancel_external(self, workflow_id: str, run_id: str | None, reason: str) -> int:
        return self._operation("cancel external", workflow_id, reason)

    def cancel(self, operation: int) -> None:
        self.asked.append(("cancel", operation))

    def request_cancel(self, operation: int, grace: int | None) -> None:
        self.asked.append(("request cancel", operation, grace))

    def next(self) -> Delivery:
        if not self.happens:
            raise AssertionError("the workflow waits, and nothing happens any more")
        happens = self.happens.pop(0)
        return happens(self) if callable(happens) else happens

    def is_observed(self) -> bool:
        return self.observed

    def note_position(self, position: str) -> None:
        self.positions.append(position)

    def return_signal(self, nth: int) -> None:
        self.asked.append(("return signal", nth))

    def respond_query(self, id: str, answer: Any) -> None:
        self.answers[id] = answer

    def publish(self, name: str, value: bytes) -> None:
        self.asked.append(("publish", name, value))

    def accept_update(self, id: str) -> None:
        self.asked.append(("accept", id))

    def reject_update(self, id: str, failure: list[FailureInfo]) -> None:
        self.answers[id] = failure

    def complete_update(self, id: str, outcome: Any) -> None:
        self.asked.append(("complete", id))
        self.answers[id] = outcome

    def version(self, change_id: str, least: int, most: int) -> int:
        return most

    def recorded_value(self, name: str) -> bytes | None:
        return self.recorded.pop(0) if self.recorded else None

    def latest_value(self, name: str) -> bytes | None:
        return self.recorded_value(name)

    def record_value(self, name: str, value: bytes) -> None:
        self.asked.append(("record", name, value))

    def memo(self) -> Mapping[str, str]:
        return {}

    def search_attributes(self) -> Mapping[str, Any]:
        return {}

    def upsert_memo(self, changes: Mapping[str, str | None]) -> None:
        self.asked.append(("memo", dict(changes)))

    def upsert_search_attributes(self, changes: Mapping[str, Any]) -> None:
        self.asked.append(("search attributes", dict(changes)))

    def info(self) -> WorkflowInfo:
        raise NotImplementedError

    def continued_failure(self) -> list[FailureInfo] | None:
        return None

    def history_length(self) -> int:
        return 0

    def history_bytes(self) -> int:
        return 0

    def continue_as_new_suggested(self) -> bool:
        return False

    def is_cancel_requested(self) -> bool:
        return False


def done(operation: int, result: Any = None) -> Completed:
    return Completed(operation, json.dumps(result).encode())


def failed(operation: int, *types: str, kind: FailureKind = FailureKind.APPLICATION) -> Completed:
    """The activity ended with these types, the outermost is added."""
    outer = FailureInfo(FailureKind.ACTIVITY, "ActivityFailure", "it failed")
    return Completed(operation, [outer, *(FailureInfo(kind, one, one) for one in types)])


def signal(name: str, value: Any = None) -> SignalReceived:
    return SignalReceived(name, json.dumps(value).encode())


def query(name: str, value: Any = None, id: str = "q") -> QueryReceived:
    return QueryReceived(id, name, json.dumps(value).encode())


def update(name: str, value: Any = None, id: str = "u") -> UpdateReceived:
    return UpdateReceived(id, name, json.dumps(value).encode())


def cancel(reason: str = "enough") -> CancelRequested:
    return CancelRequested(reason)


class RunTest(unittest.TestCase):
    """Runs workflows against a script."""

    def setUp(self) -> None:
        self.addCleanup(run.forget)

    def execute(self, workflow: Callable[[], Any], *happens: Happens) -> Any:
        self.script = Script(*happens)
        this = run.begin(self.script)
        # As in a component, where it stands while code runs.
        this.loop.time = lambda: 100.1  # type: ignore[method-assign]
        result = this.execute(workflow())
        self.assertEqual(self.script.happens, [], "not all that happens was waited for")
        return result

    def types(self, failure: Failure) -> list[str]:
        return [link.type for link in failure.chain()]


__all__ = ["RunTest", "Script", "asyncio", "cancel", "done", "failed", "query", "signal", "update"]
