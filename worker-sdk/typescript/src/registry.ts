/** Which functions do which activities. */

import type { ActivityContext } from "./context.js";

/** Activity types that a poll may name. */
const TYPES_MAX = 1_000;

/** Takes one input, any JSON or bytes; and returns one result. */
export type ActivityFunction<Input, Output> = (
  input: Input,
  context: ActivityContext,
) => Output | Promise<Output>;

/** A function that says how its input is read: what `parse` throws fails the activity for good. */
export interface ActivityDefinition<Input, Output> {
  parse: (input: unknown) => Input;
  run: ActivityFunction<Input, Output>;
}

/** Functions by activity type. Each has an input and an output of its own. */
export type Activities = Record<string, ActivityFunction<any, any> | ActivityDefinition<any, any>>;

/** Ties the types of `parse` and `run` together. */
export function defineActivity<Input, Output>(
  definition: ActivityDefinition<Input, Output>,
): ActivityDefinition<Input, Output> {
  return definition;
}

/** A function of which nothing is known. */
export type Activity = ActivityDefinition<unknown, unknown>;

export class Registry {
  readonly #activities = new Map<string, Activity>();

  constructor(activities: Activities) {
    for (const [name, activity] of Object.entries(activities)) this.add(name, activity);
  }

  add(name: string, activity: Activities[string]): void {
    if (name === "") throw new TypeError("an activity type has a name");
    if (this.#activities.has(name)) throw new Error(`activity ${name} is registered already`);
    if (this.#activities.size === TYPES_MAX) {
      throw new RangeError(`a worker has at most ${TYPES_MAX} activity types`);
    }
    const definition =
      typeof activity === "function"
        ? { parse: (input: unknown) => input, run: activity }
        : activity;
    if (typeof definition.run !== "function" || typeof definition.parse !== "function") {
      throw new TypeError(`activity ${name} is a function, or has the functions parse and run`);
    }
    this.#activities.set(name, definition);
  }

  get(name: string): Activity | undefined {
    return this.#activities.get(name);
  }

  get names(): string[] {
    return [...this.#activities.keys()].sort();
  }
}
