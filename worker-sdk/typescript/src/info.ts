/** What an activity is told about itself. */

import type { Task } from "./protocol.js";

/** This attempt of this activity. */
export interface ActivityInfo {
  readonly workflowId: string;
  readonly runId: string;
  readonly workflowType: string;
  readonly operationId: number;
  readonly activityType: string;
  /** 1 for the first. */
  readonly attempt: number;
  readonly taskQueue: string;
  readonly namespace: string;
  readonly scheduledAt: Date | undefined;
  readonly startedAt: Date | undefined;
  /** How long the attempt may take. */
  readonly startToCloseTimeoutSeconds: number | undefined;
  readonly heartbeatTimeoutSeconds: number | undefined;
  /** How long all attempts together may take. */
  readonly scheduleToCloseTimeoutSeconds: number | undefined;
  /** Why the attempt before this one failed. */
  readonly lastFailure: Readonly<Record<string, unknown>> | undefined;
  readonly priority: number | undefined;
  readonly fairnessKey: string | undefined;
  /** W3C trace context, such as `traceparent`. */
  readonly traceContext: Readonly<Record<string, string>>;
  /** The same in every attempt, and no other activity's: for requests that must count once. */
  readonly idempotencyKey: string;
}

export function infoOf(task: Task, namespace: string, taskQueue: string): ActivityInfo {
  const trace = Object.entries(task.trace_context ?? {});
  return {
    workflowId: task.workflow_id,
    runId: task.run_id,
    workflowType: task.workflow_type,
    operationId: task.operation_id,
    activityType: task.activity_type,
    attempt: task.attempt,
    taskQueue,
    namespace,
    scheduledAt: time(task.scheduled_at),
    startedAt: time(task.started_at),
    startToCloseTimeoutSeconds: task.start_to_close_timeout_seconds,
    heartbeatTimeoutSeconds: task.heartbeat_timeout_seconds,
    scheduleToCloseTimeoutSeconds: task.schedule_to_close_timeout_seconds,
    lastFailure: task.last_failure,
    priority: task.priority,
    fairnessKey: task.fairness_key,
    traceContext: Object.fromEntries(
      trace.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
    ),
    idempotencyKey: `${task.run_id}-${task.operation_id}`,
  };
}

/** What each line of the log says about where it comes from. */
export function logFields(info: ActivityInfo): Record<string, unknown> {
  return {
    workflow_id: info.workflowId,
    run_id: info.runId,
    activity_type: info.activityType,
    attempt: info.attempt,
    task_queue: info.taskQueue,
  };
}

/** For people and logs: one that can't be read is no reason to refuse the task. */
function time(text: string | undefined): Date | undefined {
  const date = new Date(text ?? NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
