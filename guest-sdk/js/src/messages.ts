/** Answering questions about the run, showing values, and doing what callers ask for. */

import { decode, encode } from "./payload.js";
import { DurablePromise } from "./promise.js";
import { theRun, waitFor } from "./run.js";

/**
 * Answers queries of this name, until the name is used again; also after the end of the run.
 *
 * The handler looks at what the workflow knows, and changes nothing: a query is in no history, so a
 * change would be gone after a crash. It can't wait. One that starts something durable fails its
 * query, and nothing else.
 */
export function query<In = null, Out = unknown>(name: string, handler: (input: In) => Out): void {
  const what = `query \`${name}\``;
  theRun().queries.set(name, (input) => {
    const answer = handler(decode(input, `the input of ${what}`, "InvalidInput") as In);
    if (answer instanceof Promise) {
      throw new TypeError(`the handler of ${what} is async: a query can't wait`);
    }
    return encode(answer, `the answer to ${what}`, "InvalidResult");
  });
}

/**
 * Shows a value to those who query this name, from now on and in place of the one before: at every
 * time and also after the end of the run, without asking the workflow. At most 100 names in a run.
 */
export function publish(name: string, value: unknown): void {
  theRun().host.publish(name, encode(value, `the published value \`${name}\``, "InvalidResult"));
}

/** What is done about updates of one name. */
export interface UpdateHandler<In, Out> {
  /**
   * Throws to reject an update. One that is rejected leaves no trace, so this changes nothing, and
   * can't wait.
   */
  validate?(input: In): void;
  /** Does what was asked for. What it returns is the answer. */
  handle(input: In): Out | Promise<Out>;
}

/**
 * Handles updates of this name, from now on and until the run ends or the name is used again. A
 * handler that has not ended when the workflow returns is dropped, and its caller is told that the
 * run has closed: see `updatesFinished`.
 *
 * ```ts
 * update<string, number>("add", {
 *   validate: (item) => { if (item === "") throw new Failure("NoItem", "an item has a name"); },
 *   handle: (item) => items.push(item),
 * });
 * ```
 */
export function update<In = null, Out = unknown>(
  name: string,
  handler: UpdateHandler<In, Out> | ((input: In) => Out | Promise<Out>),
): void {
  const what = `update \`${name}\``;
  const { validate, handle } = typeof handler === "function" ? { validate: undefined, handle: handler } : handler;
  theRun().updates.set(name, {
    check(bytes) {
      const input = decode(bytes, `the input of ${what}`, "InvalidInput") as In;
      validate?.(input);
      return () =>
        new DurablePromise<Out>((resolve) => resolve(handle(input))).then((answer) =>
          encode(answer, `the answer to ${what}`, "InvalidResult"),
        );
    },
  });
}

/** Waits until all updates that were accepted have been answered. */
export function updatesFinished(): Promise<void> {
  const run = theRun();
  return waitFor("updates", new Error(), () => run.openUpdates === 0);
}
