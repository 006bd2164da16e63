/** Calling the function of an activity, and what comes of it as an outcome. */

import { type ActivityContext, within } from "./context.js";
import { ActivityCancelled, type CancelReason } from "./errors.js";
import { CANCELLED, failure, INVALID_INPUT, WORKER_SHUTDOWN } from "./failure.js";
import { canceled, completed, failed, failedAs, type Outcome } from "./outcome.js";
import { decodeInput } from "./payload.js";
import type { Task } from "./protocol.js";
import type { Activity } from "./registry.js";

/** Never throws. */
export async function execute(
  activity: Activity,
  task: Task,
  context: ActivityContext,
): Promise<Outcome> {
  if (context.signal.aborted) return outcomeOf(context.signal.reason, context);
  let input: unknown;
  try {
    input = activity.parse(decodeInput(task));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const text = `activity ${task.activity_type} can't read its input: ${why}`;
    return failedAs(failure(INVALID_INPUT, text, true));
  }
  try {
    // In a function of its own, so that a function that is not async may throw as well.
    return completed(await within(context, async () => await activity.run(input, context)));
  } catch (error) {
    return outcomeOf(error, context);
  }
}

/** What it means that the function ended so, where it may have been asked to end. */
function outcomeOf(error: unknown, context: ActivityContext): Outcome {
  if (!isCancellation(error, context)) return failed(error);
  const reason: CancelReason | undefined = context.cancelReason;
  if (reason === "requested") {
    // The reason of the signal says only what everybody knows.
    return canceled(error === context.signal.reason ? undefined : error);
  }
  if (reason === "shutdown") return shutDown();
  return failedAs(failure(CANCELLED, "the activity ended itself as cancelled"));
}

/** The worker stopped: another one is to try again. */
export function shutDown(): Outcome {
  return failedAs(failure(WORKER_SHUTDOWN, "the worker stopped before the activity had ended"));
}

/** What was thrown because of the signal: by us, by `fetch`, by timers, or by the function. */
export function isCancellation(error: unknown, context: ActivityContext): boolean {
  if (error instanceof ActivityCancelled) return true;
  return context.signal.aborted && error instanceof Error && error.name === "AbortError";
}
