/** How activities and children are to be run. */

import { nanoseconds, optionalNanoseconds, type Duration } from "./duration.js";
import type { WitActivityOptions, WitModuleRef, WitPlacement, WitRetryPolicy } from "./host.js";

/**
 * When and how often a failed attempt is tried again. The default waits 1 s, then 2 s, 4 s and so
 * on up to 100 s, and never gives up.
 */
export interface RetryPolicy {
  /** The wait before the second attempt. */
  initialInterval?: Duration;
  /** Factor from one wait to the next; at least 1. */
  backoffCoefficient?: number;
  /** No wait is longer. Default: 100 times the initial interval. */
  maximumInterval?: Duration;
  /** Attempts in total. With 1 it runs at most once, even if the server dies. */
  maximumAttempts?: number;
  /** Failure types that end it at once. */
  nonRetryableTypes?: string[];
}

/** A module by its name, and its newest version if none is named. */
export type ModuleRef = string | { name: string; version?: number };

export interface ActivityOptions {
  /** Limit for one attempt, 60 s if nothing is said. Running out of it is retried. */
  startToClose?: Duration;
  /** Limit from scheduling to the final outcome, over all attempts and the waits between them. */
  scheduleToClose?: Duration;
  /** Limit for the time until an attempt begins. Not retried. */
  scheduleToStart?: Duration;
  /** Longest silence of an attempt that says that it is alive. Running out of it is retried. */
  heartbeat?: Duration;
  retry?: RetryPolicy;
  /** The module of this namespace that defines it, and a certain version of that. Default: this one. */
  module?: ModuleRef;
  /** Lets the workers of this queue run the activity, programs in any language. */
  taskQueue?: string;
  /** Which tasks of the queue come first: from 1 to 5, 3 if nothing is said. */
  priority?: number;
  /** Whose task it is: tasks of one priority are handed out in turn by key. */
  fairnessKey?: string;
  /** How many turns its key has for each turn of one with the weight 1. */
  fairnessWeight?: number;
  /**
   * What becomes of it when what is around it is cancelled. `"try"`, the default: the wait ends at
   * once, and the activity is told. `"wait"`: it is asked, and its end is waited for. `"abandon"`:
   * the wait ends at once, and it goes on.
   */
  cancellation?: "try" | "wait" | "abandon";
  /** How long an activity that is asked may take to end: 10 s if nothing is said. */
  cancellationGrace?: Duration;
  /** Cancels it when it is aborted. */
  signal?: AbortSignal;
}

export function moduleToWit(module: ModuleRef | undefined): WitModuleRef | undefined {
  if (module === undefined) return undefined;
  return typeof module === "string" ? { name: module, version: undefined } : { name: module.name, version: module.version };
}

export function retryToWit(policy: RetryPolicy | undefined): WitRetryPolicy | undefined {
  if (policy === undefined) return undefined;
  const { initialInterval = 1_000, backoffCoefficient = 2, maximumAttempts = 0 } = policy;
  const interval = nanoseconds(initialInterval);
  return {
    // Zero would ask for the default; what was meant is no wait, and this is the least that is kept.
    initialInterval: interval < 1_000n ? 1_000n : interval,
    backoffCoefficient,
    maximumInterval: optionalNanoseconds(policy.maximumInterval),
    maximumAttempts,
    nonRetryableTypes: policy.nonRetryableTypes ?? [],
  };
}

export function optionsToWit(options: ActivityOptions): WitActivityOptions {
  return {
    startToCloseTimeout: optionalNanoseconds(options.startToClose),
    scheduleToCloseTimeout: optionalNanoseconds(options.scheduleToClose),
    scheduleToStartTimeout: optionalNanoseconds(options.scheduleToStart),
    heartbeatTimeout: optionalNanoseconds(options.heartbeat),
    retry: retryToWit(options.retry),
    taskQueue: options.taskQueue,
  };
}

/** What is to be said about the queue besides its name. */
export function placementOf(type: string, options: ActivityOptions): WitPlacement | undefined {
  const { taskQueue: queue, priority, fairnessKey, fairnessWeight } = options;
  if (priority === undefined && fairnessKey === undefined && fairnessWeight === undefined) return undefined;
  if (queue === undefined) {
    throw new TypeError(
      `activity \`${type}\` has a priority or a fairness key, and no task queue in which they would ` +
        "count: name it with `taskQueue`",
    );
  }
  return { queue, priority, fairnessKey, fairnessWeight };
}
