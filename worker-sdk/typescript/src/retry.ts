/** When a request is sent again. */

import { Refused, Unreachable } from "./errors.js";

/** Statuses that pass by themselves, whoever answers: a proxy may know nothing of our codes. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Longest wait that a server's `Retry-After` may ask for. */
const RETRY_AFTER_MS_MAX = 60_000;

/** Whether the same request may succeed later. */
export function isRetryable(error: unknown): boolean {
  if (error instanceof Refused) return error.retryable || PASSING.has(error.status);
  return error instanceof Unreachable;
}

/** Waits that double, with jitter, so that many workers do not come back at once. */
export class Backoff {
  #failures = 0;

  constructor(
    private readonly initialMs = 100,
    private readonly maximumMs = 5_000,
    private readonly random: () => number = Math.random,
  ) {}

  /** The last request was answered. */
  reset(): void {
    this.#failures = 0;
  }

  /** How long to wait after one more failure, never less than the server asks for. */
  next(error: unknown): number {
    // The exponent is bounded, or it would overflow after a long outage.
    const wait = Math.min(this.maximumMs, this.initialMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    const jittered = wait * (0.5 + 0.5 * this.random());
    const asked = error instanceof Refused ? error.retryAfterSeconds : undefined;
    return jittered + Math.min((asked ?? 0) * 1_000, RETRY_AFTER_MS_MAX);
  }
}
