import assert from "node:assert/strict";
import { test } from "node:test";

import { AnswerTooLarge, Refused, Unreachable, WorkerError } from "../../src/errors.js";
import { silentLogger } from "../../src/logger.js";
import { Poller } from "../../src/poller.js";
import type { PollRequest, Task } from "../../src/protocol.js";
import { Backoff } from "../../src/retry.js";
import { FixedSlots, PollScale, SlotCount } from "../../src/slots.js";
import { task } from "./support.js";

/** Polls until there are no more answers; then a poll waits until it is given up. */
async function poll(count: number, ...answers: (Error | number)[]) {
  const asked: number[] = [];
  const seen: Task[] = [];
  const slots = new SlotCount(new FixedSlots(count));
  let usedAtTheEnd = 0;
  const answer = async (_: PollRequest, most: number, signal: AbortSignal): Promise<Task[]> => {
    asked.push(most);
    const next = answers.shift();
    if (next === undefined) {
      usedAtTheEnd = slots.used;
      setImmediate(() => poller.stop());
      return await new Promise((_, reject) => signal.addEventListener("abort", reject));
    }
    if (next instanceof Error) throw next;
    return Array(next).fill(task());
  };
  const scale = new PollScale(4);
  const take = (one: Task): void => void seen.push(one);
  const request = {} as PollRequest;
  const poller = new Poller({ poll: answer }, request, slots, scale, take, silentLogger, new Backoff(1));
  await poller.run();
  return { asked, taken: seen.length, usedAtTheEnd, used: slots.used };
}

test("each poll asks for the room that is left", async () => {
  const { asked, taken, usedAtTheEnd, used } = await poll(10, 3, 5);
  assert.deepEqual(asked, [10, 7, 2]);
  assert.equal(taken, 8);
  assert.deepEqual([usedAtTheEnd, used], [10, 8], "a poll holds the slots for what it may bring");
});

test("troubles pass", async () => {
  const { asked } = await poll(1, new Unreachable("cut"), new Refused(503, "unavailable", ""));
  assert.deepEqual(asked, [1, 1, 1]);
});

test("less is asked for while answers are too large", async () => {
  const { asked } = await poll(20, new AnswerTooLarge(), new AnswerTooLarge(), 2, 2);
  assert.deepEqual(asked, [20, 10, 5, 10, 16]);
});

test("a worker that does not fit the server is told at its start", async () => {
  const refused = new Refused(404, "namespace_not_found", "no such namespace");
  await assert.rejects(poll(1, refused), (error) => {
    return error instanceof WorkerError && error.message.includes("no such namespace");
  });
});
