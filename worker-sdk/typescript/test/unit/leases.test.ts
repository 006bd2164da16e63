import assert from "node:assert/strict";
import { test } from "node:test";

import { Refused, Unreachable } from "../../src/errors.js";
import { LeaseKeeper } from "../../src/leases.js";
import { silentLogger } from "../../src/logger.js";
import type { HeartbeatResult } from "../../src/protocol.js";
import { Backoff } from "../../src/retry.js";
import { Answers, attempt, Clock } from "./support.js";

const HELD: HeartbeatResult = { held: true, cancel_requested: false, paused: false };

function keeping(...given: (Error | HeartbeatResult | HeartbeatResult[])[]) {
  const answers = new Answers<HeartbeatResult>(...given);
  const clock = new Clock();
  const backoff = new Backoff(1_000, 9_000, () => 1);
  const api = { heartbeats: answers.give };
  const keeper = new LeaseKeeper(api, silentLogger, backoff, clock.read);
  const beat = (at: number): Promise<void> => keeper.beat((clock.now = at));
  return { keeper, beat, asked: answers.asked };
}

test("one request keeps all that are in hand", async () => {
  const { keeper, beat, asked } = keeping(HELD);
  const attempts = [attempt("a", 0), attempt("b", 4_000), attempt("c", 9_000)];
  attempts.forEach((one) => keeper.add(one));
  await beat(9_900);
  assert.deepEqual(asked, []);
  await beat(10_000);
  assert.deepEqual(asked, [[{ token: "a" }, { token: "b" }]]);
  assert.deepEqual(attempts.map((one) => one.lease.endsAt), [40_000, 40_000, 39_000]);
});

test("what was said goes along", async () => {
  const { keeper, beat, asked } = keeping(HELD);
  const one = attempt("a");
  keeper.add(one);
  one.lease.note('{"rows":7}');
  await beat(100);
  assert.deepEqual(asked, [[{ token: "a", details: { rows: 7 } }]]);
});

test("the server says what becomes of an attempt", async () => {
  const lost: HeartbeatResult = { held: false, error: { code: "lease_lost", message: "gone" } };
  const answer = [{ ...HELD, cancel_requested: true }, lost, { ...HELD, paused: true }];
  const { keeper, beat } = keeping(answer);
  const attempts = ["a", "b", "c"].map((token) => attempt(token));
  attempts.forEach((one) => keeper.add(one));
  await beat(10_000);
  const reasons = attempts.map((one) => one.cancelReason);
  assert.deepEqual(reasons, ["requested", "lease_lost", undefined]);
  assert.deepEqual(keeper.due(20_000).map((one) => one.token), ["a", "c"]);
});

test("without an answer it tries again until the leases end", async () => {
  const cut = new Unreachable("cut");
  const { keeper, beat, asked } = keeping(cut, cut, HELD);
  const one = attempt("a");
  keeper.add(one);
  one.lease.note("1");
  for (const at of [10_000, 10_900, 11_000, 13_000]) await beat(at);
  assert.deepEqual(asked.map((entry) => entry[0]?.["details"]), [1, 1, 1]);
  assert.equal(one.cancelReason, undefined);
  await beat(43_000);
  assert.equal(one.cancelReason, "lease_lost");
});

test("details that the server does not take do not cost the lease", async () => {
  const busy = { held: false, error: { code: "unavailable", retryable: true } };
  const { keeper, beat, asked } = keeping(new Refused(413, "payload_too_large", ""), busy, HELD);
  const one = attempt("a");
  keeper.add(one);
  one.lease.note("1");
  for (const at of [10_000, 11_000, 13_000]) await beat(at);
  assert.deepEqual(asked, [[{ token: "a", details: 1 }], [{ token: "a" }], [{ token: "a" }]]);
  assert.equal(one.cancelReason, undefined);
});

test("the last details are sent before a failure is", async () => {
  const { keeper, asked } = keeping(HELD);
  const one = attempt("a");
  keeper.add(one);
  await keeper.flush(one);
  one.lease.note("5");
  await keeper.flush(one);
  await keeper.flush(one);
  assert.deepEqual(asked, [[{ token: "a", details: 5 }]]);
});
