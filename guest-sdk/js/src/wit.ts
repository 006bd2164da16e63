/** The imported interface, as the rest of this package knows it. */
/// <reference path="./interfaces.d.ts" />

import { requestCancel } from "dacapo:workflow/activities@0.1.0";
import * as activityContext from "dacapo:workflow/activity-context@0.1.0";
import { memo, searchAttributes, upsertMemo, upsertSearchAttributes } from "dacapo:workflow/attributes@0.1.0";
import { startChild } from "dacapo:workflow/children@0.1.0";
import { cancelExternal, signalExternal } from "dacapo:workflow/external@0.1.0";
import { startActivity as startModuleActivity } from "dacapo:workflow/module-activities@0.1.0";
import * as operations from "dacapo:workflow/operations@0.1.0";
import { publish, respondQuery } from "dacapo:workflow/queries@0.1.0";
import * as runContext from "dacapo:workflow/run-context@0.1.0";
import { latestValue, recordValue, recordedValue } from "dacapo:workflow/side-effects@0.1.0";
import { startActivity as startQueuedActivity } from "dacapo:workflow/task-queues@0.1.0";
import { acceptUpdate, completeUpdate, rejectUpdate } from "dacapo:workflow/updates@0.1.0";
import { version } from "dacapo:workflow/versions@0.1.0";

import { engineHasNumbersOnly } from "./globals/engine.js";
import type { AttemptHost, Host, WitSearchAttribute } from "./host.js";

/** Numbers of 64 bits as the engine passes them on, wherever they stand. */
const out: <T>(value: T) => T = engineHasNumbersOnly ? withNumbers : (value) => value;

function withNumbers(value: any): any {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(withNumbers);
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, withNumbers(field)]));
}

/** What is not there, as this package knows it: the engine says `null`. */
const given: <T>(value: T) => T = engineHasNumbersOnly ? withoutNulls : (value) => value;

function withoutNulls(value: any): any {
  if (value === null) return undefined;
  if (typeof value !== "object" || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(withoutNulls);
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, withoutNulls(field)]));
}

/** Better refused than another number. */
function checkExact({ name, value }: WitSearchAttribute): void {
  if (!engineHasNumbersOnly || value?.tag !== "integer" || Number.isSafeInteger(Number(value.val))) return;
  throw new RangeError(`search attribute \`${name}\` is ${value.val}, and QuickJS passes on no number above 2^53`);
}

export const host: Host = {
  next: () => given(operations.next()),
  startActivity: (type, input, options) => operations.startActivity(type, input, out(options)),
  startQueuedActivity: (type, input, options, placement) => startQueuedActivity(type, input, out(options), placement),
  startModuleActivity: (type, input, options, module) => startModuleActivity(type, input, out(options), module),
  requestCancel: (operation, grace) => requestCancel(operation, out(grace)),
  startTimer: (after) => operations.startTimer(out(after)),
  cancel: operations.cancel,
  returnSignal: operations.returnSignal,
  startChild: (type, input, options) => startChild(type, input, out(options)),
  signalExternal,
  cancelExternal,
  respondQuery: (id, answer) => respondQuery(id, out(answer)),
  publish,
  acceptUpdate,
  rejectUpdate: (id, failure) => rejectUpdate(id, out(failure)),
  completeUpdate: (id, outcome) => completeUpdate(id, out(outcome)),
  version,
  recordedValue: (name) => given(recordedValue(name)),
  latestValue: (name) => given(latestValue(name)),
  recordValue,
  upsertMemo,
  upsertSearchAttributes: (changes) => {
    changes.forEach(checkExact);
    upsertSearchAttributes(out(changes));
  },
  memo: () => given(memo()),
  searchAttributes: () => given(searchAttributes()),
  runInfo: () => given(runContext.info()),
  continuedFailure: () => given(runContext.continuedFailure()),
  historyLength: runContext.historyLength,
  historyBytes: runContext.historyBytes,
  continueAsNewSuggested: runContext.continueAsNewSuggested,
  isCancelRequested: runContext.isCancelRequested,
};

export const attempt: AttemptHost = {
  info: activityContext.info,
  heartbeat: activityContext.heartbeat,
  heartbeatDetails: () => given(activityContext.heartbeatDetails()),
  signals: activityContext.signals,
  waitCancelRequested: (timeout) => activityContext.waitCancelRequested(out(timeout)),
  completeLater: activityContext.completeLater,
};

/** What is returned through the interface, with numbers as the engine passes them on. */
export function passed<T>(value: T): T {
  return out(value);
}
