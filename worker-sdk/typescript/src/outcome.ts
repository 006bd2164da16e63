/** How an attempt ended. */

import { ActivityCancelled, PayloadError } from "./errors.js";
import { cut, detailsJson, failure, failureOf, INVALID_RESULT, RESULT_REFUSED } from "./failure.js";
import { resultField } from "./payload.js";

export interface Outcome {
  kind: "completed" | "failed" | "canceled";
  /** The field of the report: its name, a colon, and JSON. */
  field: string;
}

/** Characters of a failure's message in the log. */
const LOGGED_MAX = 1024;

/** Type and message of a failure, for the log. */
export function failureText(outcome: Outcome): string | undefined {
  if (outcome.kind !== "failed") return undefined;
  const { failure } = JSON.parse(`{${outcome.field}}`) as {
    failure: { type: string; message: string };
  };
  return `${failure.type}: ${failure.message.slice(0, LOGGED_MAX)}`;
}

/** The entry of a batch of reports, as JSON. */
export function report(outcome: Outcome, token: string): string {
  return `{"token":${JSON.stringify(token)},${outcome.field}}`;
}

/** What the function returned; a failure if that is no JSON. */
export function completed(value: unknown): Outcome {
  try {
    return { kind: "completed", field: resultField(value) };
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error;
    return failedAs(failure(INVALID_RESULT, `the result ${error.message}`));
  }
}

export function failed(error: unknown): Outcome {
  return failedAs(failureOf(error));
}

/** Of a failure that is JSON already. */
export function failedAs(json: string): Outcome {
  return { kind: "failed", field: `"failure":${json}` };
}

/** The function ended as it was asked to. It may have something to say. */
export function canceled(error: unknown): Outcome {
  const fields: string[] = [];
  if (error instanceof ActivityCancelled) {
    if (error.message !== "") fields.push(`"message":${JSON.stringify(cut(error.message))}`);
    if (error.details !== undefined) fields.push(`"details":${detailsJson(error.details)}`);
  }
  return { kind: "canceled", field: `"canceled":{${fields.join(",")}}` };
}

/**
 * What to report in the place of an outcome that the server takes for wrong. Without it the task
 * would be given out again, to end in the same way. A result is wrong for good; that nobody had
 * asked to cancel may be another matter next time.
 */
export function instead(outcome: Outcome, code: string, message: string): Outcome | undefined {
  if (outcome.kind === "failed") return undefined;
  const text = `the server refused the report (${code}): ${message}`;
  return failedAs(failure(RESULT_REFUSED, text, outcome.kind === "completed"));
}
