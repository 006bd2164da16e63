/** Runs the function of an activity to its end, with the real world behind it. */

import { toWit } from "../failure.js";
import type { Payload } from "../payload.js";
import { NativePromise, runJobs, runJobsWithEngine } from "../promise.js";
import { engineHasLoop } from "./engine.js";
import { nextTimerDue, waitForTimers } from "./timers.js";

/** An engine with an event loop waits for the promise; one without is driven here. */
export function runAttempt(execute: () => Promise<Payload>): PromiseLike<Payload> | Payload {
  return engineHasLoop ? withEngine(execute) : alone(execute);
}

function withEngine(execute: () => Promise<Payload>): PromiseLike<Payload> {
  runJobsWithEngine();
  const promise = execute();
  return new NativePromise<Payload>((resolve, reject) => {
    promise.then(resolve, (error) => reject(toWit(error)));
  });
}

function alone(execute: () => Promise<Payload>): Payload {
  let end: { value: Payload } | { error: unknown } | undefined;
  execute().then(
    (value) => (end = { value }),
    (error) => (end = { error }),
  );
  for (;;) {
    runJobs();
    if (end !== undefined) break;
    if (nextTimerDue() === undefined) {
      throw toWit(new Error("the activity waits for something that nothing will wake"));
    }
    waitForTimers();
  }
  if ("error" in end) throw toWit(end.error);
  return end.value;
}
