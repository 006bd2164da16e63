"""The imported interface as :class:`dacapo.host.Host` and :class:`dacapo.attempt.AttemptHost`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from componentize_py_types import Err, Ok
from wit_world.imports import (
    activities,
    activity_context,
    attributes,
    children,
    diagnostics,
    external,
    module_activities,
    operations,
    queries,
    run_context,
    side_effects,
    task_queues,
    updates,
    versions,
)
from wit_world.imports import dacapo_workflow_types as types

from ..attempt import AttemptSignals
from ..attributes import SearchValue, Text
from ..child import ChildOptions, memo_texts
from ..failure import FailureInfo, FailureKind
from ..host import (
    CancelRequested,
    Completed,
    Delivery,
    QueryReceived,
    SignalReceived,
    UpdateReceived,
)
from ..info import ActivityInfo, WorkflowInfo
from ..options import ActivityOptions, RetryPolicy
from ..times import instant, nanos, nanos_or_none, nanos_since_1970, seconds

_NO_OPTIONS = operations.ActivityOptions(None, None, None, None, None, None)
_DEFAULT_OPTIONS = ActivityOptions()


def failure_to_wit(chain: list[FailureInfo]) -> types.Failure:
    infos = [
        types.FailureInfo(
            types.FailureKind(info.kind.value),
            info.type,
            info.message,
            info.non_retryable,
            info.next_retry_delay,
            info.details,
        )
        for info in chain
    ]
    return types.Failure(infos[0], infos[1:])


def failure_from_wit(failure: types.Failure) -> list[FailureInfo]:
    return [
        FailureInfo(
            FailureKind(info.kind.value),
            info.type_name,
            info.message,
            info.non_retryable,
            info.next_retry_delay,
            info.details,
        )
        for info in (failure.info, *failure.causes)
    ]


def _result_to_wit(outcome: bytes | list[FailureInfo]) -> Any:
    return Err(failure_to_wit(outcome)) if isinstance(outcome, list) else Ok(outcome)


def _retry_to_wit(retry: RetryPolicy | None) -> types.RetryPolicy | None:
    if retry is None:
        return None
    return types.RetryPolicy(
        nanos(retry.initial_interval),
        max(1.0, float(retry.backoff_coefficient)),
        nanos_or_none(retry.maximum_interval),
        retry.maximum_attempts,
        list(retry.non_retryable_types),
    )


def _options_to_wit(options: ActivityOptions) -> operations.ActivityOptions:
    if options is _DEFAULT_OPTIONS:
        return _NO_OPTIONS
    return operations.ActivityOptions(
        nanos_or_none(options.start_to_close),
        nanos_or_none(options.schedule_to_close),
        nanos_or_none(options.schedule_to_start),
        nanos_or_none(options.heartbeat),
        _retry_to_wit(options.retry),
        options.task_queue,
    )


def memo_to_wit(memo: Mapping[str, str | None]) -> list[attributes.MemoEntry]:
    return [attributes.MemoEntry(name, memo[name]) for name in sorted(memo)]


def search_to_wit(values: Mapping[str, Any]) -> list[attributes.SearchAttribute]:
    return [
        attributes.SearchAttribute(
            name, None if values[name] is None else _value_to_wit(values[name])
        )
        for name in sorted(values)
    ]


def _value_to_wit(value: SearchValue) -> attributes.SearchValue:
    if isinstance(value, bool):
        return attributes.SearchValue_Boolean(value)
    if isinstance(value, int):
        return attributes.SearchValue_Integer(value)
    if isinstance(value, float):
        return attributes.SearchValue_Double(value)
    if isinstance(value, Text):
        return attributes.SearchValue_Text(str(value))
    if isinstance(value, str):
        return attributes.SearchValue_Keyword(value)
    if isinstance(value, datetime.datetime):
        return attributes.SearchValue_Datetime(nanos_since_1970(value))
    if isinstance(value, (list, tuple)):
        return attributes.SearchValue_KeywordList(list(value))
    raise TypeError(f"a search attribute is no {type(value).__name__}")


def _value_from_wit(value: Any) -> SearchValue:
    if isinstance(value, attributes.SearchValue_Text):
        return Text(value.value)
    if isinstance(value, attributes.SearchValue_Datetime):
        return instant(value.value)
    found: SearchValue = value.value
    return found


class ImportedHost:
    """For workflows."""

    def start_activity(self, name: str, input: bytes, options: ActivityOptions) -> int:
        if options.module is not None:
            module = children.ModuleRef(options.module, options.module_version)
            return module_activities.start_activity(name, input, _options_to_wit(options), module)
        if not options.has_preference:
            return operations.start_activity(name, input, _options_to_wit(options))
        weight = None if options.fairness_weight is None else float(options.fairness_weight)
        placement = task_queues.TaskPlacement(
            options.task_queue or "", options.priority, options.fairness_key, weight
        )
        return task_queues.start_activity(name, input, _options_to_wit(options), placement)

    def start_timer(self, after: int) -> int:
        return operations.start_timer(after)

    def start_child(self, name: str, input: bytes, options: ChildOptions) -> tuple[int, int]:
        module = None
        if options.module is not None:
            module = children.ModuleRef(options.module, options.module_version)
        child = children.start_child(
            name,
            input,
            children.ChildOptions(
                options.workflow_id,
                children.IdReusePolicy(options.id_reuse_policy.value),
                children.ParentClosePolicy(options.parent_close_policy.value),
                children.ChildCancellationType(options.cancellation.value),
                module,
                nanos_or_none(options.run_timeout),
                nanos_or_none(options.execution_timeout),
                nanos(options.start_delay),
                _retry_to_wit(options.retry),
                memo_to_wit(memo_texts(options.memo)),
                search_to_wit(options.search_attributes),
            ),
        )
        return child.started, child.closed

    def signal_external(self, workflow_id: str, run_id: str | None, name: str, input: bytes) -> int:
        return external.signal_external(workflow_id, run_id, name, input)

    def cancel_external(self, workflow_id: str, run_id: str | None, reason: str) -> int:
        return external.cancel_external(workflow_id, run_id, reason)

    def cancel(self, operation: int) -> None:
        operations.cancel(operation)

    def request_cancel(self, operation: int, grace: int | None) -> None:
        activities.request_cancel(operation, grace)

    def next(self) -> Delivery:
        delivery = operations.next()
        value = delivery.value
        if isinstance(delivery, operations.Delivery_Completed):
            outcome = value.outcome
            if isinstance(outcome, Ok):
                return Completed(value.operation, outcome.value)
            return Completed(value.operation, failure_from_wit(outcome.value))
        if isinstance(delivery, operations.Delivery_Signal):
            return SignalReceived(value.name, value.input)
        if isinstance(delivery, operations.Delivery_Query):
            return QueryReceived(value.id, value.name, value.input)
        if isinstance(delivery, operations.Delivery_Update):
            return UpdateReceived(value.id, value.name, value.input)
        return CancelRequested(value)

    def is_observed(self) -> bool:
        return diagnostics.is_observed()

    def note_position(self, position: str) -> None:
        diagnostics.note_position(position)

    def return_signal(self, nth: int) -> None:
        operations.return_signal(nth)

    def respond_query(self, id: str, answer: bytes | list[FailureInfo]) -> None:
        queries.respond_query(id, _result_to_wit(answer))

    def publish(self, name: str, value: bytes) -> None:
        queries.publish(name, value)

    def accept_update(self, id: str) -> None:
        updates.accept_update(id)

    def reject_update(self, id: str, failure: list[FailureInfo]) -> None:
        updates.reject_update(id, failure_to_wit(failure))

    def complete_update(self, id: str, outcome: bytes | list[FailureInfo]) -> None:
        updates.complete_update(id, _result_to_wit(outcome))

    def version(self, change_id: str, least: int, most: int) -> int:
        return versions.version(change_id, least, most)

    def recorded_value(self, name: str) -> bytes | None:
        return side_effects.recorded_value(name)

    def latest_value(self, name: str) -> bytes | None:
        return side_effects.latest_value(name)

    def record_value(self, name: str, value: bytes) -> None:
        side_effects.record_value(name, value)

    def memo(self) -> dict[str, str]:
        return {entry.name: entry.value for entry in attributes.memo() if entry.value is not None}

    def search_attributes(self) -> dict[str, SearchValue]:
        return {
            one.name: _value_from_wit(one.value)
            for one in attributes.search_attributes()
            if one.value is not None
        }

    def upsert_memo(self, changes: Mapping[str, str | None]) -> None:
        attributes.upsert_memo(memo_to_wit(changes))

    def upsert_search_attributes(self, changes: Mapping[str, Any]) -> None:
        attributes.upsert_search_attributes(search_to_wit(changes))

    def info(self) -> WorkflowInfo:
        info = run_context.info()
        deadline = info.execution_deadline
        return WorkflowInfo(
            namespace=info.namespace,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            workflow_type=info.workflow_type,
            module_digest=info.module_digest,
            started_at=instant(info.started_at),
            attempt=info.attempt,
            first_run_id=info.first_run_id,
            continued_from_run_id=info.continued_from_run_id,
            run_timeout=seconds(info.run_timeout),
            execution_timeout=seconds(info.execution_timeout),
            execution_deadline=None if deadline is None else instant(deadline),
        )

    def continued_failure(self) -> list[FailureInfo] | None:
        failure = run_context.continued_failure()
        return None if failure is None else failure_from_wit(failure)

    def history_length(self) -> int:
        return run_context.history_length()

    def history_bytes(self) -> int:
        return run_context.history_bytes()

    def continue_as_new_suggested(self) -> bool:
        return run_context.continue_as_new_suggested()

    def is_cancel_requested(self) -> bool:
        return run_context.is_cancel_requested()


class ImportedAttempt:
    """For activities."""

    def info(self) -> ActivityInfo:
        info = activity_context.info()
        return ActivityInfo(
            namespace=info.namespace,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            activity_type=info.activity_type,
            operation=info.operation,
            attempt=info.attempt,
            deadline=instant(info.deadline),
        )

    def heartbeat(self, details: bytes | None) -> AttemptSignals:
        return _signals(activity_context.heartbeat(details))

    def heartbeat_details(self) -> bytes | None:
        return activity_context.heartbeat_details()

    def signals(self) -> AttemptSignals:
        return _signals(activity_context.signals())

    def wait_cancel_requested(self, timeout: int) -> bool:
        return activity_context.wait_cancel_requested(timeout)

    def complete_later(self) -> str:
        return activity_context.complete_later()


def _signals(signals: activity_context.AttemptSignals) -> AttemptSignals:
    return AttemptSignals(signals.cancel_requested, signals.paused)
