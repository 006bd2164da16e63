/**
 * The other side of a run: what it may ask of the runtime, and what it hears. In a component that
 * is the imported interface, see `wit.ts`; the tests of this package talk to a script.
 */

import type { FailureKind } from "./failure.js";
import type { Payload } from "./payload.js";

/** A variant or a result of the interface. */
export interface Tagged<Tag extends string, Value> {
  tag: Tag;
  val: Value;
}

export type WitResult<T, E> = Tagged<"ok", T> | Tagged<"err", E>;

export interface WitFailureInfo {
  kind: FailureKind;
  typeName: string;
  message: string;
  nonRetryable: boolean;
  nextRetryDelay: bigint | undefined;
  details: Payload | undefined;
}

export interface WitFailure {
  info: WitFailureInfo;
  causes: WitFailureInfo[];
}

export interface WitRetryPolicy {
  initialInterval: bigint;
  backoffCoefficient: number;
  maximumInterval: bigint | undefined;
  maximumAttempts: number;
  nonRetryableTypes: string[];
}

export interface WitActivityOptions {
  startToCloseTimeout: bigint | undefined;
  scheduleToCloseTimeout: bigint | undefined;
  scheduleToStartTimeout: bigint | undefined;
  heartbeatTimeout: bigint | undefined;
  retry: WitRetryPolicy | undefined;
  taskQueue: string | undefined;
}

export interface WitPlacement {
  queue: string;
  priority: number | undefined;
  fairnessKey: string | undefined;
  fairnessWeight: number | undefined;
}

export type WitSearchValue =
  | Tagged<"boolean", boolean>
  | Tagged<"datetime", bigint>
  | Tagged<"double", number>
  | Tagged<"integer", bigint>
  | Tagged<"keyword", string>
  | Tagged<"text", string>
  | Tagged<"keyword-list", string[]>;

export interface WitModuleRef {
  name: string;
  version: number | undefined;
}

export interface WitSearchAttribute {
  name: string;
  value: WitSearchValue | undefined;
}

export interface WitMemoEntry {
  name: string;
  /** JSON text. */
  value: string | undefined;
}

export interface WitChildOptions {
  workflowId: string | undefined;
  idReusePolicy: "allow-duplicate" | "allow-duplicate-failed-only" | "reject-duplicate";
  parentClosePolicy: "terminate" | "abandon" | "request-cancel";
  cancellationType: "wait-cancellation-completed" | "wait-cancellation-requested" | "try-cancel" | "abandon";
  module: WitModuleRef | undefined;
  runTimeout: bigint | undefined;
  executionTimeout: bigint | undefined;
  startDelay: bigint;
  retry: WitRetryPolicy | undefined;
  memo: WitMemoEntry[];
  searchAttributes: WitSearchAttribute[];
}

export interface WitContinuation {
  workflowType: string;
  input: Payload;
  runTimeout: bigint | undefined;
  backoffStartInterval: bigint;
  memo: WitMemoEntry[];
  searchAttributes: WitSearchAttribute[];
}

export type WitOutcome =
  | Tagged<"completed", Payload>
  | Tagged<"failed", WitFailure>
  | Tagged<"cancelled", string>
  | Tagged<"continue-as-new", WitContinuation>;

export interface Message {
  id: string;
  name: string;
  input: Payload;
}

export type Delivery =
  | Tagged<"completed", { operation: number; outcome: WitResult<Payload, WitFailure> }>
  | Tagged<"signal", { name: string; input: Payload }>
  | Tagged<"query", Message>
  | Tagged<"update", Message>
  | Tagged<"cancel-requested", string>;

export interface WitRunInfo {
  namespace: string;
  workflowId: string;
  runId: string;
  workflowType: string;
  moduleDigest: string;
  startedAt: bigint;
  attempt: number;
  firstRunId: string;
  continuedFromRunId: string | undefined;
  runTimeout: bigint | undefined;
  executionTimeout: bigint | undefined;
  executionDeadline: bigint | undefined;
}

export interface WitAttemptInfo {
  namespace: string;
  workflowId: string;
  runId: string;
  activityType: string;
  operation: number;
  attempt: number;
  deadline: bigint;
}

export interface WitAttemptSignals {
  cancelRequested: boolean;
  paused: boolean;
}

/** What a workflow may call. */
export interface Host {
  next(): Delivery;
  startActivity(type: string, input: Payload, options: WitActivityOptions): number;
  startQueuedActivity(type: string, input: Payload, options: WitActivityOptions, placement: WitPlacement): number;
  startModuleActivity(type: string, input: Payload, options: WitActivityOptions, module: WitModuleRef): number;
  requestCancel(operation: number, grace: bigint | undefined): void;
  startTimer(after: bigint): number;
  cancel(operation: number): void;
  returnSignal(nth: number): void;
  startChild(type: string, input: Payload, options: WitChildOptions): { started: number; closed: number };
  signalExternal(workflowId: string, runId: string | undefined, name: string, input: Payload): number;
  cancelExternal(workflowId: string, runId: string | undefined, reason: string): number;
  respondQuery(id: string, answer: WitResult<Payload, WitFailure>): void;
  publish(name: string, value: Payload): void;
  acceptUpdate(id: string): void;
  rejectUpdate(id: string, failure: WitFailure): void;
  completeUpdate(id: string, outcome: WitResult<Payload, WitFailure>): void;
  version(changeId: string, min: number, max: number): number;
  recordedValue(name: string): Payload | undefined;
  latestValue(name: string): Payload | undefined;
  recordValue(name: string, value: Payload): void;
  upsertMemo(changes: WitMemoEntry[]): void;
  upsertSearchAttributes(changes: WitSearchAttribute[]): void;
  memo(): WitMemoEntry[];
  searchAttributes(): WitSearchAttribute[];
  runInfo(): WitRunInfo;
  continuedFailure(): WitFailure | undefined;
  historyLength(): bigint;
  historyBytes(): bigint;
  continueAsNewSuggested(): boolean;
  isCancelRequested(): boolean;
}

/** What an activity may call. */
export interface AttemptHost {
  info(): WitAttemptInfo;
  heartbeat(details: Payload | undefined): WitAttemptSignals;
  heartbeatDetails(): Payload | undefined;
  signals(): WitAttemptSignals;
  waitCancelRequested(timeout: bigint): boolean;
  completeLater(): string;
}
