"""Facts about the run or the attempt that is executing."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from .failure import Failure, failure_from
from .run import current


@dataclass(frozen=True)
class WorkflowInfo:
    """What was fixed when the run started. The same on every replay."""

    namespace: str
    workflow_id: str
    run_id: str
    workflow_type: str
    #: SHA-256 of the module this run is pinned to, in lower-case hex.
    module_digest: str
    started_at: datetime.datetime
    #: Counts the runs since one failed, from 1.
    attempt: int
    #: The first of the runs that followed each other up to this one.
    first_run_id: str
    #: The run before this one, which continued as this one or failed and is tried again.
    continued_from_run_id: str | None
    #: In seconds.
    run_timeout: float | None
    execution_timeout: float | None
    execution_deadline: datetime.datetime | None


@dataclass(frozen=True)
class ActivityInfo:
    """One attempt of one activity."""

    namespace: str
    workflow_id: str
    run_id: str
    activity_type: str
    #: The operation in the run that asked for it; the same in each attempt.
    operation: int
    #: Counted from 1.
    attempt: int
    #: When this attempt will be stopped.
    deadline: datetime.datetime

    @property
    def idempotency_key(self) -> str:
        """Names this activity of this run, the same in each attempt: what a service needs to do
        its work once although it is asked twice."""
        return f"{self.run_id}-{self.operation}"


def workflow_info() -> WorkflowInfo:
    """Describes this run."""
    return current("workflow_info").host.info()


def continued_failure() -> Failure | None:
    """What the attempt before failed with, if this run is another attempt."""
    chain = current("continued_failure").host.continued_failure()
    return None if chain is None else failure_from(chain)


def history_length() -> int:
    """How many events the history had when the workflow last heard of something."""
    return current("history_length").host.history_length()


def history_bytes() -> int:
    """About how many bytes of history this run has made up to here."""
    return current("history_bytes").host.history_bytes()


def continue_as_new_suggested() -> bool:
    """True once the history has become so long that the run should continue as new."""
    return current("continue_as_new_suggested").host.continue_as_new_suggested()
