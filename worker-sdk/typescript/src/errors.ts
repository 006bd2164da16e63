/** What an activity throws to say how it ended, and what the library throws. */

/** Why an activity is to end. */
export type CancelReason =
  /** The workflow has asked for it. */
  | "requested"
  /** The task is another worker's, or its time is over. Nobody wants the outcome any more. */
  | "lease_lost"
  /** The worker stops. */
  | "shutdown";

export interface ApplicationErrorOptions {
  /** A stable name for programs: retry policies match it. */
  type?: string;
  /** For the workflow that handles the failure: anything that JSON can say. */
  details?: unknown;
  /** True if trying again can't help. */
  nonRetryable?: boolean;
  /** The wait before the next attempt, instead of what the retry policy says. */
  nextRetryDelaySeconds?: number;
  cause?: unknown;
}

/** Fails the attempt, with more to say than another error has. Any error fails the attempt. */
export class ApplicationError extends Error {
  override readonly name = "ApplicationError";
  readonly type: string;
  readonly details: unknown;
  readonly nonRetryable: boolean;
  readonly nextRetryDelaySeconds: number | undefined;

  constructor(message: string, options: ApplicationErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    const delay = options.nextRetryDelaySeconds;
    if (delay !== undefined && !(delay >= 0 && delay < Infinity)) {
      throw new RangeError("nextRetryDelaySeconds is a number of seconds, 0 or more");
    }
    this.type = options.type ?? "ApplicationError";
    this.details = options.details;
    this.nonRetryable = options.nonRetryable ?? false;
    this.nextRetryDelaySeconds = delay;
  }
}

/**
 * The reason of the signal of an activity that is to end. An activity that throws it ends as
 * cancelled; it may throw its own, to say more.
 */
export class ActivityCancelled extends Error {
  override readonly name = "ActivityCancelled";
  readonly details: unknown;

  constructor(
    message = "",
    readonly reason: CancelReason = "requested",
    options: { details?: unknown } = {},
  ) {
    super(message);
    this.details = options.details;
  }
}

/** A value that is no JSON, or an input that is not what the activity takes. */
export class PayloadError extends Error {
  override readonly name = "PayloadError";
}

/** The worker can't work: what it was told does not fit the server. */
export class WorkerError extends Error {
  override readonly name = "WorkerError";
}

/** There is no answer: no connection, one that broke, or none in time. */
export class Unreachable extends Error {
  override readonly name: string = "Unreachable";
}

/** There is an answer, and no room for it: ask for less. */
export class AnswerTooLarge extends Unreachable {
  override readonly name = "AnswerTooLarge";
}

/** The server has answered that it does not do what it was asked. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(
    readonly status: number,
    readonly code: string,
    readonly reason: string,
    readonly retryable = false,
    readonly retryAfterSeconds?: number,
  ) {
    super(`${reason} (${code}, status ${status})`);
  }
}
