/** Parts for tests of the loops: answers that are written down, and a clock that is set. */

import { Attempt } from "../../src/attempt.js";
import { infoOf } from "../../src/info.js";
import { Lease } from "../../src/lease.js";
import { silentLogger } from "../../src/logger.js";
import type { Task } from "../../src/protocol.js";

export class Clock {
  now = 0;
  readonly read = (): number => this.now;
}

/** Stands for the requests of one kind: keeps them, and answers each with the next. */
export class Answers<T> {
  readonly asked: Record<string, unknown>[][] = [];
  readonly #left: (Error | T | T[])[];

  constructor(...answers: (Error | T | T[])[]) {
    this.#left = answers;
  }

  readonly give = async (entries: readonly string[]): Promise<T[]> => {
    this.asked.push(entries.map((entry) => JSON.parse(entry)));
    const answer = this.#left.shift();
    if (answer instanceof Error) throw answer;
    if (answer === undefined) throw new TypeError("nobody has written down an answer");
    return Array.isArray(answer) ? answer : entries.map(() => answer);
  };
}

export function task(fields: Partial<Task> = {}): Task {
  return {
    token: "t",
    workflow_id: "w",
    run_id: "r",
    workflow_type: "order",
    operation_id: 1,
    activity_type: "a",
    attempt: 1,
    lease_seconds: 30,
    ...fields,
  };
}

export function attempt(token = "t", now = 0, fields: Partial<Task> = {}): Attempt {
  const one = task({ token, ...fields });
  return new Attempt(token, infoOf(one, "default", "q"), new Lease(one, now, 2_000), silentLogger);
}
