"""Where in the user's code something was called."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType, TracebackType
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__))


class Place:
    """One call in the user's code. Made often and shown rarely, so it only remembers."""

    __slots__ = ("code", "instruction")

    def __init__(self, code: CodeType, instruction: int) -> None:
        self.code = code
        self.instruction = instruction

    def __str__(self) -> str:
        """As ``file:line:column``, counted from 1."""
        position = self.instruction // 2
        for index, (line, _, column, _) in enumerate(self.code.co_positions()):
            if index == position:
                line = line or self.code.co_firstlineno
                return f"{shown(self.code.co_filename)}:{line}:{(column or 0) + 1}"
        return f"{shown(self.code.co_filename)}:{self.code.co_firstlineno}:1"


def here() -> Place:
    """The innermost call that is neither ours nor the standard library's."""
    innermost = sys._getframe(1)
    frame: FrameType | None = innermost
    while frame is not None and not _is_users(frame.f_code.co_filename):
        frame = frame.f_back
    # A coroutine of asyncio that is a task of its own has no other code around it.
    found = frame or innermost
    return Place(found.f_code, found.f_lasti)


def stack_of(waiting: Any) -> str:
    """Where a coroutine waits, and those that wait for it: a line each, the innermost first."""
    lines: list[str] = []
    while (frame := getattr(waiting, "cr_frame", None)) is not None:
        lines.append(f"{Place(frame.f_code, frame.f_lasti)} {frame.f_code.co_qualname}")
        waiting = waiting.cr_await
    return "\n".join(reversed(lines))


def of_traceback(traceback: TracebackType | None) -> str | None:
    """The innermost place of the user's code in a traceback, as ``file:line, in function``."""
    found = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if _is_users(code.co_filename):
            found = f"{shown(code.co_filename)}:{traceback.tb_lineno}, in {code.co_name}"
        traceback = traceback.tb_next
    return found


_users: dict[str, bool] = {}


def _is_users(file: str) -> bool:
    known = _users.get(file)
    if known is None:
        known = not file.startswith((_HERE, _LIBRARY, "<frozen"))
        _users[file] = known
    return known


def shown(file: str) -> str:
    """As the project names it: a component knows its folders as /0, /1 and so on."""
    parts = file.split("/", 2)
    if len(parts) == 3 and parts[0] == "" and parts[1].isdigit():
        return parts[2]
    return os.path.relpath(file) if file.startswith(os.getcwd() + os.sep) else file
