"""What a component has not: each says so, and what to do instead."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from typing import Any, NoReturn

from .errors import Unsupported

_NO_THREADS = (
    "a component has no threads: in a workflow use asyncio.create_task or activities; an activity "
    "that needs threads is one for a worker (task_queue=...)"
)
_NO_SOCKETS = (
    "a component has no sockets: in an activity, dacapo.http speaks HTTP; what needs another "
    "protocol is an activity for a worker (task_queue=...)"
)
_NO_PROCESSES = "a component starts no processes: that is an activity for a worker (task_queue=...)"


def _refuse(why: str) -> Any:
    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        raise Unsupported(why)

    return refused


def install() -> None:
    """Replaces them for the whole interpreter, which is a component's own."""
    threading.Thread.start = _refuse(_NO_THREADS)  # type: ignore[method-assign]
    socket.socket.__init__ = _refuse(_NO_SOCKETS)  # type: ignore[method-assign]
    for name in ("create_connection", "getaddrinfo", "gethostbyname", "socketpair"):
        setattr(socket, name, _refuse(_NO_SOCKETS))
    subprocess.Popen.__init__ = _refuse(_NO_PROCESSES)  # type: ignore[method-assign]
    os.system = _refuse(_NO_PROCESSES)
