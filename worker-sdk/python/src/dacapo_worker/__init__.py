"""Runs activities of Dacapo workflows in Python.

Workflows run in the server; what touches the world can run here. A :class:`Worker` takes tasks of
a queue, calls the function that is registered for each, and reports what came of it.
"""

from .cancellation import CancelReason
from .context import ActivityContext, activity_context, activity_info, heartbeat
from .errors import ActivityCancelled, ApplicationError, PayloadError, WorkerError
from .info import ActivityInfo
from .load import Load
from .log import FieldFormatter
from .options import WorkerOptions
from .slots import FixedSlots, ResourceSlots, Slots
from .version import VERSION as __version__
from .worker import Worker

__all__ = [
    "ActivityCancelled",
    "ActivityContext",
    "ActivityInfo",
    "ApplicationError",
    "CancelReason",
    "FieldFormatter",
    "FixedSlots",
    "Load",
    "PayloadError",
    "ResourceSlots",
    "Slots",
    "Worker",
    "WorkerError",
    "WorkerOptions",
    "__version__",
    "activity_context",
    "activity_info",
    "heartbeat",
]
