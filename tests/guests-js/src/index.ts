/** The workflows of the list, in its order. */

import {
  CancellationScope,
  Failure,
  activityType,
  continueAsNew,
  continuedFailure,
  external,
  isCancelled,
  memo,
  publish,
  query,
  race,
  searchAttributes,
  shielded,
  sideEffect,
  signal,
  sleep,
  update,
  updatesFinished,
  upsertMemo,
  upsertSearchAttributes,
  version,
  waitUntil,
  withTimeout,
  workflow,
  workflowInfo,
} from "@dacapo/workflow";

import { attemptInfo, countTo, crash, double, echo, flaky, forbidden, noop, post, refuse, waitCancel } from "./activities.js";

export * from "./activities.js";

const DAY = "1 day";
const AT_ONCE = { initialInterval: 1 };

interface Millis {
  millis: number;
}

/** The types of a failure. */
function types(error: unknown): string[] {
  return Failure.from(error).chain().map((it) => it.type);
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it should have failed");
}

// Steps and time

export const sequential = workflow("sequential", async ({ steps }: { steps: number }) => {
  for (let step = 0; step < steps; step += 1) await noop();
  return steps;
});

export const fanOut = workflow("fan_out", async ({ steps }: { steps: number }) =>
  Promise.all(Array.from({ length: steps }, (_, number) => double(number))),
);

export const raced = workflow("race", async ({ millis }: Millis) => first(millis));

const first = (millis: number) =>
  race([() => waitCancel().then(() => "activity"), () => sleep(millis).then(() => "timer")]);

export const timer = workflow("timer", async ({ millis }: Millis) => {
  const before = Date.now();
  await sleep(millis);
  return Date.now() - before >= millis;
});

const pause = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis));

export const nativeSleep = workflow("native_sleep", async ({ millis }: Millis) => {
  const before = Date.now();
  await pause(millis);
  return Date.now() - before >= millis;
});

export const nativeTimers = workflow("native_timers", async () => {
  const fired: number[] = [];
  await Promise.all([300, 100, 200].map((millis) => pause(millis).then(() => fired.push(millis))));
  return fired;
});

interface Drawn {
  now: number;
  random: number;
  uuid: string;
}

const draw = (): Drawn => ({ now: Date.now(), random: Math.random(), uuid: crypto.randomUUID() });

export const clockAndRandom = workflow("clock_and_random", async () => {
  const first = (await echo(draw())) as Drawn;
  await sleep(20);
  const second = (await echo(draw())) as Drawn;
  return {
    clock: second.now >= first.now + 20,
    random: second.random !== first.random,
    uuid: second.uuid !== first.uuid,
  };
});

export const condition = workflow("condition", async () => {
  let votes = 0;
  void (async () => {
    for await (const _ of signal("vote")) votes += 1;
  })();
  await waitUntil(() => votes >= 2);
  return votes;
});

export const deadline = workflow("deadline", async ({ millis }: Millis) => {
  try {
    return await withTimeout(millis, () => waitCancel());
  } catch (error) {
    if (error instanceof Failure && error.is("Elapsed")) return "elapsed";
    throw error;
  }
});

// Messages

const go = signal("go");
const word = signal<number>("word");
const begin = signal("begin");

export const signalled = workflow("signal", async () => go.next());

export const bufferedSignals = workflow("buffered_signals", async ({ count }: { count: number }) => {
  await begin.next();
  const words: number[] = [];
  while (words.length < count) words.push(await word.next());
  return words;
});

export const stages = workflow("stages", async () => {
  let stage = "waiting";
  query("stage", () => stage);
  query("times", (number: number) => 2 * number);
  query("act", () => void sleep(1));
  query("crash", () => {
    throw new TypeError("a bug in the query");
  });
  await go.next();
  stage = "done";
});

export const cart = workflow("cart", async () => {
  const items: string[] = [];
  let isClosed = false;
  update<string, number>("add", {
    validate(item) {
      if (item === "") throw new Failure("NoItem", "an item has a name");
    },
    handle: (item) => items.push(item),
  });
  update<string, number>("add_slowly", async (item) => {
    await noop();
    return items.push(item);
  });
  update("check_out", () => {
    isClosed = true;
    return null;
  });
  await waitUntil(() => isClosed);
  await updatesFinished();
  return items;
});

