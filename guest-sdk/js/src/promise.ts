/**
 * The promises of a workflow, and the queue of what goes on when they settle.
 *
 * They are the language's promises but for two things. Their jobs are run by `runJobs`, which
 * returns when nothing more can go on: then the run waits for its next delivery. And what goes on
 * after an `await` has the context that it had before: so a cancellation scope is around all that
 * is done in it.
 *
 * Async functions run on them since `dacapo build` compiles them to generators on `Promise`.
 */

declare const globalThis: { Promise: PromiseConstructor; setTimeout?: (call: () => void, ms: number) => unknown };

type Job = () => void;
type Settle<T> = (value: T) => void;

/** What the engine has of its own: `fetch` and the like return these. */
export const NativePromise: PromiseConstructor = globalThis.Promise;

const jobs: Job[] = [];
let isRunning = false;
/** Promises of the engine that somebody waits for. */
let foreign = 0;
/** Tells whoever runs the jobs that there are some, if it is not a workflow. */
let wake: Job | undefined;

let context: unknown;

/** What is around the code that goes on now. */
export function currentContext(): unknown {
  return context;
}

/** Calls a function, and lets it and what it leads to have this around it. */
export function withContext<T>(around: unknown, call: () => T): T {
  const before = context;
  context = around;
  try {
    return call();
  } finally {
    context = before;
  }
}

/** Runs all that can go on, and what that leads to. */
export function runJobs(): void {
  // A job that ends up here again, through a handler, would run others in between.
  if (isRunning) return;
  isRunning = true;
  try {
    for (let next = 0; next < jobs.length; next += 1) {
      (jobs[next] as Job)();
      if (next === 1023) {
        jobs.splice(0, next + 1);
        next = -1;
      }
    }
  } finally {
    jobs.length = 0;
    isRunning = false;
    context = undefined;
  }
}

/** Whether something that the engine does on its own may go on. */
export function waitsForEngine(): boolean {
  return foreign > 0;
}

const engineTimeout: ((call: () => void, ms: number) => unknown) | undefined = globalThis.setTimeout;

/** Calls a function once the engine has done what it can. */
export function afterEngine<T>(call: () => T | PromiseLike<T>): PromiseLike<T> {
  return new NativePromise<T>((resolve, reject) => {
    const go = () => {
      try {
        resolve(call());
      } catch (error) {
        reject(error);
      }
    };
    if (engineTimeout === undefined) NativePromise.resolve().then(go);
    else engineTimeout(go, 0);
  });
}

/** Lets the engine run the jobs by itself, as soon as there are any. */
export function runJobsWithEngine(): void {
  let isAsked = false;
  wake = () => {
    if (isAsked) return;
    isAsked = true;
    NativePromise.resolve().then(() => {
      isAsked = false;
      runJobs();
    });
  };
  if (jobs.length > 0) wake();
}

function add(job: Job): void {
  jobs.push(job);
  wake?.();
}

/** Adds something that goes on as soon as all before it has. */
export function enqueue(job: Job): void {
  const around = context;
  add(() => withContext(around, job));
}

/** Rejected, and nobody has asked yet. */
let unhandled: Pick<DurablePromise<unknown>, "isLookedAt" | "reason">[] = [];

/** The reasons of promises that were rejected and that nobody looks at. Told once. */
export function takeUnhandled(): unknown[] {
  const reasons = unhandled.filter((it) => !it.isLookedAt).map((it) => it.reason);
  unhandled = [];
  return reasons;
}

interface Reaction {
  fulfilled: (value: any) => void;
  rejected: (reason: unknown) => void;
}

export class DurablePromise<T> implements Promise<T> {
  #state: "pending" | "fulfilled" | "rejected" = "pending";
  #value: unknown;
  #reactions: Reaction[] = [];
  isLookedAt = false;

  constructor(executor: (resolve: Settle<T | PromiseLike<T>>, reject: Settle<unknown>) => void) {
    if (typeof executor !== "function") {
      throw new TypeError("a promise is made with a function");
    }
    const [resolve, reject] = this.#settlers();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  get reason(): unknown {
    return this.#value;
  }

  get [Symbol.toStringTag](): string {
    return "Promise";
  }

  /** Of which the first that is called counts. */
  #settlers(): [Settle<T | PromiseLike<T>>, Settle<unknown>] {
    let isDecided = false;
    const once = (settle: (value: any) => void) => (value: unknown) => {
      if (isDecided) return;
      isDecided = true;
      settle(value);
    };
    return [once((value) => this.#resolve(value)), once((reason) => this.#settle("rejected", reason))];
  }

  #resolve(value: unknown): void {
    if (value === this) {
      this.#settle("rejected", new TypeError("a promise can't wait for itself"));
      return;
    }
    if (value === null || (typeof value !== "object" && typeof value !== "function")) {
      this.#settle("fulfilled", value);
      return;
    }
    let then: unknown;
    try {
      then = (value as { then?: unknown }).then;
    } catch (error) {
      this.#settle("rejected", error);
      return;
    }
    if (typeof then === "function") this.#follow(value, then);
    else this.#settle("fulfilled", value);
  }

