/** A task in hand. */

import { ActivityCancelled, type CancelReason } from "./errors.js";
import { type ActivityInfo, logFields } from "./info.js";
import type { Lease } from "./lease.js";
import { type Logger, withFields } from "./logger.js";
import type { HeartbeatResult } from "./protocol.js";

/** What the worker knows of one task, from the poll to the answer to its report. */
export class Attempt {
  readonly logger: Logger;
  /** Its outcome is known, or will not be waited for. */
  ended = false;
  readonly #abort = new AbortController();
  #reason: CancelReason | undefined;

  constructor(
    readonly token: string,
    readonly info: ActivityInfo,
    readonly lease: Lease,
    logger: Logger,
  ) {
    this.logger = withFields(logger, logFields(info));
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The first one that was given, or that the lease is lost: then no other counts. */
  get cancelReason(): CancelReason | undefined {
    return this.#reason;
  }

  /** Nobody wants the outcome any more. */
  get lost(): boolean {
    return this.#reason === "lease_lost";
  }

  /** Whether that is news. */
  cancel(reason: CancelReason): boolean {
    if (this.#reason !== undefined && (this.lost || reason !== "lease_lost")) return false;
    this.#reason = reason;
    this.#abort.abort(new ActivityCancelled(TEXTS[reason], reason));
    return true;
  }

  /** What the server answered to a heartbeat: false if it has to be sent again. */
  learn(result: HeartbeatResult, sentAt: number): boolean {
    if (result.held !== true) {
      if (result.error?.retryable === true) return false;
      this.lose(result.error?.message ?? "the server does not say why");
      return true;
    }
    this.lease.prolonged(sentAt);
    if (result.cancel_requested === true && this.cancel("requested")) {
      this.logger.info("the workflow asks the activity to cancel");
    }
    return true;
  }

  lose(reason: string): void {
    if (this.cancel("lease_lost")) this.logger.warn("the lease of a task is lost", { reason });
  }
}

const TEXTS: Record<CancelReason, string> = {
  requested: "the workflow asks the activity to cancel",
  lease_lost: "the lease of the task is lost",
  shutdown: "the worker stops",
};