export const publishes = workflow("publishes", async () => {
  publish("status", "packing");
  await go.next();
  publish("status", "shipped");
});

// Other runs

export const square = workflow("square", async (number: number) => number * number);

export const parent = workflow("parent", async ({ number }: { number: number }) => square(number));

export const parentOfFailure = workflow("parent_of_failure", async () => types(await failureOf(fails())));

export const nudge = workflow("nudge", async ({ text }: { text: string }) => {
  const child = await signalled.start();
  await child.signal("go", text);
  return child.result();
});

interface Leave {
  policy: "abandon" | "terminate" | "request_cancel";
  workflow_id: string;
}

export const leaves = workflow("leaves", async ({ policy, workflow_id: workflowId }: Leave) => {
  const parentClosePolicy = policy === "request_cancel" ? "request-cancel" : policy;
  const child = await signalled.with({ workflowId, parentClosePolicy }).start();
  return { workflow_id: child.workflowId };
});

export const tells = workflow("tells", async ({ to }: { to: string }) => {
  await external(to).signal(go, 5);
  const failure = await failureOf(external("nobody-has-this-id").signal(go, 5));
  return [null, types(failure)];
});

export const cancels = workflow("cancels", async ({ to }: { to: string }) => {
  await external(to).cancel("enough");
});

interface Relay {
  count: number;
  taken: number[];
}

export const relay = workflow("relay", async ({ count, taken }: Relay): Promise<number[]> => {
  if (taken.length === 0) await begin.next();
  taken.push(await word.next());
  await noop();
  if (taken.length === count) return taken;
  return continueAsNew<Relay>({ count, taken });
});

export const tries = workflow("tries", async () => {
  const { attempt } = workflowInfo();
  if (attempt === 1) throw new Failure("NotYet", "attempt 1");
  return { attempt, before: continuedFailure()?.type };
});

// Failures and bugs

export const fails = workflow("fails", async () => {
  const cause = new Failure("Inner", "the reason");
  throw new Failure("Refused", "it is refused", { nonRetryable: true, details: { code: 7 }, cause });
});

export const seesFailure = workflow("sees_failure", async () => {
  const refusal = { type: "Declined", message: "no funds", non_retryable: true, details: [1, 2] };
  const failure = await failureOf(refuse(refusal));
  const declined = failure.chain()[1];
  return { types: types(failure), message: declined?.message, details: declined?.details };
});

export const seesCrash = workflow("sees_crash", async () => {
  const retry = { ...AT_ONCE, maximumAttempts: 2 };
  return types(await failureOf(crash.with({ retry })())).length;
});

export const retries = workflow("retries", async () => flaky.with({ retry: AT_ONCE })({ succeed_at: 3 }));

export const retriesNot = workflow("retries_not", async () => {
  const retry = { ...AT_ONCE, nonRetryableTypes: ["Listed"] };
  return types(await failureOf(refuse.with({ retry })({ type: "Listed", message: "m", non_retryable: false })));
});

export const unknownActivity = workflow("unknown_activity", async () =>
  types(await failureOf(activityType<null, void>("nobody_defines_this")(null))),
);

function stumble(): never {
  throw new TypeError("a bug in the workflow");
}

export const bug = workflow("bug", async () => {
  await noop();
  stumble();
});

export const hoards = workflow("hoards", async () => {
  await noop();
  const kept: Uint8Array[] = [];
  for (;;) kept.push(new Uint8Array(1 << 20).fill(kept.length));
});

export const spins = workflow("spins", async () => {
  await noop();
  for (;;);
});

export const huge = workflow("huge", async () => "x".repeat(3 * 1024 * 1024));

export const callsForbidden = workflow("calls_forbidden", async () => {
  await failureOf(forbidden.with({ retry: { maximumAttempts: 1 } })());
  return "failed";
});

// Cancellation

