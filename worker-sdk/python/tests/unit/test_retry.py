from __future__ import annotations

import unittest

from dacapo_worker.api import BATCH_BYTES_MAX, BATCH_MAX, PollRequest, batches
from dacapo_worker.errors import Refused, Unreachable
from dacapo_worker.retry import Backoff, is_retryable


class Retries(unittest.TestCase):
    def test_what_passes_by_itself_is_tried_again(self) -> None:
        cases = [
            (Unreachable("cut"), True),
            (Refused(503, "unavailable", "", retryable=True), True),
            (Refused(429, "http_429", ""), True),
            (Refused(502, "http_502", ""), True),
            (Refused(500, "internal", "", retryable=True), True),
            (Refused(400, "invalid_argument", ""), False),
            (Refused(401, "http_401", ""), False),
            (Refused(404, "namespace_not_found", ""), False),
            (ValueError(), False),
        ]
        for error, expected in cases:
            with self.subTest(str(error)):
                self.assertIs(is_retryable(error), expected)

    def test_waits_double_up_to_a_bound_and_begin_anew(self) -> None:
        backoff = Backoff(initial=0.1, maximum=1.0, random=lambda: 1.0)
        waits = [backoff.next(Unreachable("")) for _ in range(6)]
        self.assertEqual(waits, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
        backoff.reset()
        self.assertEqual(backoff.next(Unreachable("")), 0.1)
        for _ in range(3_000):
            backoff.next(Unreachable(""))

    def test_jitter_takes_up_to_half_of_a_wait(self) -> None:
        self.assertEqual(Backoff(1.0, 9.0, lambda: 0.0).next(Unreachable("")), 0.5)

    def test_a_server_is_not_asked_sooner_than_it_says(self) -> None:
        backoff = Backoff(initial=0.1, maximum=1.0, random=lambda: 1.0)
        busy = Refused(503, "overloaded", "", retryable=True, retry_after=3)
        self.assertEqual(backoff.next(busy), 3.1)
        forever = Refused(503, "overloaded", "", retry_after=1e9)
        self.assertEqual(backoff.next(forever), 60.2)


class Batches(unittest.TestCase):
    def test_entries_go_together_as_far_as_a_request_may_go(self) -> None:
        self.assertEqual(list(batches([])), [])
        self.assertEqual(list(batches([1] * (2 * BATCH_MAX + 1))), [BATCH_MAX, BATCH_MAX, 1])
        half = BATCH_BYTES_MAX // 2
        self.assertEqual(list(batches([half, half, 1, 9 * half, 1])), [2, 1, 1, 1])


class Polls(unittest.TestCase):
    def test_whole_numbers_are_written_without_a_point(self) -> None:
        request = PollRequest("q", "me", None, ["a"], 20.0, 1.5)
        self.assertEqual(
            request.body(3),
            b'{"identity": "me", "activity_types": ["a"], "max_tasks": 3, "wait_seconds": 20, '
            b'"lease_seconds": 1.5}',
        )
