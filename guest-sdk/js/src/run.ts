/** The one run that this instance executes: what it waits for, and what was delivered to it. */

import { Failure, describe, fromWit, toWit } from "./failure.js";
import type { Delivery, Host, Message, WitContinuation, WitFailure, WitOutcome, WitResult } from "./host.js";
import { encode, type Payload } from "./payload.js";
import { DurablePromise, afterEngine, runJobs, takeUnhandled, waitsForEngine } from "./promise.js";
import { cancelRun, cancellation, currentAround, isRunCancelled, resetScopes, watch } from "./scope.js";
import { Signals } from "./signals_kept.js";
import { answerWaits, WAITS } from "./waits.js";

/** What becomes of an operation when what is around it is cancelled. */
export type OnCancel =
  /** It is given up, and the wait ends at once. */
  | { kind: "give-up" }
  /** It is told by `tell`, and its end is waited for. */
  | { kind: "ask"; tell: (operation: number) => void }
  /** It goes on, and the wait ends at once. */
  | { kind: "leave" };

/** Something that the run waits for, and who does. */
export interface Waiting {
  kind: string;
  operation?: number;
  signal?: string;
  /** Made where it was called. Its stack is read if somebody asks. */
  place: Error;
}

interface Open extends Waiting {
  resolve(result: Payload): void;
  reject(failure: unknown): void;
  unwatch(): void;
}

interface Condition extends Waiting {
  holds: () => boolean;
  resolve(): void;
  reject(failure: unknown): void;
  unwatch(): void;
}

export type QueryHandler = (input: Payload) => Payload;

export interface UpdateHandler {
  /** Throws to reject it. */
  check(input: Payload): () => Promise<Payload>;
}

export class Run {
  readonly host: Host;
  readonly open = new Map<number, Open>();
  readonly signals = new Signals();
  readonly conditions: Condition[] = [];
  readonly queries = new Map<string, QueryHandler>();
  readonly updates = new Map<string, UpdateHandler>();
  openUpdates = 0;
  continuation: Omit<WitContinuation, "workflowType"> & { workflowType: string | undefined } | undefined;
  /** A fault of the code, wherever it happened. */
  bug: { error: unknown } | undefined;

  constructor(host: Host) {
    this.host = host;
  }
}

let current: Run | undefined;

export function theRun(): Run {
  if (current === undefined) {
    throw new Error(
      "activities, timers, signals and cancellation exist in workflows only; an activity calls " +
        "others as plain functions, with `.run(..)`",
    );
  }
  return current;
}

export function hasRun(): boolean {
  return current !== undefined;
}

/** For tests. */
export function install(host: Host): Run {
  resetScopes();
  current = new Run(host);
  return current;
}

/**
 * Runs a workflow to its end. It is suspended in `next` only; or, if it waits for a promise of the
 * engine itself, such as one of `crypto.subtle`, until the engine has settled that.
 */
export function runWorkflow(run: Run, start: () => Promise<unknown>, type: string): WitOutcome | PromiseLike<WitOutcome> {
  let end: End | undefined;
  new DurablePromise((resolve) => resolve(start())).then(
    (value) => (end = { value }),
    (error) => (end = { error }),
  );
  const more = (): WitOutcome | PromiseLike<WitOutcome> => {
    for (;;) {
      goOn(run);
      if (run.bug !== undefined) throw run.bug.error;
      if (run.continuation !== undefined) return continued(run, run.continuation, type);
      if (end !== undefined) return ended(end, type);
      if (waitsForEngine()) return afterEngine(more);
      tellUnhandled();
      deliver(run, run.host.next());
    }
  };
  return more();
}

type End = { value: unknown } | { error: unknown };

/** Lets everything go on that can. */
function goOn(run: Run): void {
  do runJobs();
  while (run.bug === undefined && run.continuation === undefined && lookAtConditions(run));
}

function lookAtConditions(run: Run): boolean {
  let found = false;
  for (const condition of [...run.conditions]) {
    try {
      if (!condition.holds()) continue;
      condition.resolve();
    } catch (error) {
      condition.reject(error);
    }
    found = true;
  }
  return found;
}

function ended(end: End, type: string): WitOutcome {
  let error: unknown;
  try {
    if ("error" in end) throw end.error;
    return { tag: "completed", val: encode(end.value, `the result of workflow \`${type}\``, "InvalidResult") };
  } catch (thrown) {
    error = thrown;
  }
  // Nobody meant it to end like this. Its history stays, and goes on with code that is fixed.
  if (!(error instanceof Failure)) throw error;
  // What was cancelled with the run is its cancellation, too.
  if (error.kind === "cancelled" || (error.isCancelled && isRunCancelled())) {
    const reason = error.chain().find((it) => it.kind === "cancelled") ?? error;
    return { tag: "cancelled", val: reason.message };
  }
  return { tag: "failed", val: toWit(error) };
}

function continued(run: Run, continuation: NonNullable<Run["continuation"]>, type: string): WitOutcome {
  for (const nth of run.signals.untaken()) run.host.returnSignal(nth);
  return { tag: "continue-as-new", val: { ...continuation, workflowType: continuation.workflowType ?? type } };
}

/** Somebody may have forgotten to wait. It is no fault of the run. */
function tellUnhandled(): void {
  for (const reason of takeUnhandled()) {
    const isExpected = reason instanceof Failure && (reason.isCancelled || reason.kind !== "application");
    if (!isExpected) console.error(`a promise was rejected, and nobody waits for it: ${describe(reason)}`);
  }
}

