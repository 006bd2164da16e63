/** The activities of the list. */

import {
  Failure,
  activity,
  activityInfo,
  attemptSignals,
  heartbeat,
  heartbeatDetails,
  sleep,
  waitCancelRequested,
} from "@dacapo/workflow";

export const noop = activity("noop", async () => {});

export const double = activity("double", async (number: number) => number * 2);

export const echo = activity("echo", async (value: unknown) => value);

export const flaky = activity("flaky", async ({ succeed_at }: { succeed_at: number }) => {
  const { attempt } = activityInfo();
  if (attempt < succeed_at) throw new Failure("NotYet", `attempt ${attempt}`);
  return attempt;
});

export interface Refusal {
  type: string;
  message: string;
  non_retryable: boolean;
  details?: unknown;
}

export const refuse = activity("refuse", async ({ type, message, non_retryable, details }: Refusal) => {
  const cause = new Failure("Reason", "as asked");
  throw new Failure(type, message, { nonRetryable: non_retryable, details, cause });
});

export const crash = activity("crash", async () => {
  throw new Error("a bug in the activity");
});

export interface Count {
  n: number;
  fail_after: number;
}

export const countTo = activity("count_to", async ({ n, fail_after }: Count) => {
  const from = (heartbeatDetails<number>() ?? 0) + 1;
  const { attempt } = activityInfo();
  for (let number = from; number <= n; number += 1) {
    heartbeat(number);
    if (attempt === 1 && number === fail_after) throw new Failure("Interrupted", "fails as asked");
  }
  return { attempt, from };
});

export const waitCancel = activity("wait_cancel", async () => {
  attemptSignals();
  while (!waitCancelRequested("600s"));
  throw Failure.cancelled("stopped");
});

export const attemptInfo = activity("attempt_info", async () => {
  const { activityType, operation, attempt, workflowId } = activityInfo();
  return { activity_type: activityType, operation, attempt, workflow_id: workflowId };
});

export const post = activity("post", async ({ url, effect }: { url: string; effect: string }) => {
  const { idempotencyKey: key, workflowId: workflow_id, runId: run_id, attempt } = activityInfo();
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ effect, key, workflow_id, run_id, attempt }),
  });
  if (!answer.ok) throw new Error(`the answer is ${answer.status}`);
  return effect;
});

export const forbidden = activity("forbidden", async () => {
  await sleep(1);
});
