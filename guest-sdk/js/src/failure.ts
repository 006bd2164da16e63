/** What went wrong, in the shape that the runtime records and shows. */

import { milliseconds, nanoseconds, type Duration } from "./duration.js";
import type { WitFailure, WitFailureInfo } from "./host.js";
import { parse, stringify, type Payload } from "./payload.js";
import { mappedStack } from "./stack.js";
import { encodeText } from "./utf8.js";

export type FailureKind =
  | "application"
  | "cancelled"
  | "timeout"
  | "terminated"
  | "activity"
  | "child"
  | "nondeterminism";

/** Causes that are kept. */
const CAUSES_MAX = 16;
/** Lines of a stack that go into a message. */
const STACK_LINES_MAX = 8;

export interface FailureOptions {
  /** True if trying again can't help; no retry policy overrides it. */
  nonRetryable?: boolean;
  /** How long to wait before the next attempt, instead of what the retry policy says. */
  retryAfter?: Duration;
  /** Data for the program that handles the failure. */
  details?: unknown;
  /** What led to it. */
  cause?: unknown;
}

/**
 * A failure of a workflow or an activity. A workflow that throws one fails with it; anything else
 * that it throws is a bug, and blocks the run until the code is fixed. An activity fails with
 * whatever it throws.
 */
export class Failure extends Error {
  /** A stable name for programs, such as `CardDeclined`. Retry policies match it exactly. */
  readonly type: string;
  readonly kind: FailureKind;
  readonly nonRetryable: boolean;
  /** In milliseconds. */
  readonly retryAfter: number | undefined;
  #details: Payload | undefined;

  constructor(type: string, message: string, options: FailureOptions & { kind?: FailureKind } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = type;
    this.type = type;
    this.kind = options.kind ?? "application";
    this.nonRetryable = options.nonRetryable ?? false;
    this.retryAfter = options.retryAfter === undefined ? undefined : milliseconds(options.retryAfter);
    this.#details = options.details === undefined ? undefined : encodeText(stringify(options.details));
  }

  /** A failure that says the work was cancelled. A workflow that throws it ends as cancelled. */
  static cancelled(message: string, details?: unknown): Failure {
    return new Failure("Cancelled", message, { kind: "cancelled", details });
  }

  /** The failure that an error stands for. */
  static from(error: unknown): Failure {
    return error instanceof Failure ? error : fromWit(toWit(error));
  }

  /** The data of the failure itself, if it has any. */
  get details(): unknown {
    return this.#details === undefined ? undefined : parse(this.#details);
  }

  /** The failure itself, then its causes, the nearest first. */
  chain(): Failure[] {
    const chain: Failure[] = [this];
    let cause = this.cause;
    while (cause !== undefined && cause !== null && chain.length <= CAUSES_MAX) {
      const failure = Failure.from(cause);
      chain.push(failure);
      cause = failure.cause;
    }
    return chain;
  }

  /**
   * True if the failure or one of its causes has this type. What an activity raised arrives in the
   * workflow as the cause of a failure of kind `activity`, so this is the way to ask for it.
   */
  is(type: string): boolean {
    return this.chain().some((it) => it.type === type);
  }

  /** True if this is the consequence of a cancellation. */
  get isCancelled(): boolean {
    const reason = this.chain().find((it) => it.kind !== "activity" && it.kind !== "child");
    return reason?.kind === "cancelled";
  }

  /** @internal The details, byte for byte. */
  get detailsPayload(): Payload | undefined {
    return this.#details;
  }

  /** @internal */
  set detailsPayload(details: Payload | undefined) {
    this.#details = details;
  }
}

/** Whether an error is the consequence of a cancellation. */
export function isCancelled(error: unknown): boolean {
  return error instanceof Failure && error.isCancelled;
}

export function fromWit({ info, causes }: WitFailure): Failure {
  let cause: Failure | undefined;
  for (const outer of [...causes].reverse()) cause = made(outer, cause);
  return made(info, cause);
}

function made(info: WitFailureInfo, cause: Failure | undefined): Failure {
  const failure = new Failure(info.typeName, info.message, {
    kind: info.kind,
    nonRetryable: info.nonRetryable,
    ...(info.nextRetryDelay === undefined ? {} : { retryAfter: Number(info.nextRetryDelay) / 1e6 }),
    ...(cause === undefined ? {} : { cause }),
  });
  failure.detailsPayload = info.details;
  return failure;
}

export function toWit(error: unknown): WitFailure {
  const causes: WitFailureInfo[] = [];
  const seen = new Set<unknown>([error]);
  let current = error;
  while (current instanceof Error && causes.length < CAUSES_MAX) {
    current = current.cause;
    if (current === undefined || current === null || seen.has(current)) break;
    seen.add(current);
    causes.push(infoOf(current, false));
  }
  return { info: infoOf(error, true), causes };
}

function infoOf(error: unknown, withStack: boolean): WitFailureInfo {
  if (error instanceof Failure) {
    const { kind, type, message, nonRetryable, retryAfter, detailsPayload } = error;
    const nextRetryDelay = retryAfter === undefined ? undefined : nanoseconds(retryAfter);
    return { kind, typeName: type, message, nonRetryable, nextRetryDelay, details: detailsPayload };
  }
  return {
    kind: "application",
    typeName: typeOf(error),
    // Nobody has written this for the person who reads it: it helps to know where it comes from.
    message: withStack ? `${textOf(error)}${shortStack(error)}` : textOf(error),
    nonRetryable: false,
    nextRetryDelay: undefined,
    details: undefined,
  };
}

function typeOf(error: unknown): string {
  if (!(error instanceof Error)) return "Error";
  const name = error.name === "Error" ? error.constructor?.name : error.name;
  return typeof name === "string" && name !== "" ? name : "Error";
}

export function textOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return "an error whose text can't be had";
  }
}

function shortStack(error: unknown): string {
  const lines = mappedStack(error).slice(0, STACK_LINES_MAX);
  return lines.map((line) => `\n    at ${line}`).join("");
}

/** All that is known of an error that nobody expected, for the report of a blocked run. */
export function describe(error: unknown): string {
  const causes = error instanceof Error ? Failure.from(error).chain().slice(1) : [];
  const stack = mappedStack(error).map((line) => `\n    at ${line}`).join("");
  const because = causes.map((cause) => `\ncaused by ${cause.type}: ${cause.message}`).join("");
  return `${typeOf(error)}: ${textOf(error)}${stack}${because}`;
}