  #follow(value: unknown, then: Function): void {
    const [resolve, reject] = this.#settlers();
    const isForeign = value instanceof NativePromise;
    const done = <V>(settle: Settle<V>) => (result: V) => {
      if (isForeign) foreign -= 1;
      settle(result);
    };
    if (isForeign) foreign += 1;
    enqueue(() => {
      try {
        then.call(value, done(resolve), done(reject));
      } catch (error) {
        reject(error);
      }
    });
  }

  #settle(state: "fulfilled" | "rejected", value: unknown): void {
    this.#state = state;
    this.#value = value;
    const reactions = this.#reactions;
    this.#reactions = [];
    if (state === "rejected" && !this.isLookedAt) unhandled.push(this);
    for (const reaction of reactions) this.#react(reaction);
  }

  #react(reaction: Reaction): void {
    const value = this.#value;
    if (this.#state === "fulfilled") add(() => reaction.fulfilled(value));
    else add(() => reaction.rejected(value));
  }

  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.isLookedAt = true;
    const around = context;
    return new DurablePromise<A | B>((resolve, reject) => {
      const call = (handler: ((value: any) => any) | null | undefined, otherwise: Settle<any>) => (value: unknown) => {
        if (typeof handler !== "function") return otherwise(value);
        withContext(around, () => {
          try {
            resolve(handler(value));
          } catch (error) {
            reject(error);
          }
        });
      };
      const reaction = { fulfilled: call(onFulfilled, resolve), rejected: call(onRejected, reject) };
      if (this.#state === "pending") this.#reactions.push(reaction);
      else this.#react(reaction);
    });
  }

  catch<B = never>(onRejected?: ((reason: any) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    if (typeof onFinally !== "function") return this.then();
    return this.then(
      (value) => DurablePromise.resolve(onFinally()).then(() => value),
      (reason) =>
        DurablePromise.resolve(onFinally()).then(() => {
          throw reason;
        }),
    );
  }

  static get [Symbol.species](): typeof DurablePromise {
    return DurablePromise;
  }

  static resolve<T>(value?: T): Promise<Awaited<T>> {
    if (value instanceof DurablePromise) return value as Promise<any>;
    return new DurablePromise<any>((resolve) => resolve(value));
  }

  static reject<T = never>(reason?: unknown): Promise<T> {
    return new DurablePromise<T>((_, reject) => reject(reason));
  }

  static withResolvers<T>(): {
    promise: Promise<T>;
    resolve: Settle<T | PromiseLike<T>>;
    reject: Settle<unknown>;
  } {
    let settlers!: { resolve: Settle<T | PromiseLike<T>>; reject: Settle<unknown> };
    const promise = new DurablePromise<T>((resolve, reject) => (settlers = { resolve, reject }));
    return { promise, ...settlers };
  }

  static try<T>(call: (...values: any[]) => T | PromiseLike<T>, ...values: unknown[]): Promise<T> {
    return new DurablePromise<T>((resolve) => resolve(call(...values)));
  }

  static all(values: Iterable<unknown>): Promise<any> {
    return collect(values, (each, done, reject) => each.then(done, reject));
  }

  static allSettled(values: Iterable<unknown>): Promise<any> {
    return collect(values, (each, done) =>
      each.then(
        (value) => done({ status: "fulfilled", value }),
        (reason) => done({ status: "rejected", reason }),
      ),
    );
  }

  static any(values: Iterable<unknown>): Promise<any> {
    const errors = collect(values, (each, done, found) => each.then(found, done));
    return errors.then(
      (reasons) => {
        throw new AggregateError(reasons as unknown[], "all promises were rejected");
      },
      (found) => found,
    );
  }

  static race(values: Iterable<unknown>): Promise<any> {
    return new DurablePromise((resolve, reject) => {
      for (const value of values) DurablePromise.resolve(value).then(resolve, reject);
    });
  }
}

/** Waits for what `look` finds in each of the values, in their order. */
function collect(
  values: Iterable<unknown>,
  look: (each: Promise<unknown>, done: Settle<unknown>, reject: Settle<unknown>) => void,
): Promise<unknown> {
  return new DurablePromise((resolve, reject) => {
    const found: unknown[] = [];
    let left = 1;
    const one = () => {
      left -= 1;
      if (left === 0) resolve(found);
    };
    let index = 0;
    for (const value of values) {
      const at = index;
      index += 1;
      left += 1;
      const done = (result: unknown) => {
        found[at] = result;
        one();
      };
      look(DurablePromise.resolve(value), done, reject);
    }
    one();
  });
}
