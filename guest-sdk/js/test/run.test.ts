import assert from "node:assert/strict";
import { test } from "node:test";

import { Script, asked, cancel, done, failed, signalled, told } from "./support.js";
import {
  CancellationScope,
  Failure,
  activity,
  activityType,
  cancelled,
  continueAsNew,
  isCancelled,
  query,
  race,
  shielded,
  sideEffect,
  signal,
  sleep,
  update,
  updatesFinished,
  waitUntil,
  withTimeout,
  workflowType,
} from "../src/index.js";

const charge = activity("charge", async (cents: number) => ({ receipt: cents }));

test("activities go on side by side, and their results come in the order of the calls", () => {
  const script = new Script().then(done(2, { receipt: 20 }), done(1, { receipt: 10 }));
  const result = script.result(() => Promise.all([charge(1), charge(2)]));
  assert.deepEqual(result, [{ receipt: 10 }, { receipt: 20 }]);
  assert.deepEqual(script.names(), ["activity", "activity"]);
});

test("the loser of a race is given up, and the winner's value is that of the race", () => {
  const script = new Script().then(done(2));
  const result = script.result(() => race<string>([() => charge(1).then(() => "charged"), () => sleep("3s").then(() => "late")]));
  assert.equal(result, "late");
  assert.deepEqual(script.calls.slice(1), [["timer", 3000], ["cancel", 1]]);
});

test("an activity's failure is found by its type, and a bug is none", () => {
  const caught = async () => {
    try {
      await charge(1);
    } catch (error) {
      return error instanceof Failure && error.is("CardDeclined") && error.kind === "activity";
    }
    return false;
  };
  assert.equal(new Script().then(failed(1, "CardDeclined")).result(caught), true);
  const fails = new Script().run(async () => { throw new Failure("Refused", "no"); });
  assert.equal(fails.tag, "failed");
  assert.throws(() => new Script().run(async () => { throw new TypeError("a bug"); }), /a bug/);
});

test("setTimeout and setInterval are durable timers, and clearing one cancels it", () => {
  const script = new Script().then(done(2), done(3), done(4), (it) => done(it.names().length));
  const result = script.result(async () => {
    const seen: string[] = [];
    const never = setTimeout(() => seen.push("never"), 500);
    const every = setInterval(() => seen.push("tick"), 100);
    await waitUntil(() => seen.length === 2);
    clearTimeout(never);
    clearInterval(every);
    return seen;
  });
  assert.deepEqual(result, ["tick", "tick"]);
  assert.deepEqual(script.names(), ["timer", "timer", "timer", "timer", "cancel", "cancel"]);
});

test("signals are kept until they are taken, and go over to the run that follows", () => {
  const words = signal<number>("word");
  const script = new Script().then(signalled("other", 1), signalled("word", 2), signalled("word", 3));
  const outcome = script.run(async () => {
    const first = await words.next();
    await waitUntil(() => true);
    const second = await words.next();
    return continueAsNew([first, second]);
  });
  assert.equal(outcome.tag, "continue-as-new");
  assert.deepEqual(script.calls, [["return-signal", 1]]);
});

test("queries see what the workflow knows, and one that fails harms nothing", () => {
  const script = new Script().then(asked("count"), asked("lost"), asked("bad"), signalled("go", null));
  script.result(async () => {
    const count = 1;
    query("count", () => count);
    query("bad", () => { throw new Error("bad"); });
    await signal("go").next();
  });
  assert.deepEqual(script.calls, [
    ["answer", "q", "ok", 1],
    ["answer", "q", "err", "UnknownQuery"],
    ["answer", "q", "err", "Error"],
  ]);
});

test("updates are validated, accepted and answered, and the end waits for them", () => {
  const script = new Script().then(told("1", "add", ""), told("2", "add", "lamp"), told("3", "stop", null), done(1));
  const result = script.result(async () => {
    const items: string[] = [];
    let isOver = false;
    update<string, number>("add", {
      validate(item) { if (item === "") throw new Failure("NoItem", "an item has a name"); },
      async handle(item) { await charge(1); return items.push(item); },
    });
    update("stop", () => { isOver = true; return null; });
    await waitUntil(() => isOver);
    await updatesFinished();
    return items;
  });
  assert.deepEqual(result, ["lamp"]);
  assert.deepEqual(script.calls.map((it) => it.slice(0, 2)), [
    ["reject", "1"], ["accept", "2"], ["activity", "charge"], ["accept", "3"], ["complete", "3"], ["complete", "2"],
  ]);
});

