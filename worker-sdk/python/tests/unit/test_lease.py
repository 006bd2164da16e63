from __future__ import annotations

import unittest
from typing import Any

from dacapo_worker.lease import Lease


def lease(throttle: float = 2.0, **task: Any) -> Lease:
    return Lease({"lease_seconds": 30, **task}, 100.0, throttle)


class Leases(unittest.TestCase):
    def test_it_is_prolonged_after_a_third(self) -> None:
        self.assertEqual(lease().due_at, 110.0)
        self.assertEqual(lease(heartbeat_timeout_seconds=3).due_at, 101.0)
        self.assertEqual(lease(heartbeat_timeout_seconds=300).due_at, 110.0)

    def test_it_ends_when_nothing_was_heard(self) -> None:
        one = lease()
        self.assertEqual(one.ends_at, 130.0)
        one.prolonged(109.0)
        self.assertEqual(one.ends_at, 139.0)
        # An answer that comes late does not shorten it.
        one.prolonged(105.0)
        self.assertEqual(one.ends_at, 139.0)
        self.assertEqual(lease(heartbeat_timeout_seconds=3).ends_at, 103.0)

    def test_it_never_ends_later_than_the_attempt_may(self) -> None:
        one = lease(start_to_close_timeout_seconds=35)
        one.prolonged(110.0)
        self.assertEqual(one.ends_at, 135.0)
        self.assertEqual(lease(start_to_close_timeout_seconds=5).ends_at, 105.0)

    def test_details_are_sent_soon_and_held_back_after_that(self) -> None:
        one = lease()
        one.note("1")
        self.assertLessEqual(one.due_at, 100.0)
        self.assertEqual(one.take(100.5), "1")
        one.note("2")
        one.note("3")
        self.assertEqual(one.due_at, 102.5)
        self.assertEqual(one.take(102.5), "3")
        self.assertIsNone(one.take(103.0))
        self.assertFalse(one.has_details)

    def test_the_throttle_is_not_longer_than_the_time_between_heartbeats(self) -> None:
        one = lease(throttle=60, heartbeat_timeout_seconds=3)
        one.note("1")
        one.take(100.0)
        one.note("2")
        self.assertEqual(one.due_at, 101.0)

    def test_what_was_not_answered_is_due_at_once_and_does_not_hide_news(self) -> None:
        one = lease()
        one.note("1")
        one.missed(one.take(100.0))
        self.assertLess(one.due_at, 100.0)
        self.assertEqual(one.take(101.0), "1")
        one.note("2")
        one.missed("1")
        self.assertEqual(one.take(102.0), "2")

    def test_others_go_along_once_half_of_their_time_is_over(self) -> None:
        one = lease()
        self.assertFalse(one.worth_joining(104.0))
        self.assertTrue(one.worth_joining(105.0))
