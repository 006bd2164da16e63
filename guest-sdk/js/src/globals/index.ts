/**
 * Makes the globals of JavaScript durable and deterministic in workflows. Imported before anything
 * of the user's module is.
 */

import "./missing.js";

import { DurablePromise, enqueue } from "../promise.js";
import { hasRun } from "../run.js";
import { clear, setInterval, setTimeout } from "./timers.js";

interface Globals {
  [name: string]: any;
}

const globals = globalThis as unknown as Globals;

globals["Promise"] = DurablePromise;
globals["queueMicrotask"] = enqueue;
globals["setTimeout"] = setTimeout;
globals["setInterval"] = setInterval;
globals["clearTimeout"] = clear;
globals["clearInterval"] = clear;

const engineFetch: ((...request: unknown[]) => unknown) | undefined = globals["fetch"];

/** HTTP is for activities. */
globals["fetch"] = (...request: unknown[]) => {
  if (hasRun()) {
    const message = "a workflow can't send requests, which a replay would send again: use an activity";
    return DurablePromise.reject(new TypeError(message));
  }
  if (engineFetch === undefined) {
    return DurablePromise.reject(new TypeError("QuickJS has no HTTP: build the module for StarlingMonkey"));
  }
  return engineFetch(...request);
};

const { AbortSignal } = globals;
const engineAbortTimeout = AbortSignal?.timeout;
/** The engine's would not be durable. */
AbortSignal.timeout = (ms: number) => {
  if (!hasRun() && engineAbortTimeout !== undefined) return engineAbortTimeout.call(AbortSignal, ms);
  const controller = new globals["AbortController"]();
  setTimeout(() => controller.abort(new Error("the time is over")), ms);
  return controller.signal;
};
