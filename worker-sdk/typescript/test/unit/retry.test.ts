import assert from "node:assert/strict";
import { test } from "node:test";

import { Refused, Unreachable } from "../../src/errors.js";
import { BATCH_BYTES_MAX, BATCH_MAX, batches } from "../../src/protocol.js";
import { Backoff, isRetryable } from "../../src/retry.js";

test("what passes by itself is tried again", () => {
  const cases: [unknown, boolean][] = [
    [new Unreachable("cut"), true],
    [new Refused(503, "unavailable", "", true), true],
    [new Refused(429, "http_429", ""), true],
    [new Refused(502, "http_502", ""), true],
    [new Refused(400, "invalid_argument", ""), false],
    [new Refused(401, "http_401", ""), false],
    [new Refused(404, "namespace_not_found", ""), false],
    [new TypeError(), false],
  ];
  for (const [error, expected] of cases) assert.equal(isRetryable(error), expected, String(error));
});

test("waits double up to a bound, and begin anew", () => {
  const backoff = new Backoff(100, 1_000, () => 1);
  const cut = new Unreachable("");
  const waits = Array.from({ length: 6 }, () => backoff.next(cut));
  assert.deepEqual(waits, [100, 200, 400, 800, 1_000, 1_000]);
  backoff.reset();
  assert.equal(backoff.next(cut), 100);
  assert.equal(new Backoff(100, 1_000, () => 0).next(cut), 50);
});

test("a server is not asked sooner than it says", () => {
  const backoff = new Backoff(100, 1_000, () => 1);
  assert.equal(backoff.next(new Refused(503, "overloaded", "", true, 3)), 3_100);
  assert.equal(backoff.next(new Refused(503, "overloaded", "", true, 1e9)), 60_200);
});

test("entries go together as far as a request may go", () => {
  const counts = (entries: string[]): number[] => batches(entries, (it) => it).map((it) => it.length);
  assert.deepEqual(counts([]), []);
  assert.deepEqual(counts(Array(2 * BATCH_MAX + 1).fill("x")), [BATCH_MAX, BATCH_MAX, 1]);
  const half = "x".repeat(BATCH_BYTES_MAX / 2);
  assert.deepEqual(counts([half, half, "x", half + half + half, "x"]), [2, 1, 1, 1]);
});
