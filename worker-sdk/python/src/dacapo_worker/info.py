"""What an activity is told about itself."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .convert import convert
from .errors import PayloadError


@dataclass(frozen=True)
class ActivityInfo:
    """This attempt of this activity."""

    workflow_id: str
    run_id: str
    workflow_type: str
    operation_id: int
    activity_type: str
    #: 1 for the first.
    attempt: int
    task_queue: str
    namespace: str
    scheduled_at: datetime.datetime | None = None
    started_at: datetime.datetime | None = None
    #: How long the attempt may take.
    start_to_close_timeout: float | None = None
    heartbeat_timeout: float | None = None
    #: How long all attempts together may take.
    schedule_to_close_timeout: float | None = None
    #: Why the attempt before this one failed.
    last_failure: Mapping[str, Any] | None = None
    priority: int | None = None
    fairness_key: str | None = None
    #: W3C trace context, such as ``traceparent``.
    trace_context: Mapping[str, str] = field(default_factory=dict)

    @property
    def idempotency_key(self) -> str:
        """The same in every attempt, and no other activity's: for requests that must count once."""
        return f"{self.run_id}-{self.operation_id}"

    @property
    def traceparent(self) -> str | None:
        """For requests that belong to the trace of the workflow."""
        return self.trace_context.get("traceparent")

    @property
    def log_fields(self) -> dict[str, Any]:
        """What each line of the log says about where it comes from."""
        return {
            "workflow_id": self.workflow_id,
            "run_id": self.run_id,
            "activity_type": self.activity_type,
            "attempt": self.attempt,
            "task_queue": self.task_queue,
        }


def info_of(task: Mapping[str, Any], namespace: str, task_queue: str) -> ActivityInfo:
    """What a task says. Raises ``PayloadError`` if it misses something that all have."""

    def get(name: str, hint: Any) -> Any:
        return convert(task.get(name), hint, name)

    context = task.get("trace_context")
    return ActivityInfo(
        workflow_id=get("workflow_id", str),
        run_id=get("run_id", str),
        workflow_type=get("workflow_type", str),
        operation_id=get("operation_id", int),
        activity_type=get("activity_type", str),
        attempt=get("attempt", int),
        task_queue=task_queue,
        namespace=namespace,
        scheduled_at=_time(task.get("scheduled_at")),
        started_at=_time(task.get("started_at")),
        start_to_close_timeout=get("start_to_close_timeout_seconds", float | None),
        heartbeat_timeout=get("heartbeat_timeout_seconds", float | None),
        schedule_to_close_timeout=get("schedule_to_close_timeout_seconds", float | None),
        last_failure=get("last_failure", dict[str, Any] | None),
        priority=get("priority", int | None),
        fairness_key=get("fairness_key", str | None),
        trace_context={k: v for k, v in context.items() if isinstance(v, str)}
        if isinstance(context, dict)
        else {},
    )


def _time(text: Any) -> datetime.datetime | None:
    """For people and logs: one that can't be read is no reason to refuse the task."""
    try:
        time: datetime.datetime = convert(text, datetime.datetime)
    except PayloadError:
        return None
    return time
