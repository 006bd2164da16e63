/** What an attempt of an activity says while it runs, and hears. */

import { nanoseconds, type Duration } from "./duration.js";
import { Failure } from "./failure.js";
import type { AttemptHost, WitAttemptSignals } from "./host.js";
import { decode, encode } from "./payload.js";
import { hasRun } from "./run.js";
import { isCancelRequestedHere } from "./timers.js";

let current: AttemptHost | undefined;

/** Makes this instance one of an attempt. */
export function enterAttempt(host: AttemptHost): void {
  current = host;
}

function attempt(): AttemptHost {
  if (current === undefined) throw new Error("only activities have an attempt, and no activity runs here");
  return current;
}

export interface ActivityInfo {
  namespace: string;
  workflowId: string;
  runId: string;
  activityType: string;
  /** The operation in the run that asked for it. */
  operation: number;
  /** Counted from 1. */
  attempt: number;
  /** When this attempt will be stopped. */
  deadline: Date;
  /** The same in each attempt: for receivers that recognise what they got before. */
  idempotencyKey: string;
}

export function activityInfo(): ActivityInfo {
  const info = attempt().info();
  const deadline = new Date(Number(info.deadline) / 1e6);
  return { ...info, deadline, idempotencyKey: `${info.runId}-${info.operation}` };
}

/**
 * Says that this attempt is alive, and what the next one is to be told if this one fails. Throws if
 * the activity is to end: as cancelled, or because it is paused. At most 64 KiB.
 */
export function heartbeat(details?: unknown): void {
  const payload = details === undefined ? undefined : encode(details, "what the heartbeat says", "InvalidDetails");
  check(attempt().heartbeat(payload));
}

/** What the last heartbeat of an attempt before this one said, if any did. */
export function heartbeatDetails<T = unknown>(): T | undefined {
  const details = attempt().heartbeatDetails();
  return details === undefined ? undefined : (decode(details, "what the last heartbeat said", "InvalidDetails") as T);
}

/** What this attempt is to know now: that it was asked to cancel, or that it is paused. */
export function attemptSignals(): WitAttemptSignals {
  return attempt().signals();
}

/**
 * Waits until the activity is asked to cancel, and returns true; or for so long, and returns false.
 * Nothing else goes on meanwhile.
 */
export function waitCancelRequested(timeout: Duration): boolean {
  return attempt().waitCancelRequested(nanoseconds(timeout));
}

/** Leaves this attempt for somebody else to complete, and returns the token by which they do. */
export function completeLater(): string {
  return attempt().completeLater();
}

/** In a workflow or an activity: whether it was asked to cancel. */
export function isCancelRequested(): boolean {
  return hasRun() ? isCancelRequestedHere() : attempt().signals().cancelRequested;
}

function check({ cancelRequested, paused }: WitAttemptSignals): void {
  if (cancelRequested) throw Failure.cancelled("the activity was asked to cancel");
  if (paused) throw new Failure("ActivityPaused", "the activity is paused; this attempt makes way");
}
