/** Facts about the run that is executing. The same on every replay. */

import { fromWit, type Failure } from "./failure.js";
import { theRun } from "./run.js";

export interface WorkflowInfo {
  namespace: string;
  workflowId: string;
  runId: string;
  workflowType: string;
  /** SHA-256 of the module this run is pinned to. */
  moduleDigest: string;
  startedAt: Date;
  /** More than 1 if this run tries again what another failed to do. */
  attempt: number;
  /** The first of the runs that followed each other up to this one. */
  firstRunId: string;
  continuedFromRunId: string | undefined;
  /** In milliseconds. */
  runTimeout: number | undefined;
  /** In milliseconds. */
  executionTimeout: number | undefined;
  executionDeadline: Date | undefined;
}

const millis = (nanos: bigint) => Number(nanos) / 1e6;
const optional = <T, U>(value: T | undefined, to: (value: T) => U) => (value === undefined ? undefined : to(value));
const date = (nanos: bigint) => new Date(millis(nanos));

export function workflowInfo(): WorkflowInfo {
  const info = theRun().host.runInfo();
  return {
    ...info,
    startedAt: date(info.startedAt),
    runTimeout: optional(info.runTimeout, millis),
    executionTimeout: optional(info.executionTimeout, millis),
    executionDeadline: optional(info.executionDeadline, date),
  };
}

/** What the attempt before failed with, if this run is another attempt. */
export function continuedFailure(): Failure | undefined {
  return optional(theRun().host.continuedFailure(), fromWit);
}

/** How many events the history of this run has. */
export function historyLength(): number {
  return Number(theRun().host.historyLength());
}

/** About how many bytes of history this run has made. */
export function historyBytes(): number {
  return Number(theRun().host.historyBytes());
}

/** True once the history has become so long that the run should continue as new. */
export function continueAsNewSuggested(): boolean {
  return theRun().host.continueAsNewSuggested();
}
