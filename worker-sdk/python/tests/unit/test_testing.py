"""What users' tests use."""

from __future__ import annotations

import asyncio
import unittest
from dataclasses import dataclass

from dacapo_worker import ActivityCancelled, activity_context, activity_info, heartbeat
from dacapo_worker.errors import PayloadError
from dacapo_worker.testing import ActivityTester


@dataclass
class Job:
    rows: int


def copy(job: Job) -> int:
    start = activity_context().heartbeat_details(int) or 0
    for row in range(start, job.rows):
        heartbeat(row + 1)
    return job.rows - start


async def wait_long() -> str:
    heartbeat("began")
    await asyncio.sleep(3600)
    return "never"


class Testing(unittest.TestCase):
    def test_an_activity_runs_without_a_server(self) -> None:
        tester = ActivityTester()
        self.assertEqual(tester.run(copy, Job(3)), 3)
        self.assertEqual(tester.heartbeats, [1, 2, 3])

    def test_it_goes_on_where_the_attempt_before_has_stopped(self) -> None:
        tester = ActivityTester(heartbeat_details=2)
        self.assertEqual(tester.run(copy, Job(3)), 1)

    def test_inputs_go_through_json(self) -> None:
        self.assertEqual(ActivityTester().run(copy, {"rows": 1}), 1)
        with self.assertRaises(PayloadError):
            ActivityTester().run(copy, {"rows": "many"})

    def test_an_activity_can_be_cancelled(self) -> None:
        tester = ActivityTester(on_heartbeat=lambda details: tester.cancel())
        with self.assertRaises(ActivityCancelled):
            tester.run(copy, Job(3))
        self.assertEqual(tester.heartbeats, [1])
        other = ActivityTester(on_heartbeat=lambda details: other.cancel())
        with self.assertRaises(asyncio.CancelledError):
            other.run(wait_long)

    def test_what_it_raises_is_raised(self) -> None:
        def broken() -> None:
            raise KeyError("a")

        with self.assertRaises(KeyError):
            ActivityTester().run(broken)

    def test_the_task_can_be_made_up(self) -> None:
        def who() -> list[object]:
            info = activity_info()
            headers = dict(activity_context().trace_headers)
            return [info.attempt, info.idempotency_key, headers]

        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        tester = ActivityTester(
            info={"attempt": 3, "run_id": "r", "trace_context": {"traceparent": parent, "x": "y"}}
        )
        self.assertEqual(tester.run(who), [3, "r-1", {"traceparent": parent}])
