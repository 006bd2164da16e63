import assert from "node:assert/strict";
import { test } from "node:test";

import { DurablePromise, NativePromise, currentContext, runJobs, takeUnhandled, waitsForEngine, withContext } from "../src/promise.js";

/** What comes of a promise once nothing more can go on. */
function settled(promise: Promise<unknown>): unknown {
  let end: unknown = "pending";
  promise.then((value) => (end = value), (error) => (end = ["rejected", error]));
  runJobs();
  return end;
}

test("combinators do what those of the language do", () => {
  const P = DurablePromise;
  assert.deepEqual(settled(P.all([1, P.resolve(2)])), [1, 2]);
  assert.deepEqual(settled(P.all([])), []);
  assert.deepEqual(settled(P.all([P.reject("no"), 1])), ["rejected", "no"]);
  assert.equal(settled(P.race([new P(() => undefined), P.resolve("first")])), "first");
  assert.equal(settled(P.any([P.reject(1), P.resolve(2)])), 2);
  const none = settled(P.any([P.reject(1)])) as [string, AggregateError];
  assert.deepEqual(none[1].errors, [1]);
  assert.deepEqual(settled(P.allSettled([P.reject(1), 2])), [
    { status: "rejected", reason: 1 },
    { status: "fulfilled", value: 2 },
  ]);
  assert.equal(settled(P.resolve(1).finally(() => 2)), 1);
  assert.deepEqual(settled(P.resolve(1).finally(() => P.reject(3))), ["rejected", 3]);
  assert.equal(settled(P.resolve(P.resolve(P.resolve(1)))), 1);
});

test("jobs go on in the order in which they were made", () => {
  const order: number[] = [];
  DurablePromise.resolve().then(() => order.push(1)).then(() => order.push(3));
  DurablePromise.resolve().then(() => order.push(2));
  runJobs();
  assert.deepEqual(order, [1, 2, 3]);
});

test("what goes on later has the context that it had before", () => {
  const seen: unknown[] = [];
  const look = () => void seen.push(currentContext());
  const promise = withContext("inside", () => DurablePromise.resolve().then(look).then(look));
  promise.then(look);
  runJobs();
  assert.deepEqual(seen, ["inside", "inside", undefined]);
});

test("a rejection that nobody looks at is told once", () => {
  DurablePromise.reject("lost");
  DurablePromise.reject("caught").catch(() => undefined);
  runJobs();
  assert.deepEqual(takeUnhandled(), ["lost"]);
  assert.deepEqual(takeUnhandled(), []);
});

test("promises of the engine are waited for", async () => {
  const { promise, resolve } = (() => {
    let resolve!: (value: number) => void;
    const promise = new NativePromise<number>((it) => (resolve = it));
    return { promise, resolve };
  })();
  let seen: unknown;
  DurablePromise.resolve(promise).then((value) => (seen = value));
  runJobs();
  assert.equal(waitsForEngine(), true);
  resolve(7);
  await new NativePromise((later) => setImmediate(later));
  runJobs();
  assert.deepEqual([seen, waitsForEngine()], [7, false]);
});