function deliver(run: Run, { tag, val }: Delivery): void {
  switch (tag) {
    case "completed":
      return complete(run, val.operation, val.outcome);
    case "signal":
      return run.signals.deliver(val.name, val.input);
    case "query":
      return run.host.respondQuery(val.id, answer(run, val.name, val.input));
    case "update":
      return decide(run, val);
    case "cancel-requested":
      return cancelRun(val);
  }
}

function complete(run: Run, operation: number, outcome: WitResult<Payload, WitFailure>): void {
  const open = run.open.get(operation);
  if (open === undefined) return;
  close(run, operation, open);
  if (outcome.tag === "ok") open.resolve(outcome.val);
  else open.reject(fromWit(outcome.val));
}

function close(run: Run, operation: number, open: Open): void {
  run.open.delete(operation);
  open.unwatch();
}

/** What an operation is to whoever waits for it. */
export interface Operation<T> {
  kind?: string;
  onCancel: OnCancel;
  decode(result: Payload): T;
  place: Error;
}

/** Starts an operation, unless what is around it is cancelled, and waits for it. */
export function operation<T>(start: (host: Host) => number, what: Operation<T>): Promise<T> {
  const run = theRun();
  const cancelled = cancellation();
  if (cancelled !== undefined) return rejected(cancelled);
  return outcomeOf(start(run.host), what);
}

/** Waits for an operation that was started. */
export function outcomeOf<T>(id: number, { kind = "operation", onCancel, decode, place }: Operation<T>): Promise<T> {
  const run = theRun();
  const promise = new DurablePromise<T>((resolve, reject) => {
    const open: Open = {
      kind,
      operation: id,
      place,
      resolve: (result) => {
        try {
          resolve(decode(result));
        } catch (error) {
          reject(error);
        }
      },
      reject,
      unwatch: watch({
        around: currentAround(),
        cancel(failure) {
          if (onCancel.kind === "ask") {
            open.unwatch();
            onCancel.tell(id);
            return;
          }
          close(run, id, open);
          if (onCancel.kind === "give-up") run.host.cancel(id);
          reject(failure);
        },
      }),
    };
    run.open.set(id, open);
  });
  // Whoever loses a race is not forgotten.
  promise.isLookedAt = true;
  return promise;
}

export function rejected<T>(failure: unknown): Promise<T> {
  const promise = new DurablePromise<T>((_, reject) => reject(failure));
  promise.isLookedAt = true;
  return promise;
}

/**
 * Waits until `condition` holds. It is looked at now, and again whenever the run has taken in what
 * happened and nothing else can go on; it changes nothing. Fails if it is cancelled before.
 */
export function waitFor(kind: string, place: Error, condition: () => boolean): Promise<void> {
  const run = theRun();
  if (condition()) return DurablePromise.resolve();
  const cancelled = cancellation();
  if (cancelled !== undefined) return rejected(cancelled);
  return new DurablePromise<void>((resolve, reject) => {
    const over = () => {
      run.conditions.splice(run.conditions.indexOf(waits), 1);
      waits.unwatch();
    };
    const waits: Condition = {
      kind,
      place,
      holds: condition,
      resolve: () => (over(), resolve()),
      reject: (failure) => (over(), reject(failure)),
      unwatch: watch({ around: currentAround(), cancel: (failure) => waits.reject(failure) }),
    };
    run.conditions.push(waits);
  });
}

/** Waits until the function returns true. */
export function waitUntil(condition: () => boolean): Promise<void> {
  return waitFor("condition", new Error(), condition);
}

/** A query of an open run, or of one that has returned. */
export function answer(run: Run, name: string, input: Payload): WitResult<Payload, WitFailure> {
  try {
    if (name === WAITS) return { tag: "ok", val: answerWaits(run) };
    const handler = run.queries.get(name);
    if (handler === undefined) {
      const message = `the workflow answers no query \`${name}\`; it answers ${names(run.queries)}`;
      throw new Failure("UnknownQuery", message, { nonRetryable: true });
    }
    return { tag: "ok", val: handler(input) };
  } catch (error) {
    return { tag: "err", val: toWit(error) };
  }
}

/** Decides about one update, and lets its handler go on once it is accepted. */
function decide(run: Run, { id, name, input }: Message): void {
  let begin: () => Promise<Payload>;
  try {
    const handler = run.updates.get(name);
    if (handler === undefined) {
      const message = `the workflow takes no update \`${name}\`; it takes ${names(run.updates)}`;
      throw new Failure("UnknownUpdate", message, { nonRetryable: true });
    }
    begin = handler.check(input);
  } catch (error) {
    return run.host.rejectUpdate(id, toWit(error));
  }
  run.host.acceptUpdate(id);
  run.openUpdates += 1;
  const done = (outcome: WitResult<Payload, WitFailure>) => {
    run.openUpdates -= 1;
    run.host.completeUpdate(id, outcome);
  };
  new DurablePromise<Payload>((resolve) => resolve(begin())).then(
    (val) => done({ tag: "ok", val }),
    (error) => {
      // A bug in a handler is one of the run.
      if (error instanceof Failure) done({ tag: "err", val: toWit(error) });
      else run.bug ??= { error };
    },
  );
}

/** The names in a sentence. */
function names(by: Map<string, unknown>): string {
  const all = [...by.keys()].sort().map((name) => `\`${name}\``);
  return all.length === 0 ? "none" : all.join(", ");
}
