"""What a component exports."""

from __future__ import annotations

import asyncio
import logging

from componentize_py_types import Err
from wit_world.exports import workflow as exported
from wit_world.exports.definitions import ModuleDefinitions

from .. import attempt, http, registry, run
from ..child import memo_texts
from ..continuing import Continuation
from ..failure import Failure, chain_of
from ..times import nanos, nanos_or_none
from . import http as component_http
from .host import (
    ImportedAttempt,
    ImportedHost,
    failure_to_wit,
    memo_to_wit,
    search_to_wit,
)

_log = logging.getLogger("dacapo")

http.exchange = component_http.exchange


class Definitions:
    def definitions(self) -> ModuleDefinitions:
        return ModuleDefinitions(list(registry.workflows), list(registry.activities))


class Workflow:
    def run(self, workflow_type: str, input: bytes) -> exported.Outcome:
        definition = registry.workflows.get(workflow_type)
        if definition is None:
            message = f"this module defines no workflow `{workflow_type}`"
            return _failed(Failure(message, type="UnknownWorkflowType", non_retryable=True))
        this = run.begin(ImportedHost())
        try:
            return exported.Outcome_Completed(this.execute(definition.execute(input)))
        except asyncio.CancelledError as cancelled:
            return exported.Outcome_Cancelled(_reason(cancelled, this))
        except Failure as failure:
            if failure.is_cancelled and this.cancel_reason is not None:
                return exported.Outcome_Cancelled(_cancellation(failure))
            return _failed(failure)
        except Continuation as continuation:
            this.return_signals()
            return exported.Outcome_ContinueAsNew(_continued(continuation, workflow_type))
        # All else is a bug: it ends this instance, and is told with its traceback.


class Activity:
    def execute(self, activity_type: str, input: bytes) -> bytes:
        definition = registry.activities.get(activity_type)
        if definition is None:
            message = f"this module defines no activity `{activity_type}`"
            failure = Failure(message, type="UnknownActivityType", non_retryable=True)
            raise Err(failure_to_wit(chain_of(failure)))
        attempt.begin(ImportedAttempt())
        try:
            return definition.execute(input)
        except (Exception, asyncio.CancelledError) as error:
            if not isinstance(error, (Failure, asyncio.CancelledError)):
                _log.warning("activity %s failed", activity_type, exc_info=error)
            raise Err(failure_to_wit(chain_of(error))) from None


class AfterEnd:
    def answer_query(self, name: str, input: bytes) -> bytes:
        answer = run.current().answer(name, input)
        if isinstance(answer, list):
            raise Err(failure_to_wit(answer))
        return answer


def _failed(failure: Failure) -> exported.Outcome:
    return exported.Outcome_Failed(failure_to_wit(chain_of(failure)))


def _reason(cancelled: asyncio.CancelledError, this: run.Run) -> str:
    if cancelled.args and cancelled.args[0]:
        return str(cancelled.args[0])
    return this.cancel_reason or ""


def _cancellation(failure: Failure) -> str:
    """What an activity or a child has to say that was cancelled together with the run."""
    *_, last = failure.chain()
    return last.message


def _continued(continuation: Continuation, own_type: str) -> exported.Continuation:
    return exported.Continuation(
        continuation.workflow_type or own_type,
        continuation.input,
        nanos_or_none(continuation.run_timeout),
        nanos(continuation.start_delay),
        memo_to_wit(memo_texts(continuation.memo)),
        search_to_wit(continuation.search_attributes),
    )
