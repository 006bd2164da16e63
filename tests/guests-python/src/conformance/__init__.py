"""The behaviours that every SDK shows, numbered in ``guest-sdk/conformance.md``."""

from . import activities, cancellation, failures, messages, only_python, program, records, runs, steps

__all__ = [
    "activities",
    "cancellation",
    "failures",
    "messages",
    "only_python",
    "program",
    "records",
    "runs",
    "steps",
]
