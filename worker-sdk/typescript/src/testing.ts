/**
 * Runs an activity in a test, without a server.
 *
 * ```ts
 * const tester = new ActivityTester();
 * assert.equal(await tester.run(copy, { rows: 3 }), 3);
 * assert.deepEqual(tester.heartbeats, [1, 2, 3]);
 * ```
 */

import { makeContext, within } from "./context.js";
import { ActivityCancelled, type CancelReason } from "./errors.js";
import { type ActivityInfo, infoOf } from "./info.js";
import { type Logger, silentLogger } from "./logger.js";
import { encode, resultField } from "./payload.js";
import type { ActivityDefinition, ActivityFunction } from "./registry.js";

export interface ActivityTesterOptions {
  /** What the activity is told about itself; the rest is made up. */
  info?: Partial<ActivityInfo>;
  /** What an attempt before this one has said. */
  heartbeatDetails?: unknown;
  /** Called at each heartbeat: a place to cancel. */
  onHeartbeat?: (details: unknown) => void;
  logger?: Logger;
}

/** One attempt. Inputs and results go through JSON, as with a server. */
export class ActivityTester {
  /** What the activity has said, all of it: nothing is held back here. */
  readonly heartbeats: unknown[] = [];
  readonly #abort = new AbortController();
  #reason: CancelReason | undefined;

  constructor(private readonly options: ActivityTesterOptions = {}) {}

  /** Asks the activity to end, before it begins or meanwhile. */
  cancel(reason: CancelReason = "requested"): void {
    this.#reason ??= reason;
    this.#abort.abort(new ActivityCancelled("", this.#reason));
  }

  /** What the activity returns. What it throws is thrown, also when it was cancelled. */
  async run<Input, Output>(
    activity: ActivityFunction<Input, Output> | ActivityDefinition<Input, Output>,
    input?: Input,
  ): Promise<Output> {
    const { parse, run } =
      typeof activity === "function"
        ? { parse: (json: unknown) => json as Input, run: activity }
        : activity;
    const context = makeContext({
      info: { ...MADE_UP, ...this.options.info },
      logger: this.options.logger ?? silentLogger,
      signal: this.#abort.signal,
      cancelReason: () => this.#reason,
      heartbeatDetails: this.options.heartbeatDetails,
      send: (details) => {
        this.heartbeats.push(JSON.parse(details));
        this.options.onHeartbeat?.(this.heartbeats.at(-1));
      },
    });
    const given = input instanceof Uint8Array ? input : JSON.parse(encode(input));
    const output = await within(context, async () => await run(parse(given), context));
    resultField(output);
    return output;
  }
}

const MADE_UP = infoOf(
  {
    token: "",
    workflow_id: "test",
    run_id: "00000000-0000-0000-0000-000000000000",
    workflow_type: "test",
    operation_id: 1,
    activity_type: "test",
    attempt: 1,
  },
  "default",
  "test",
);