test("a cancellation ends what is waited for and what would follow, but not what is in a shield", () => {
  const script = new Script().then(cancel("enough"), done(2));
  const outcome = script.run(async () => {
    try {
      await sleep("1 day");
    } catch (error) {
      assert.equal(await charge(1).catch(isCancelled), true);
      await shielded(() => charge(2));
      throw error;
    }
  });
  assert.deepEqual(outcome, { tag: "cancelled", val: "enough" });
  assert.deepEqual(script.names(), ["timer", "cancel", "activity"]);
});

test("a scope is around what goes on after an await, and around nothing else", () => {
  const script = new Script().then(done(1), done(2), signalled("stop", null), done(4));
  const result = script.result(async () => {
    const scope = new CancellationScope();
    const inside = scope.run(async () => {
      await sleep(1);
      await sleep(1000);
      return "not cancelled";
    });
    const ended = inside.catch((error) => isCancelled(error));
    await sleep(1);
    await signal("stop").next();
    scope.cancel("stop");
    await sleep(2);
    return ended;
  });
  assert.equal(result, true);
  assert.deepEqual(script.calls.at(-2), ["cancel", 3]);
});

test("an AbortSignal cancels the activity that it was given to", () => {
  const script = new Script().then(signalled("stop", null));
  const result = script.result(async () => {
    const controller = new AbortController();
    const charged = charge.with({ signal: controller.signal })(1).catch(isCancelled);
    await signal("stop").next();
    controller.abort(new Error("no more"));
    return charged;
  });
  assert.equal(result, true);
  assert.deepEqual(script.calls.at(-1), ["cancel", 1]);
});

test("an activity that is to be waited for is asked to cancel", () => {
  const script = new Script().then(cancel("enough"), failed(1, "Broke"));
  const outcome = script.run(() => charge.with({ cancellation: "wait", cancellationGrace: "2s" })(1));
  assert.equal(outcome.tag, "failed");
  assert.deepEqual(script.calls.at(-1), ["request-cancel", 1, 2_000_000_000n]);
});

test("a limit asks what takes too long to end, and its own timer ends with what is in time", () => {
  const slow = new Script().then(done(2));
  const result = slow.result(() => withTimeout("1s", () => charge(1)).catch((error: Failure) => error.type));
  assert.equal(result, "Elapsed");
  assert.deepEqual(slow.names(), ["activity", "timer", "cancel"]);
  const quick = new Script().then(done(1, { receipt: 1 }));
  assert.deepEqual(quick.result(() => withTimeout("1s", () => charge(1))), { receipt: 1 });
  assert.deepEqual(quick.calls.at(-1), ["cancel", 2]);
});

test("a child is told and waited for by its handle", () => {
  const ship = workflowType<string, number>("ship", { module: "shipping", workflowId: "s-1" });
  const started = { workflow_id: "s-1", run_id: "r" };
  const script = new Script().then(done(1, started), done(3), done(2, 7));
  const result = script.result(async () => {
    const child = await ship.start("lamp");
    await child.signal("hurry", 1);
    return [child.workflowId, await child.result()];
  });
  assert.deepEqual(result, ["s-1", 7]);
  assert.deepEqual(script.calls.at(-1), ["signal", "s-1", undefined, "hurry", 1]);
});

test("a side effect is computed once, and a queue is named with its preferences", () => {
  const script = new Script().then(done(1));
  script.result(async () => {
    assert.deepEqual([sideEffect("dice", () => 3), sideEffect("dice", () => 4)], [3, 3]);
    await activityType<void, void>("mail", { taskQueue: "emails", priority: 1 })();
  });
  const placement = { queue: "emails", priority: 1, fairnessKey: undefined, fairnessWeight: undefined };
  assert.deepEqual(script.calls, [["record", "dice", 3], ["queued", "mail", undefined, placement]]);
  const other = new Script().then(done(1));
  other.result(async () => activityType<number, void>("bill", { module: "billing" })(7));
  assert.deepEqual(other.calls, [["module", "bill", 7, { name: "billing", version: undefined }]]);
  const homeless = async () => activityType<void, void>("mail", { priority: 1 })();
  assert.throws(() => new Script().run(homeless), /no task queue/);
});

test("who waits for the cancellation is told why", () => {
  const outcome = new Script().then(cancel("enough")).result(async () => (await cancelled()).message);
  assert.equal(outcome, "enough");
});

test("a request of a workflow is refused with what to do", () => {
  const outcome = new Script().result(() => fetch("http://localhost/").then(() => "sent", (error) => error.message));
  assert.match(String(outcome), /use an activity/);
});
