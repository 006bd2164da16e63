from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from dacapo_worker import FixedSlots, Load, ResourceSlots
from dacapo_worker.load import LoadReader
from dacapo_worker.slots import PollScale, SlotCount


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Fixed(unittest.TestCase):
    def test_a_worker_never_asks_for_more_than_it_has_room_for(self) -> None:
        slots = SlotCount(FixedSlots(3))
        slots.take(2)
        self.assertEqual(slots.room(), 1)
        slots.take(1)
        self.assertEqual(slots.room(), 0)
        slots.give_back(2)
        self.assertEqual(slots.room(), 2)

    def test_no_slots_are_a_mistake(self) -> None:
        with self.assertRaises(ValueError):
            FixedSlots(0)


class Resources(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.load = Load(0.1, 0.1)
        self.slots = ResourceSlots(
            cpu=0.8, memory=0.9, minimum=2, maximum=20, load=lambda: self.load, clock=self.clock
        )

    def limit_later(self, in_hand: int) -> int:
        self.clock.now += 1.0
        return self.slots.limit(in_hand)

    def test_there_are_more_while_they_are_used_and_the_machine_has_room(self) -> None:
        limit, seen = 2, []
        for _ in range(12):
            limit = self.limit_later(limit)
            seen.append(limit)
        self.assertEqual(seen, [3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 20, 20])

    def test_unused_ones_do_not_grow(self) -> None:
        self.assertEqual(self.limit_later(1), 2)

    def test_there_are_fewer_above_either_target_down_to_the_minimum(self) -> None:
        for _ in range(12):
            self.limit_later(20)
        self.load = Load(0.85, 0.1)
        self.assertEqual(self.limit_later(20), 15)
        self.load = Load(0.1, 0.95)
        self.assertEqual([self.limit_later(20) for _ in range(12)][-1], 2)

    def test_the_load_is_not_looked_at_too_often(self) -> None:
        self.assertEqual(self.limit_later(2), 3)
        self.assertEqual(self.slots.limit(3), 3)

    def test_targets_must_make_sense(self) -> None:
        for wrong in ({"cpu": 0.0}, {"memory": 1.5}, {"minimum": 0}, {"minimum": 9, "maximum": 8}):
            with self.assertRaises(ValueError):
                ResourceSlots(load=lambda: self.load, **wrong)  # type: ignore[arg-type]


class Loads(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.proc = Path(folder.name) / "proc"
        self.group = Path(folder.name) / "cgroup"
        self.proc.mkdir()
        self.group.mkdir()
        self.stat(busy=100, idle=100)
        (self.proc / "meminfo").write_text(
            "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n"
        )
        self.clock = Clock()

    def stat(self, busy: int, idle: int) -> None:
        (self.proc / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 1 1 1\n")

    def reader(self) -> LoadReader:
        return LoadReader(self.proc, self.group, self.clock)

    def test_the_machine_counts_since_the_last_look(self) -> None:
        read = self.reader()
        self.stat(busy=130, idle=110)
        self.assertEqual(read(), Load(0.75, 0.6))
        self.stat(busy=130, idle=120)
        self.assertEqual(read().cpu, 0.0)
        self.assertEqual(read().cpu, 0.0)

    def test_the_limits_of_a_control_group_count(self) -> None:
        (self.group / "cpu.max").write_text("50000 100000\n")
        (self.group / "cpu.stat").write_text("usage_usec 1000000\n")
        (self.group / "memory.max").write_text("1000\n")
        (self.group / "memory.current").write_text("900\n")
        (self.group / "memory.stat").write_text("anon 1\ninactive_file 100\n")
        read = self.reader()
        self.clock.now = 2.0
        (self.group / "cpu.stat").write_text("usage_usec 1900000\n")
        self.stat(busy=101, idle=199)
        load = read()
        self.assertAlmostEqual(load.cpu, 0.9)
        self.assertAlmostEqual(load.memory, 0.8)

    def test_a_group_without_limits_is_the_machine(self) -> None:
        (self.group / "cpu.max").write_text("max 100000\n")
        (self.group / "memory.max").write_text("max\n")
        (self.group / "memory.current").write_text("900\n")
        self.assertAlmostEqual(self.reader()().memory, 0.6)

    def test_a_machine_that_says_nothing_is_told_at_the_start(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "FixedSlots"):
            LoadReader(self.proc / "none", self.group)


class Scale(unittest.TestCase):
    def test_one_poll_asks_for_all_the_room(self) -> None:
        scale = PollScale(4)
        self.assertEqual(scale.share(room=10, under_way=0, most=1000), 10)
        self.assertEqual(scale.share(room=10, under_way=1, most=1000), 0)
        self.assertEqual(scale.share(room=0, under_way=0, most=1000), 0)
        self.assertEqual(scale.share(room=5000, under_way=0, most=1000), 1000)

    def test_there_are_more_while_they_come_back_full_and_fewer_when_empty(self) -> None:
        scale = PollScale(3)
        for _ in range(5):
            scale.learn(asked=2, got=2)
        self.assertEqual(scale.wanted, 3)
        self.assertEqual(scale.share(room=10, under_way=1, most=1000), 5)
        scale.learn(asked=2, got=1)
        self.assertEqual(scale.wanted, 3)
        for _ in range(5):
            scale.learn(asked=2, got=0)
        self.assertEqual(scale.wanted, 1)
