/** What a running activity asks and tells: available to everything that it calls. */

import { AsyncLocalStorage } from "node:async_hooks";

import type { CancelReason } from "./errors.js";
import type { ActivityInfo } from "./info.js";
import type { Logger } from "./logger.js";
import { encode } from "./payload.js";

/** Bytes of what one heartbeat says. */
const DETAILS_BYTES_MAX = 64 * 1024;
const TRACE_HEADERS = ["traceparent", "tracestate", "baggage"];

/** One attempt, from inside. */
export interface ActivityContext {
  readonly info: ActivityInfo;
  /** A logger whose lines say which attempt they are of. */
  readonly logger: Logger;
  /** Aborted when the activity is to end; its reason is an `ActivityCancelled`. */
  readonly signal: AbortSignal;
  /** Why the activity is to end, if it is. */
  readonly cancelReason: CancelReason | undefined;
  /** What the last heartbeat of an attempt before this one said. */
  readonly heartbeatDetails: unknown;
  /** Headers of requests that belong to the trace of the workflow. */
  readonly traceHeaders: Readonly<Record<string, string>>;
  /**
   * Says how far the attempt has come: the next one is told if this one fails. The lease is
   * prolonged without it. What follows quickly on another is held back, and only the last is sent.
   */
  heartbeat(details?: unknown): void;
}

/** What a context is made of. */
export interface ContextParts {
  info: ActivityInfo;
  logger: Logger;
  signal: AbortSignal;
  cancelReason: () => CancelReason | undefined;
  heartbeatDetails: unknown;
  send: (details: string) => void;
}

export function makeContext(parts: ContextParts): ActivityContext {
  const { info, logger, signal, heartbeatDetails } = parts;
  const trace = Object.entries(info.traceContext);
  return {
    info,
    logger,
    signal,
    heartbeatDetails,
    traceHeaders: Object.fromEntries(trace.filter(([name]) => TRACE_HEADERS.includes(name))),
    get cancelReason() {
      return parts.cancelReason();
    },
    heartbeat(details?: unknown) {
      const text = encode(details);
      if (Buffer.byteLength(text) > DETAILS_BYTES_MAX) {
        throw new RangeError(`the details of a heartbeat have at most ${DETAILS_BYTES_MAX} bytes`);
      }
      parts.send(text);
    },
  };
}

const current = new AsyncLocalStorage<ActivityContext>();

/** The attempt that the caller is a part of. */
export function activityContext(): ActivityContext {
  const context = current.getStore();
  if (context === undefined) {
    throw new Error("there is no activity here: only activities have a context");
  }
  return context;
}

/** Makes it the context of a function and of all that it calls. */
export function within<T>(context: ActivityContext, call: () => T): T {
  return current.run(context, call);
}
