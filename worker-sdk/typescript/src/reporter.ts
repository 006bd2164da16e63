/** Hands outcomes over, many in one request, and again until the server has answered. */

import type { Attempt } from "./attempt.js";
import { Refused } from "./errors.js";
import type { Logger } from "./logger.js";
import { instead, type Outcome, report } from "./outcome.js";
import { batches, type ReportApi, type ReportResult } from "./protocol.js";
import { Backoff, isRetryable } from "./retry.js";
import { Wake } from "./wake.js";

/** Codes that say that nobody wants the outcome any more. */
const OVER = new Set(["lease_lost", "activity_not_found", "run_not_found", "run_closed"]);
const PASSING = new Set(["unavailable", "overloaded"]);

/** An outcome that the server has not answered to. */
interface Pending {
  attempt: Attempt;
  outcome: Outcome;
  answered: () => void;
}

/** One request at a time: what comes meanwhile goes with the next. */
export class Reporter {
  #pending: Pending[] = [];
  readonly #wake = new Wake();
  #stopped = false;

  constructor(
    private readonly api: ReportApi,
    private readonly logger: Logger,
    private readonly backoff = new Backoff(100, 3_000),
    private readonly clock: () => number = () => performance.now(),
  ) {}

  /** Resolves when the server has answered, or nobody wants the outcome any more. */
  report(attempt: Attempt, outcome: Outcome): Promise<void> {
    return new Promise((answered) => {
      this.#pending.push({ attempt, outcome, answered });
      this.#wake.wake();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#wake.wake();
  }

  /** Goes on until it is stopped. */
  async run(): Promise<void> {
    let sendAt = 0;
    while (!this.#stopped) {
      const left = sendAt - this.clock();
      if (left > 0) await this.#wake.wait(left);
      else if (this.#pending.length === 0) await this.#wake.wait();
      else sendAt = this.clock() + (await this.sendOnce());
    }
  }

  /** Sends what there is. Returns how many milliseconds to wait before the next time. */
  async sendOnce(): Promise<number> {
    this.#giveUp();
    const sending = this.#pending;
    this.#pending = [];
    let wait = 0;
    for (const batch of batches(sending, entryOf)) wait = Math.max(wait, await this.#send(batch));
    if (wait === 0) this.backoff.reset();
    return wait;
  }

  async #send(batch: Pending[]): Promise<number> {
    let results: ReportResult[];
    try {
      results = await this.api.reports(batch.map(entryOf));
    } catch (error) {
      return await this.#notTaken(batch, error);
    }
    let again: Refused | undefined;
    batch.forEach((pending, index) => {
      again = this.#settle(pending, results[index] ?? {}) ?? again;
    });
    return again === undefined ? 0 : this.backoff.next(again);
  }

  async #notTaken(batch: Pending[], error: unknown): Promise<number> {
    const [first] = batch;
    if (isRetryable(error) || first === undefined || !(error instanceof Refused)) {
      this.logger.warn("outcomes could not be reported; trying again", {
        error: String(error),
        tasks: batch.length,
      });
      this.#pending = [...batch, ...this.#pending];
      return this.backoff.next(error);
    }
    if (batch.length === 1) {
      this.#refused(first, error.code, error.reason);
      return 0;
    }
    // One of them is why: those beside it must not pay for it.
    let wait = 0;
    for (const one of batch) wait = Math.max(wait, await this.#send([one]));
    return wait;
  }

  /** Done with it, or the reason why it is sent again. */
  #settle(pending: Pending, result: ReportResult): Refused | undefined {
    if (result.recorded === true) {
      pending.answered();
      return undefined;
    }
    const { code = "unknown", message = "", retryable = false } = result.error ?? {};
    if (retryable || PASSING.has(code)) {
      this.#pending.push(pending);
      return new Refused(503, code, message, true);
    }
    this.#refused(pending, code, message);
    return undefined;
  }

  #refused(pending: Pending, code: string, reason: string): void {
    const fields = { code, reason, outcome: pending.outcome.kind };
    const other = OVER.has(code) ? undefined : instead(pending.outcome, code, reason);
    if (other === undefined) {
      pending.attempt.logger.warn("an outcome was thrown away", fields);
      pending.answered();
      return;
    }
    pending.attempt.logger.error("the server refused an outcome", fields);
    this.#pending.push({ ...pending, outcome: other });
  }

  /**
   * Leaves out those whose tasks are other workers' by now. A lease that ended while the server
   * could not be reached may not be known to have ended there either. So an outcome is offered for
   * as long again.
   */
  #giveUp(): void {
    const now = this.clock();
    this.#pending = this.#pending.filter(({ attempt, outcome, answered }) => {
      if (attempt.lease.endsAt + attempt.lease.lengthMs > now) return true;
      attempt.logger.warn("an outcome was thrown away", {
        code: "lease_lost",
        outcome: outcome.kind,
      });
      answered();
      return false;
    });
  }
}

function entryOf(pending: Pending): string {
  return report(pending.outcome, pending.attempt.token);
}
