from __future__ import annotations

import json
import unittest
from typing import Any

from dacapo_worker import ActivityCancelled, ApplicationError, CancelReason
from dacapo_worker.execute import outcome_of
from dacapo_worker.failure import CAUSES_MAX, failure_of
from dacapo_worker.outcome import canceled, completed, failed, refused


def raised(error: BaseException, cause: BaseException | None = None) -> dict[str, Any]:
    try:
        raise error from cause
    except BaseException as caught:
        return json.loads(failure_of(caught))


class Failures(unittest.TestCase):
    def test_an_exception_fails_with_the_name_of_its_class(self) -> None:
        self.assertEqual(raised(KeyError("a")), {"type": "KeyError", "message": "'a'"})

    def test_an_application_error_says_all_that_it_has(self) -> None:
        error = ApplicationError(
            "no", type="Declined", details={"code": 51}, non_retryable=True, next_retry_delay=1.5
        )
        self.assertEqual(
            raised(error),
            {
                "type": "Declined",
                "message": "no",
                "non_retryable": True,
                "next_retry_delay_seconds": 1.5,
                "details": {"code": 51},
            },
        )

    def test_causes_follow_the_nearest_first(self) -> None:
        try:
            try:
                raise OSError("the line is dead")
            except OSError:
                # Raised while another was handled: that one is the cause, too.
                int("x")
        except ValueError as error:
            failure = raised(ApplicationError("no answer", type="Bank"), error)
        self.assertEqual([cause["type"] for cause in failure["causes"]], ["ValueError", "OSError"])

    def test_a_cause_that_was_hidden_stays_hidden(self) -> None:
        try:
            try:
                raise OSError("secret")
            except OSError:
                raise ValueError("shown") from None
        except ValueError as error:
            self.assertNotIn("causes", json.loads(failure_of(error)))

    def test_long_chains_and_circles_end(self) -> None:
        first = last = ValueError("0")
        for number in range(40):
            last.__cause__ = ValueError(str(number))
            last = last.__cause__  # type: ignore[assignment]
        self.assertEqual(len(json.loads(failure_of(first))["causes"]), CAUSES_MAX)
        last.__cause__ = first
        one = ValueError("one")
        one.__cause__ = one
        self.assertNotIn("causes", json.loads(failure_of(one)))

    def test_what_can_t_be_written_does_not_hide_the_failure(self) -> None:
        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        self.assertEqual(raised(Mute())["type"], "Mute")
        failure = raised(ApplicationError("no", details=object()))
        self.assertIn("can't be written as JSON", failure["details"])
        self.assertEqual(len(raised(ValueError("x" * 100_000))["message"]), 16 * 1024)


class Outcomes(unittest.TestCase):
    def test_a_report_is_json_with_the_token(self) -> None:
        report = json.loads(completed({"a": 1}).report('t"1'))
        self.assertEqual(report, {"token": 't"1', "result": {"a": 1}})
        report = json.loads(canceled(ActivityCancelled("undone", details=[1])).report("t"))
        self.assertEqual(report["canceled"], {"message": "undone", "details": [1]})

    def test_a_result_that_is_no_json_fails(self) -> None:
        report = json.loads(completed(object()).report("t"))
        self.assertEqual(report["failure"]["type"], "InvalidResult")

    def test_how_a_cancelled_function_ended_depends_on_why(self) -> None:
        kind = {
            reason: outcome_of(ActivityCancelled(), reason)
            for reason in (None, CancelReason.REQUESTED, CancelReason.SHUTDOWN)
        }
        self.assertEqual(kind[CancelReason.REQUESTED].kind, "canceled")
        self.assertIn('"WorkerShutdown"', kind[CancelReason.SHUTDOWN].field)
        self.assertNotIn("non_retryable", kind[CancelReason.SHUTDOWN].field)
        self.assertIn('"Cancelled"', kind[None].field)
        self.assertEqual(outcome_of(ValueError(), CancelReason.REQUESTED).kind, "failed")

    def test_a_refused_result_becomes_a_failure_and_a_refused_failure_nothing(self) -> None:
        instead = refused(completed(1), "payload_too_large", "too large")
        assert instead is not None
        failure = json.loads(instead.report("t"))["failure"]
        self.assertEqual((failure["type"], failure["non_retryable"]), ("ResultRefused", True))
        instead = refused(canceled(ActivityCancelled()), "invalid_argument", "nobody asked")
        assert instead is not None
        self.assertNotIn("non_retryable", instead.field)
        self.assertIsNone(refused(failed(ValueError()), "invalid_argument", "no"))
