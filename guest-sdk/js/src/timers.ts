/** Waiting for time to pass, and limits. */

import { milliseconds, nanoseconds, type Duration } from "./duration.js";
import { Failure } from "./failure.js";
import { DurablePromise } from "./promise.js";
import { operation, waitFor } from "./run.js";
import { cancellation, CancellationScope, shielded, withSignal } from "./scope.js";

/** Waits for so long: milliseconds or years, whatever becomes of the server. */
export function sleep(duration: Duration, options: { signal?: AbortSignal } = {}): Promise<void> {
  return withSignal(options.signal, () => timer(duration, new Error()));
}

function timer(duration: Duration, place: Error): Promise<void> {
  const after = nanoseconds(duration);
  return operation((host) => host.startTimer(after), {
    onCancel: { kind: "give-up" },
    decode: () => undefined,
    place,
  });
}

/**
 * The first of these that settles; what the others wait for is cancelled. `Promise.race` lets the
 * others go on.
 *
 * ```ts
 * const answer = await race([() => approved.next(), () => sleep("3 days").then(() => "expired")]);
 * ```
 */
export async function race<T>(branches: (() => Promise<T>)[]): Promise<Awaited<T>> {
  const scopes = branches.map(() => new CancellationScope());
  const begun = branches.map((branch, index) => started(scopes[index] as CancellationScope, branch));
  try {
    return await Promise.race(begun);
  } finally {
    for (const scope of scopes) scope.cancel("another was first");
  }
}

/** Whatever becomes of it, somebody has looked. */
function started<T>(scope: CancellationScope, call: () => Promise<T>): Promise<T> {
  const promise = scope.run(() => new DurablePromise<T>((resolve) => resolve(call())));
  promise.isLookedAt = true;
  return promise;
}

/**
 * Gives a function at most so long, and then asks it to end: what it waits for is cancelled, and its
 * end is waited for. What it succeeded in nevertheless counts. Fails with the type `Elapsed` if the
 * limit is what ended it.
 */
export async function withTimeout<T>(limit: Duration, call: () => Promise<T>): Promise<T> {
  const place = new Error();
  const scope = new CancellationScope();
  const clock = new CancellationScope();
  const elapsed = `it took longer than ${milliseconds(limit)} ms`;
  const promise = started(scope, call);
  // The limit holds also while the run is being cancelled.
  const ticking = shielded(() => clock.run(() => timer(limit, place)));
  ticking.then(() => scope.cancel(elapsed), () => undefined);
  try {
    return await promise;
  } catch (error) {
    const isElapsed = scope.isCancelled && error instanceof Failure && error.isCancelled;
    if (!isElapsed || cancellation() !== undefined) throw error;
    throw new Failure("Elapsed", elapsed, { kind: "timeout", cause: error });
  } finally {
    clock.cancel("it is over");
  }
}

/** Waits until somebody asks this run to cancel, or a scope around the wait is cancelled. */
export async function cancelled(): Promise<Failure> {
  try {
    await waitFor("cancellation", new Error(), () => false);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("nothing but a cancellation ends this wait");
}

/** True once somebody asked this run to cancel, or a scope around the caller is cancelled. */
export function isCancelRequestedHere(): boolean {
  return cancellation() !== undefined;
}
