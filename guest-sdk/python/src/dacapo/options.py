"""How activities and children are to be run. Lengths of time are seconds, or timedeltas."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from .times import Seconds


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When and how often a failed activity, or a failed child, is tried again.

    The default waits 1 s, then 2 s, 4 s and so on up to 100 s, and never gives up. From attempt 12
    on each wait is at least 100 ms.
    """

    initial_interval: Seconds = 1.0
    #: Factor from one wait to the next; less than 1 counts as 1.
    backoff_coefficient: float = 2.0
    #: No wait is longer than this. Default: 100 times the initial interval.
    maximum_interval: Seconds | None = None
    #: Attempts in total; 0 means no limit. With 1 the activity runs at most once.
    maximum_attempts: int = 0
    #: Failure types that end the activity at once.
    non_retryable_types: Sequence[str] = ()

    @staticmethod
    def never() -> RetryPolicy:
        """Runs the activity at most once, even if the node dies while it runs."""
        return RetryPolicy(maximum_attempts=1)


class CancellationType(enum.Enum):
    """What becomes of an activity when the code that waits for it is cancelled."""

    #: The wait ends at once; an attempt that listens has 10 s to end.
    TRY_CANCEL = "try_cancel"
    #: The activity is asked to cancel, and its end waited for.
    WAIT_CANCELLATION_COMPLETED = "wait_cancellation_completed"
    #: The wait ends at once, and the activity goes on. It still ends with its run.
    ABANDON = "abandon"


@dataclass(frozen=True, kw_only=True)
class ActivityOptions:
    """How an activity is to be run."""

    #: Limit for one attempt. Default: 60 s.
    start_to_close: Seconds | None = None
    #: Limit for all attempts and the waits between them. Default: none.
    schedule_to_close: Seconds | None = None
    #: Limit for the time until an attempt begins. Default: none.
    schedule_to_start: Seconds | None = None
    #: Longest silence of an attempt that calls ``heartbeat``. Default: none.
    heartbeat: Seconds | None = None
    retry: RetryPolicy | None = None
    #: The module that defines it, which runs it in the runtime. Default: the workflow's own.
    module: str | None = None
    #: Default: the newest when an attempt begins.
    module_version: int | None = None
    #: The queue whose workers run it. None runs it in the runtime.
    task_queue: str | None = None
    #: Which tasks of the queue come first: from 1 to 5. Default: 3.
    priority: int | None = None
    #: Whose task it is in the queue, such as a tenant's: keys have turns.
    fairness_key: str | None = None
    #: How many turns its key has for each turn of one with the weight 1.
    fairness_weight: float | None = None
    cancellation: CancellationType = CancellationType.TRY_CANCEL
    #: How long an activity may take to end once it is asked to. Default: 10 s; at most a day.
    cancellation_grace: Seconds | None = None

    @property
    def has_preference(self) -> bool:
        """Whether it says which tasks of a queue come first."""
        preferences = (self.priority, self.fairness_key, self.fairness_weight)
        return any(preference is not None for preference in preferences)


class ParentClosePolicy(enum.Enum):
    """What becomes of a child when its parent closes, in whatever way."""

    TERMINATE = 0
    ABANDON = 1
    REQUEST_CANCEL = 2


class ChildCancellation(enum.Enum):
    """What cancelling the wait for a child means."""

    #: The child is asked to cancel; the wait goes on until it has closed.
    WAIT_COMPLETED = 0
    #: The child is asked to cancel; the wait goes on until it has been told.
    WAIT_REQUESTED = 1
    #: The child is asked to cancel, and the wait ends at once.
    TRY = 2
    #: The child is not told, and the wait ends at once.
    ABANDON = 3


class IdReusePolicy(enum.Enum):
    """What to do if the latest run of the child's workflow id is closed."""

    ALLOW_DUPLICATE = 0
    ALLOW_DUPLICATE_FAILED_ONLY = 1
    REJECT_DUPLICATE = 2
