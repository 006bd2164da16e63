/** A worker whose process is killed, stopped and frozen by tests. */

import { setTimeout } from "node:timers/promises";

import { activityContext, Worker } from "../../src/index.js";

const [taskQueue = "", grace = ""] = process.argv.slice(2);

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function wait(seconds: number): Promise<string> {
  const context = activityContext();
  say("began");
  try {
    await setTimeout(seconds * 1_000, undefined, { signal: context.signal });
  } catch (error) {
    say(`cancelled: ${context.cancelReason}`);
    throw error;
  }
  say("ended");
  return "done";
}

async function stubborn(): Promise<void> {
  say("began");
  await setTimeout(3_600_000);
}

const worker = new Worker({
  taskQueue,
  activities: { wait, stubborn },
  leaseSeconds: 2,
  shutdownGraceSeconds: Number(grace),
  cancelGraceSeconds: 0.5,
  logger: { debug: () => undefined, info: say, warn: say, error: say },
});
await worker.run();
process.exit();
