/** Errors as failures of the protocol. */

import { ApplicationError, PayloadError } from "./errors.js";
import { encode } from "./payload.js";

/** Causes that the server keeps of a failure. */
export const CAUSES_MAX = 16;
/** Characters of a message; the server cuts longer ones as well. */
const MESSAGE_MAX = 16 * 1024;

/** The input is not what the activity takes. Trying again can't help. */
export const INVALID_INPUT = "InvalidInput";
/** The result is no JSON. */
export const INVALID_RESULT = "InvalidResult";
/** The server took the report of this outcome for wrong, such as a result that is too large. */
export const RESULT_REFUSED = "ResultRefused";
/** The worker stopped before the function had ended. */
export const WORKER_SHUTDOWN = "WorkerShutdown";
/** The function ended itself as cancelled, and nobody had asked for it. */
export const CANCELLED = "Cancelled";
/** The server gave this worker something that it has not registered. */
export const NOT_REGISTERED = "ActivityTypeNotFound";

/** The JSON of a failure that this library has to report. */
export function failure(type: string, message: string, nonRetryable = false): string {
  const more = nonRetryable ? { non_retryable: true } : {};
  return JSON.stringify({ type, message: cut(message), ...more });
}

/** The JSON of the failure that an error stands for, with what caused it. */
export function failureOf(error: unknown): string {
  const text = info(error);
  const causes = causesOf(error).map(info);
  return causes.length === 0 ? text : withField(text, "causes", `[${causes.join(",")}]`);
}

/** The nearest first, and no more than are kept. */
export function causesOf(error: unknown): unknown[] {
  const chain: unknown[] = [];
  const seen = new Set<unknown>([error]);
  let current = error;
  while (chain.length < CAUSES_MAX && current instanceof Error) {
    current = current.cause;
    if (current === undefined || current === null || seen.has(current)) break;
    seen.add(current);
    chain.push(current);
  }
  return chain;
}

export function cut(message: string): string {
  return message.length > MESSAGE_MAX ? message.slice(0, MESSAGE_MAX) : message;
}

/** The details of a failure matter less than the failure: if they are no JSON, that is said. */
export function detailsJson(details: unknown): string {
  try {
    return encode(details);
  } catch (problem) {
    if (!(problem instanceof PayloadError)) throw problem;
    return JSON.stringify(`the details ${problem.message}`);
  }
}

export function withField(text: string, name: string, value: string): string {
  return `${text.slice(0, -1)},"${name}":${value}}`;
}

function info(error: unknown): string {
  if (!(error instanceof Error)) {
    return JSON.stringify({ type: "Error", message: cut(textOf(error)) });
  }
  if (!(error instanceof ApplicationError)) {
    return JSON.stringify({ type: typeName(error), message: cut(textOf(error.message)) });
  }
  const text = JSON.stringify({
    type: error.type,
    message: cut(error.message),
    non_retryable: error.nonRetryable || undefined,
    next_retry_delay_seconds: error.nextRetryDelaySeconds,
  });
  if (error.details === undefined) return text;
  return withField(text, "details", detailsJson(error.details));
}

/** The name that a class has, if it gives its errors none. */
function typeName(error: Error): string {
  const name = error.name === "Error" ? error.constructor?.name : error.name;
  return typeof name === "string" && name !== "" ? name : "Error";
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "an error whose text can't be had";
  }
}
