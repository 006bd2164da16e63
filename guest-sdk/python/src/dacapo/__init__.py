"""Durable workflows in Python.

A **workflow** is an ``async`` function that may run for milliseconds or for years: if the machine
dies, it goes on where it was. An **activity** is an ordinary function that touches the world, and
is tried again when it fails. Both are compiled into one WebAssembly component by ``dacapo build``::

    from dacapo import activity, workflow

    @activity
    def greeting(name: str) -> str:
        return dacapo.http.get(f"https://greetings.example/{name}").text

    @workflow
    async def hello(name: str) -> str:
        text = await greeting(name)
        await asyncio.sleep(24 * 3600)
        return text
"""

from . import http
from .activity import Activity, ActivityCall, activity, call_activity
from .attempt import (
    AttemptSignals,
    activity_info,
    attempt_signals,
    complete_later,
    heartbeat,
    heartbeat_details,
    wait_cancel_requested,
)
from .attributes import (
    SearchValue,
    Text,
    memo,
    remove_memo,
    remove_search_attributes,
    search_attributes,
    upsert_memo,
    upsert_search_attributes,
)
from .cancellation import CancellationScope, cancelled, is_cancel_requested, shielded
from .child import ChildCall, ChildHandle, ChildOptions, call_workflow
from .continuing import continue_as_new
from .errors import NotInWorkflow, PayloadError, Unsupported
from .external import ExternalWorkflow, external
from .failure import (
    ActivityError,
    ApplicationError,
    CancelledFailure,
    ChildError,
    Failure,
    FailureKind,
    NondeterminismFailure,
    TerminatedFailure,
    TimeoutFailure,
)
from .info import (
    ActivityInfo,
    WorkflowInfo,
    continue_as_new_suggested,
    continued_failure,
    history_bytes,
    history_length,
    workflow_info,
)
from .messages import Update, publish, query, update, updates_finished
from .options import (
    ActivityOptions,
    CancellationType,
    ChildCancellation,
    IdReusePolicy,
    ParentClosePolicy,
    RetryPolicy,
)
from .saga import Saga, SagaFailure
from .signals import InvalidSignal, RawSignal, Signals, signals
from .values import mutable_side_effect, patched, side_effect, sleep, version, wait_until
from .workflow import Workflow, workflow

__version__ = "0.1.0"

__all__ = [
    "activity",
    "Activity",
    "activity_info",
    "ActivityCall",
    "ActivityError",
    "ActivityInfo",
    "ActivityOptions",
    "ApplicationError",
    "attempt_signals",
    "AttemptSignals",
    "call_activity",
    "call_workflow",
    "CancellationScope",
    "CancellationType",
    "cancelled",
    "CancelledFailure",
    "ChildCall",
    "ChildCancellation",
    "ChildError",
    "ChildHandle",
    "ChildOptions",
    "complete_later",
    "continue_as_new",
    "continue_as_new_suggested",
    "continued_failure",
    "external",
    "ExternalWorkflow",
    "Failure",
    "FailureKind",
    "heartbeat",
    "heartbeat_details",
    "history_bytes",
    "history_length",
    "http",
    "IdReusePolicy",
    "InvalidSignal",
    "is_cancel_requested",
    "memo",
    "mutable_side_effect",
    "NondeterminismFailure",
    "NotInWorkflow",
    "ParentClosePolicy",
    "patched",
    "PayloadError",
    "publish",
    "query",
    "RawSignal",
    "remove_memo",
    "remove_search_attributes",
    "RetryPolicy",
    "Saga",
    "SagaFailure",
    "search_attributes",
    "SearchValue",
    "shielded",
    "side_effect",
    "Signals",
    "signals",
    "sleep",
    "TerminatedFailure",
    "Text",
    "TimeoutFailure",
    "Unsupported",
    "update",
    "Update",
    "updates_finished",
    "upsert_memo",
    "upsert_search_attributes",
    "version",
    "wait_cancel_requested",
    "wait_until",
    "workflow",
    "Workflow",
    "workflow_info",
    "WorkflowInfo",
]
