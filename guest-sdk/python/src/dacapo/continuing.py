"""Starting over with an empty history."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NoReturn

from .payload import encode
from .run import current, reading
from .times import Seconds


@dataclasses.dataclass(eq=False)
class Continuation(BaseException):
    """Ends the run, which goes on as a new one. No ``Exception``, so that nobody handles it by
    mistake."""

    input: bytes
    workflow_type: str | None
    run_timeout: Seconds | None
    start_delay: Seconds
    memo: Mapping[str, Any]
    search_attributes: Mapping[str, Any]


def continue_as_new(
    input: Any = None,
    *,
    workflow_type: str | None = None,
    run_timeout: Seconds | None = None,
    start_delay: Seconds = 0,
    memo: Mapping[str, Any] | None = None,
    search_attributes: Mapping[str, Any] | None = None,
) -> NoReturn:
    """Ends this run, which goes on as a new one under the same workflow id, with this input.

    It never returns. Signals that nobody has taken go over to the new run. What is not named here
    stays as it is; None as a value of ``memo`` or ``search_attributes`` removes that.
    """
    current("continue_as_new").require_open()
    with reading("InvalidInput", "the input of the run that follows"):
        encoded = encode(input)
    raise Continuation(
        encoded, workflow_type, run_timeout, start_delay, memo or {}, search_attributes or {}
    )
