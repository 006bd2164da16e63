/** What is taken from history when the run is replayed: versions of the code, and values. */

import { Failure } from "./failure.js";
import { decode, encode, type Payload } from "./payload.js";
import { theRun } from "./run.js";

/**
 * The version of a change that the code is to follow from here on, from `min` to `max`; 0 is the
 * code before the change. A run that comes here for the first time follows `max`.
 */
export function version(changeId: string, min: number, max: number): number {
  return theRun().host.version(changeId, min, max);
}

/** Whether the code after a change is to be followed. */
export function patched(changeId: string): boolean {
  return version(changeId, 0, 1) === 1;
}

/** A value as it was computed here the first time. */
export function sideEffect<T>(name: string, compute: () => T): T {
  return value(name, compute, theRun().host.recordedValue(name));
}

/** The same, and nothing is added to the history while it stays what it was. */
export function mutableSideEffect<T>(name: string, compute: () => T): T {
  return value(name, compute, theRun().host.latestValue(name));
}

function value<T>(name: string, compute: () => T, known: Payload | undefined): T {
  const what = `value \`${name}\``;
  let bytes = known;
  if (bytes === undefined) {
    bytes = recordable(what, compute);
    theRun().host.recordValue(name, bytes);
  }
  // What a replay will get, also the first time.
  return decode(bytes, what, "InvalidValue") as T;
}

/** Nothing is there that a replay could take instead, so the run is blocked until it is fixed. */
function recordable(what: string, compute: () => unknown): Payload {
  try {
    return encode(compute(), what, "InvalidValue");
  } catch (error) {
    throw error instanceof Failure ? new TypeError(error.message) : error;
  }
}
