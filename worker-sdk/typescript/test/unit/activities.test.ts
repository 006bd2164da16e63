import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";

import { Attempt } from "../../src/attempt.js";
import { makeContext } from "../../src/context.js";
import { execute } from "../../src/execute.js";
import {
  type Activities,
  ActivityCancelled,
  activityContext,
  ApplicationError,
  type CancelReason,
  defineActivity,
  Worker,
} from "../../src/index.js";
import { silentLogger } from "../../src/logger.js";
import { report } from "../../src/outcome.js";
import { Registry } from "../../src/registry.js";
import { ActivityTester } from "../../src/testing.js";
import { attempt, task } from "./support.js";

async function run(activity: Activities[string], input?: unknown, during?: (one: Attempt) => void) {
  const one = attempt();
  const context = makeContext({
    info: one.info,
    logger: silentLogger,
    signal: one.signal,
    cancelReason: () => one.cancelReason,
    heartbeatDetails: undefined,
    send: () => undefined,
  });
  const definition = new Registry({ a: activity }).get("a");
  assert.ok(definition);
  const outcome = execute(definition, task({ input }), context);
  during?.(one);
  const { token: _, ...rest } = JSON.parse(report(await outcome, "t"));
  return rest;
}

test("functions know where they are", async () => {
  const where = (input: number) => [input, activityContext().info.workflowId];
  assert.deepEqual(await run(where, 3), { result: [3, "w"] });
  assert.throws(activityContext, /no activity here/);
});

test("an input that does not fit fails for good", async () => {
  const parse = (input: unknown): number => {
    if (typeof input !== "number") throw new TypeError("a number is needed");
    return input;
  };
  const activity = defineActivity({ parse, run: (input) => input + 1 });
  assert.deepEqual(await run(activity, 3), { result: 4 });
  const { failure } = await run(activity, "x");
  assert.deepEqual([failure.type, failure.non_retryable], ["InvalidInput", true]);
  assert.match(failure.message, /a number is needed/);
});

test("whatever is thrown is an outcome, now or later", async () => {
  const now = () => {
    throw new RangeError("a");
  };
  for (const activity of [now, async () => now()]) {
    assert.equal((await run(activity)).failure.type, "RangeError");
  }
});

test("a signal ends what listens to it, and why decides what is reported", async () => {
  const waiting = async () => await setTimeout(60_000, 0, { signal: activityContext().signal });
  const cancelled = (reason: CancelReason) => run(waiting, null, (one) => one.cancel(reason));
  assert.deepEqual(await cancelled("requested"), { canceled: {} });
  assert.equal((await cancelled("shutdown")).failure.type, "WorkerShutdown");
  const itself = () => Promise.reject(new ActivityCancelled());
  assert.equal((await run(itself)).failure.type, "Cancelled");
});

test("a cancelled function may say more, go on, or fail", async () => {
  const cancel = (one: Attempt) => void one.cancel("requested");
  const ended = async (end: () => unknown) =>
    await run(
      () =>
        new Promise((resolve, reject) => {
          activityContext().signal.addEventListener("abort", () => {
            try {
              resolve(end());
            } catch (error) {
              reject(error as Error);
            }
          });
        }),
      null,
      cancel,
    );
  const undone = () => {
    throw new ActivityCancelled("undone", "requested", { details: { rows: 3 } });
  };
  assert.deepEqual(await ended(undone), { canceled: { message: "undone", details: { rows: 3 } } });
  assert.deepEqual(await ended(() => 7), { result: 7 });
  const broken = () => {
    throw new ApplicationError("it broke", { type: "Broke" });
  };
  assert.equal((await ended(broken)).failure.type, "Broke");
});

test("a lost lease overrides every other reason", () => {
  const one = attempt();
  assert.equal(one.cancel("requested"), true);
  assert.equal(one.cancel("shutdown"), false);
  assert.equal(one.cancel("lease_lost"), true);
  assert.equal(one.cancel("requested"), false);
  assert.equal(one.lost, true);
});

const copy = async (job: { rows: number }) => {
  const context = activityContext();
  const start = typeof context.heartbeatDetails === "number" ? context.heartbeatDetails : 0;
  for (let row = start; row < job.rows; row += 1) {
    context.heartbeat(row + 1);
    context.signal.throwIfAborted();
  }
  return job.rows - start;
};

test("an activity runs in a test without a server", async () => {
  const tester = new ActivityTester();
  assert.equal(await tester.run(copy, { rows: 3 }), 3);
  assert.deepEqual(tester.heartbeats, [1, 2, 3]);
  assert.equal(await new ActivityTester({ heartbeatDetails: 2 }).run(copy, { rows: 3 }), 1);
});

test("a test may cancel, and make up the task", async () => {
  const tester: ActivityTester = new ActivityTester({ onHeartbeat: () => tester.cancel() });
  await assert.rejects(tester.run(copy, { rows: 3 }), ActivityCancelled);
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const other = new ActivityTester({ info: { attempt: 3, traceContext: { traceparent, x: "y" } } });
  const seen = await other.run((_: null, { info, traceHeaders }) => [info.attempt, traceHeaders]);
  assert.deepEqual(seen, [3, { traceparent }]);
});

test("the details of a heartbeat are bounded", async () => {
  const tester = new ActivityTester();
  const much = () => activityContext().heartbeat("x".repeat(70_000));
  await assert.rejects(tester.run(much), /65536 bytes/);
});

test("what can't be of a worker is refused", async () => {
  const wrong = [
    { taskQueue: "" },
    { leaseSeconds: 0.5 },
    { leaseSeconds: NaN },
    { pollWaitSeconds: 61 },
    { slots: 0 },
    { identity: "x".repeat(256) },
  ];
  for (const options of wrong) {
    assert.throws(() => new Worker({ taskQueue: "q", ...options }), RangeError);
  }
  const worker = new Worker({ taskQueue: "q", activities: { copy } });
  assert.throws(() => worker.register("copy", copy), /registered already/);
  await assert.rejects(new Worker({ taskQueue: "q" }).serve(), /register some/);
});
