/** Durable workflows and activities for Dacapo. */

export { activity, activityType, type Activity, type ActivityCall } from "./activities.js";
export {
  activityInfo,
  attemptSignals,
  completeLater,
  heartbeat,
  heartbeatDetails,
  isCancelRequested,
  waitCancelRequested,
  type ActivityInfo,
} from "./attempt.js";
export { memo, searchAttributes, upsertMemo, upsertSearchAttributes, type SearchValue } from "./attributes.js";
export {
  ChildHandle,
  workflow,
  workflowType,
  type ChildOptions,
  type Workflow,
  type WorkflowCall,
} from "./children.js";
export { continueAsNew, type ContinueOptions } from "./continue_as_new.js";
export type { Duration, DurationParts } from "./duration.js";
export { external, ExternalWorkflow } from "./external.js";
export { Failure, isCancelled, type FailureKind, type FailureOptions } from "./failure.js";
export {
  continueAsNewSuggested,
  continuedFailure,
  historyBytes,
  historyLength,
  workflowInfo,
  type WorkflowInfo,
} from "./info.js";
export { publish, query, update, updatesFinished, type UpdateHandler } from "./messages.js";
export type { ActivityOptions, ModuleRef, RetryPolicy } from "./options.js";
export { mutableSideEffect, patched, sideEffect, version } from "./recorded.js";
export { waitUntil } from "./run.js";
export { CancellationScope, shielded } from "./scope.js";
export { RawSignal, Signal, signal } from "./signals.js";
export { cancelled, race, sleep, withTimeout } from "./timers.js";
