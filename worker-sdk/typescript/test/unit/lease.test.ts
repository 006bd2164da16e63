import assert from "node:assert/strict";
import { test } from "node:test";

import { Lease } from "../../src/lease.js";
import type { Task } from "../../src/protocol.js";
import { task } from "./support.js";

const lease = (fields: Partial<Task> = {}, throttleMs = 2_000): Lease =>
  new Lease(task(fields), 100_000, throttleMs);

test("it is prolonged after a third", () => {
  assert.equal(lease().dueAt, 110_000);
  assert.equal(lease({ heartbeat_timeout_seconds: 3 }).dueAt, 101_000);
  assert.equal(lease({ heartbeat_timeout_seconds: 300 }).dueAt, 110_000);
});

test("it ends when nothing was heard, and never later than the attempt may", () => {
  const one = lease();
  assert.equal(one.endsAt, 130_000);
  one.prolonged(109_000);
  assert.equal(one.endsAt, 139_000);
  one.prolonged(105_000);
  assert.equal(one.endsAt, 139_000);
  assert.equal(lease({ heartbeat_timeout_seconds: 3 }).endsAt, 103_000);
  const short = lease({ start_to_close_timeout_seconds: 35 });
  short.prolonged(110_000);
  assert.equal(short.endsAt, 135_000);
});

test("details are sent soon, and held back after that", () => {
  const one = lease();
  one.note("1");
  assert.ok(one.dueAt <= 100_000);
  assert.equal(one.take(100_500), "1");
  one.note("2");
  one.note("3");
  assert.equal(one.dueAt, 102_500);
  assert.equal(one.take(102_500), "3");
  assert.equal(one.take(103_000), undefined);
  assert.equal(one.hasDetails, false);
});

test("the throttle is not longer than the time between heartbeats", () => {
  const one = lease({ heartbeat_timeout_seconds: 3 }, 60_000);
  one.note("1");
  one.take(100_000);
  one.note("2");
  assert.equal(one.dueAt, 101_000);
});

test("what was not answered is due at once, and does not hide news", () => {
  const one = lease();
  one.note("1");
  one.missed(one.take(100_000));
  assert.ok(one.dueAt < 100_000);
  assert.equal(one.take(101_000), "1");
  one.note("2");
  one.missed("1");
  assert.equal(one.take(102_000), "2");
});

test("others go along once half of their time is over", () => {
  assert.equal(lease().isWorthJoining(104_000), false);
  assert.equal(lease().isWorthJoining(105_000), true);
});
