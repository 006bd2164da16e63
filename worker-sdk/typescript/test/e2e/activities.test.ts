/** What activities do and say, with a real server. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout } from "node:timers/promises";

import {
  ActivityCancelled,
  activityContext,
  ApplicationError,
  type CancelReason,
  defineActivity,
  silentLogger,
  Worker,
  WorkerError,
} from "../../src/index.js";
import { Server } from "./server.js";
import { serving } from "./support.js";

let server: Server;
let queue: string;

before(async () => {
  server = await Server.open();
});
after(() => server.close());
beforeEach(() => {
  queue = randomUUID();
});

/** Never ends by itself. */
async function endless(signal: AbortSignal): Promise<never> {
  return await setTimeout(3_600_000, undefined as never, { signal });
}

test("functions get and give JSON, and know which activity they are", async () => {
  const who = (input: unknown) => {
    const { info } = activityContext();
    const times = info.scheduledAt instanceof Date && info.startedAt instanceof Date;
    return [input, info.workflowId, info.activityType, info.attempt, info.taskQueue, times];
  };
  await serving(server, queue, { "who-1": who }, async () => {
    const run = await server.call(queue, "who-1", { a: [1] });
    const expected = [{ a: [1] }, run, "who-1", 1, queue, true];
    assert.deepEqual(await server.completed(run), expected);
  });
});

test("no more run at a time than there are slots", async () => {
  let running = 0;
  let most = 0;
  const step = async (number: number) => {
    running += 1;
    most = Math.max(most, running);
    await setTimeout(1);
    running -= 1;
    return number;
  };
  const many = async () => {
    const run = await server.run("remote_fan_out", { queue, activity: "step", steps: 100 });
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    assert.deepEqual(await server.completed(run), numbers);
  };
  await serving(server, queue, { step }, many, { slots: 7 });
  assert.ok(most > 1 && most <= 7, `${most}`);
});

test("a failure is told in full", async () => {
  const declined = () => {
    const cause = new TypeError("the line is dead");
    const options = { type: "Declined", details: { code: 51 }, nonRetryable: true, cause };
    throw new ApplicationError("no", options);
  };
  await serving(server, queue, { declined }, async () => {
    const [failure, cause] = await server.failure(await server.call(queue, "declined"));
    assert.equal(failure?.["type"], "Declined");
    assert.deepEqual([failure["details"], failure["non_retryable"]], [{ code: 51 }, true]);
    assert.deepEqual([cause?.["type"], cause?.["message"]], ["TypeError", "the line is dead"]);
  });
});

test("a failed attempt is made again, and told what the first said", async () => {
  const copy = () => {
    const { info, heartbeat, heartbeatDetails } = activityContext();
    if (info.attempt === 1) {
      for (let row = 0; row < 100; row += 1) heartbeat({ row });
      throw new RangeError("broken");
    }
    return [heartbeatDetails, info.lastFailure?.["type"]];
  };
  await serving(server, queue, { copy }, async () => {
    const run = await server.call(queue, "copy");
    assert.deepEqual(await server.completed(run), [{ row: 99 }, "RangeError"]);
  });
});

test("inputs and results that do not fit fail for good", async () => {
  const parse = (input: unknown): number => {
    if (typeof input !== "number") throw new TypeError("a number is needed");
    return input;
  };
  const activities = {
    number: defineActivity({ parse, run: (input) => input }),
    large: () => "x".repeat(3_000_000),
  };
  await serving(server, queue, activities, async () => {
    const [input] = await server.failure(await server.call(queue, "number", "text"));
    assert.equal(input?.["type"], "InvalidInput");
    const [result] = await server.failure(await server.call(queue, "large"));
    assert.equal(result?.["type"], "ResultRefused");
  });
});

test("an activity outlives its lease many times", async () => {
  const long = async () => {
    await setTimeout(9_000);
    return activityContext().info.attempt;
  };
  const once = async () => {
    const run = await server.call(queue, "long", null, { heartbeat_millis: 3_900 });
    assert.equal(await server.completed(run), 1);
  };
  await serving(server, queue, { long }, once, { leaseSeconds: 4 });
});

test("a function ends when the workflow asks, and may say how", async () => {
  const began = new EventTarget();
  let reason: CancelReason | undefined;
  const plain = async () => {
    began.dispatchEvent(new Event("began"));
    await endless(activityContext().signal);
  };
  const careful = async () => {
    try {
      await plain();
    } catch {
      reason = activityContext().cancelReason;
      throw new ActivityCancelled("undone");
    }
  };
  const cancelling = async () => {
    for (const name of ["plain", "careful"]) {
      const beginning = once(began, "began");
      const run = await server.call(queue, name, null, { cancellation: "wait" });
      await beginning;
      await server.cancel(run);
      assert.equal((await server.result(run)).status, "canceled");
    }
  };
  await serving(server, queue, { plain, careful }, cancelling, { leaseSeconds: 1 });
  assert.equal(reason, "requested");
});

test("one that is given up, or takes too long, is told that nobody waits", async () => {
  const began = new EventTarget();
  const reasons: (CancelReason | undefined)[] = [];
  const long = async () => {
    const { info, signal } = activityContext();
    if (info.attempt > 1) return "again";
    began.dispatchEvent(new Event("began"));
    try {
      return await endless(signal);
    } finally {
      reasons.push(activityContext().cancelReason);
      began.dispatchEvent(new Event("ended"));
    }
  };
  const cases = async () => {
    const end = once(began, "ended");
    const late = await server.call(queue, "long", null, { start_to_close_millis: 1_000 });
    assert.equal(await server.completed(late), "again");
    await end;
    const [beginning, ending] = [once(began, "began"), once(began, "ended")];
    const run = await server.call(queue, "long");
    await beginning;
    await server.cancel(run);
    await ending;
    assert.equal((await server.result(run)).status, "canceled");
  };
  await serving(server, queue, { long }, cases, { leaseSeconds: 1 });
  assert.deepEqual(reasons, ["lease_lost", "lease_lost"]);
});

test("a worker that the server does not want ends", async () => {
  const activities = { nothing: () => null };
  const options = { url: server.url, taskQueue: queue, namespace: "nowhere", activities };
  await assert.rejects(new Worker({ ...options, logger: silentLogger }).serve(), WorkerError);
});
