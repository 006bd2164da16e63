/** Parts of a workflow that are cancelled together. */

import { Failure } from "./failure.js";
import { currentContext, withContext } from "./promise.js";

/** What is around some code, from the inside out. */
export interface Around {
  outer: Around | undefined;
  /** None for a shield: nothing outside of it cancels what is inside. */
  scope: CancellationScope | undefined;
}

/** What can be told that it is cancelled. */
export interface Cancellable {
  around: Around | undefined;
  cancel(failure: Failure): void;
}

/** Why the whole run is cancelled. Set by the run. */
let runReason: string | undefined;
/** All that can be cancelled now, in the order in which it was begun. */
const waiting = new Set<Cancellable>();

export function resetScopes(): void {
  runReason = undefined;
  waiting.clear();
}

/** The whole run was asked to cancel. */
export function cancelRun(reason: string): void {
  runReason = reason;
  cancelWhatIsCancelled();
}

export function isRunCancelled(): boolean {
  return runReason !== undefined;
}

export function currentAround(): Around | undefined {
  return currentContext() as Around | undefined;
}

/** Why code with this around it must not go on. */
export function cancellation(around = currentAround()): Failure | undefined {
  for (let each = around; each !== undefined; each = each.outer) {
    if (each.scope === undefined) return undefined;
    if (each.scope.reason !== undefined) return Failure.cancelled(each.scope.reason);
  }
  return runReason === undefined ? undefined : Failure.cancelled(runReason);
}

/** From now on it is told when what is around it is cancelled. */
export function watch(cancellable: Cancellable): () => void {
  waiting.add(cancellable);
  return () => waiting.delete(cancellable);
}

function cancelWhatIsCancelled(): void {
  for (const cancellable of [...waiting]) {
    const failure = cancellation(cancellable.around);
    if (failure !== undefined && waiting.has(cancellable)) cancellable.cancel(failure);
  }
}

/**
 * A part of a workflow that can be cancelled as the whole run can: what is waited for in it fails
 * as cancelled, each operation in its own way, while everything beside it goes on.
 *
 * Scopes nest. A scope is cancelled with the scope or the run around it; a `shielded` function in
 * it is not.
 *
 * ```ts
 * const scope = new CancellationScope();
 * const rendered = scope.run(() => render(film));
 * stop.next().then((why) => scope.cancel(why));
 * ```
 */
export class CancellationScope {
  #reason: string | undefined;
  #controller: AbortController | undefined;

  /** Why it was cancelled. What is around it may be cancelled nevertheless. */
  get reason(): string | undefined {
    return this.#reason;
  }

  get isCancelled(): boolean {
    return this.#reason !== undefined;
  }

  /** Runs a function, and all that it leads to, in this scope. */
  run<T>(call: () => T): T {
    return withContext({ outer: currentAround(), scope: this }, call);
  }

  /** Cancels what runs in this scope, now and later. The first reason counts. */
  cancel(reason = "the scope was cancelled"): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(Failure.cancelled(reason));
    cancelWhatIsCancelled();
  }

  /** Aborted when this scope is cancelled, for what takes an `AbortSignal`. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(Failure.cancelled(this.#reason));
    }
    return this.#controller.signal;
  }
}

/** Runs a function as if nobody had asked the run to cancel, nor cancelled a scope around it. */
export function shielded<T>(call: () => T): T {
  return withContext({ outer: currentAround(), scope: undefined }, call);
}

/** Runs a function in a scope that is cancelled when the signal is aborted, if there is one. */
export function withSignal<T>(signal: AbortSignal | undefined, call: () => T): T {
  if (signal === undefined) return call();
  const scope = new CancellationScope();
  const abort = () => scope.cancel(reasonOf(signal));
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort);
  return scope.run(call);
}

function reasonOf({ reason }: AbortSignal): string {
  if (typeof reason === "string") return reason;
  return reason instanceof Error ? reason.message : "it was aborted";
}