export const cleansUp = workflow("cleans_up", async () => {
  try {
    await sleep(DAY);
  } catch (error) {
    if (isCancelled(error)) await shielded(() => noop());
    throw error;
  }
});

export const scope = workflow("scope", async () => {
  const part = new CancellationScope();
  const inside = part.run(() => Promise.allSettled([waitCancel(), sleep(DAY)]));
  await signal("stop").next();
  part.cancel("stop");
  const ends = await inside;
  await noop();
  return ends.map((end) => end.status === "rejected" && isCancelled(end.reason));
});

export const asks = workflow("asks", async () => {
  const part = new CancellationScope();
  const waiting = part.run(() => failureOf(waitCancel.with({ cancellation: "wait" })()));
  await signal("stop").next();
  part.cancel("stop");
  const failure = await waiting;
  return { cancelled: failure.isCancelled, types: types(failure), message: failure.chain().at(-1)?.message };
});

export const parentCancelled = workflow("parent_cancelled", async () => signalled());

// What is recorded beside steps

export const heartbeats = workflow("heartbeats", async () =>
  countTo.with({ heartbeat: "10s", retry: AT_ONCE })({ n: 3, fail_after: 2 }),
);

export const versions = workflow("versions", async () => {
  const first = version("conformance", 0, 1);
  await sleep(1);
  return [first, version("conformance", 0, 1)];
});

export const sideEffects = workflow("side_effects", async () => {
  const dice = sideEffect("dice", () => 7);
  await sleep(1);
  return [dice, sideEffect("pair", () => [1, "a"])];
});

export const memos = workflow("memo", async () => {
  upsertMemo({ step: { at: "packing" } });
  upsertMemo({ gone: 1 });
  await sleep(1);
  upsertMemo({ gone: undefined });
  const { step, gone } = memo();
  return [step, gone ?? null];
});

export const attributes = workflow("search_attributes", async () => {
  upsertSearchAttributes({
    customer: "c-17",
    labels: ["a", "b"],
    title: { text: "a new life" },
    big: 9007199254740993n,
    share: 0.5,
    paid: true,
    due: new Date("2030-01-02T03:04:05Z"),
  });
  return Object.keys(searchAttributes()).sort();
});

export const logs = workflow("logs", async () => {
  console.log("conformance before");
  await sleep(30);
  console.log("conformance after");
  await noop();
});

export const payloads = workflow("payloads", async (value: unknown) => echo(value));

export const nothing = workflow("nothing", async () => {
  await noop();
});

export const about = workflow("about", async () => {
  const { workflowType, workflowId, attempt } = workflowInfo();
  return { workflow_type: workflowType, workflow_id: workflowId, attempt, activity: await attemptInfo() };
});

export const options = workflow("options", async ({ queue }: { queue: string }) => {
  const step = activityType<number, string>("step", {
    taskQueue: queue,
    startToClose: "5s",
    scheduleToClose: "60s",
    scheduleToStart: "50s",
    heartbeat: "4s",
    priority: 1,
    fairnessKey: "tenant-7",
    fairnessWeight: 2.5,
    retry: {
      initialInterval: 10,
      backoffCoefficient: 1.5,
      maximumInterval: "1s",
      maximumAttempts: 4,
      nonRetryableTypes: ["A", "B"],
    },
  });
  return step(1);
});

export const posts = workflow("posts", async ({ url }: { url: string }) => post({ url, effect: "posted" }));

// Programs that are data

type Step =
  | { activity: number }
  | { fan_out: number[] }
  | { timer: number }
  | { race: number }
  | { child: Program }
  | { signal: string };

interface Program {
  steps: Step[];
}

export const program = workflow("program", async ({ steps }: Program): Promise<unknown[]> => {
  const results: unknown[] = [];
  for (const step of steps) results.push(await result(step));
  return results;
});

async function result(step: Step): Promise<unknown> {
  if ("activity" in step) return double(step.activity);
  if ("fan_out" in step) return Promise.all(step.fan_out.map((number) => double(number)));
  if ("timer" in step) return sleep(step.timer).then(() => null);
  if ("race" in step) return first(step.race);
  if ("child" in step) return program(step.child);
  return signal(step.signal).next();
}
