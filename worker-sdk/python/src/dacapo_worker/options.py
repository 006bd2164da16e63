"""What can be set of a worker."""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass, field

from .slots import FixedSlots, Slots

#: Where the command line looks for a server as well.
SERVER_VARIABLE = "DACAPO_SERVER"
SERVER_DEFAULT = "http://127.0.0.1:7233"


def default_server() -> str:
    return os.environ.get(SERVER_VARIABLE) or SERVER_DEFAULT


def default_identity() -> str:
    """Names the process in lists of workers."""
    return f"{os.getpid()}@{socket.gethostname()}"[:255]


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Lengths of time are seconds."""

    task_queue: str
    url: str = field(default_factory=default_server)
    namespace: str = "default"
    #: Who the worker is, for people.
    identity: str = field(default_factory=default_identity)
    #: Which version of the code it runs, for people.
    build_id: str | None = None
    #: Tasks in hand at a time: a number, or something that decides by the load.
    slots: int | Slots = 100
    #: How long a poll waits for tasks.
    poll_wait: float = 20.0
    #: Polls under way at a time; more than one only while there are more tasks than one brings.
    polls_max: int = 4
    #: How long a task stays with a worker that says nothing. It is prolonged after a third.
    lease: float = 30.0
    #: What heartbeats say is sent no more often than this.
    heartbeat_throttle: float = 2.0
    #: How long tasks in hand may go on when the worker is to stop; then they are cancelled.
    shutdown_grace: float = 30.0
    #: How long cancelled ones may take to end; then the worker stops without them.
    cancel_grace: float = 5.0
    #: Sent as ``Authorization: Bearer``.
    token: str | None = field(default=None, repr=False)
    #: For https: certificates that are trusted, and the worker's own.
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        for name in ("task_queue", "namespace", "identity"):
            if not 1 <= len(getattr(self, name).encode()) <= 255:
                raise ValueError(f"{name} has 1 to 255 bytes")
        _within("poll_wait", self.poll_wait, 0, 60)
        _within("lease", self.lease, 1, 3600)
        _within("polls_max", self.polls_max, 1, 100)
        for name in ("heartbeat_throttle", "shutdown_grace", "cancel_grace"):
            _within(name, getattr(self, name), 0, float("inf"))

    def make_slots(self) -> Slots:
        return FixedSlots(self.slots) if isinstance(self.slots, int) else self.slots


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is {least:g} or more, and {most:g} at most")
