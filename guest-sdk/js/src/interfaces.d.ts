/** The modules that an engine makes of the interfaces in `wit/`. */

declare module "dacapo:workflow/activities@0.1.0" {
  export function requestCancel(operation: number, grace: bigint | undefined): void;
}

declare module "dacapo:workflow/activity-context@0.1.0" {
  import type { AttemptHost } from "./host.js";
  export const info: AttemptHost["info"];
  export const heartbeat: AttemptHost["heartbeat"];
  export const heartbeatDetails: AttemptHost["heartbeatDetails"];
  export const signals: AttemptHost["signals"];
  export const waitCancelRequested: AttemptHost["waitCancelRequested"];
  export const completeLater: AttemptHost["completeLater"];
}

declare module "dacapo:workflow/attributes@0.1.0" {
  import type { Host } from "./host.js";
  export const memo: Host["memo"];
  export const searchAttributes: Host["searchAttributes"];
  export const upsertMemo: Host["upsertMemo"];
  export const upsertSearchAttributes: Host["upsertSearchAttributes"];
}

declare module "dacapo:workflow/children@0.1.0" {
  import type { Host } from "./host.js";
  export const startChild: Host["startChild"];
}

declare module "dacapo:workflow/external@0.1.0" {
  import type { Host } from "./host.js";
  export const signalExternal: Host["signalExternal"];
  export const cancelExternal: Host["cancelExternal"];
}

declare module "dacapo:workflow/module-activities@0.1.0" {
  import type { Host } from "./host.js";
  export const startActivity: Host["startModuleActivity"];
}

declare module "wasi:random/random@0.2.12" {
  /** QuickJS passes numbers of 64 bits on as `number`. */
  export function getRandomBytes(length: number): Uint8Array;
}

declare module "dacapo:workflow/operations@0.1.0" {
  import type { Host } from "./host.js";
  export const next: Host["next"];
  export const startActivity: Host["startActivity"];
  export const startTimer: Host["startTimer"];
  export const cancel: Host["cancel"];
  export const returnSignal: Host["returnSignal"];
}

declare module "dacapo:workflow/queries@0.1.0" {
  import type { Host } from "./host.js";
  export const respondQuery: Host["respondQuery"];
  export const publish: Host["publish"];
}

declare module "dacapo:workflow/run-context@0.1.0" {
  import type { Host } from "./host.js";
  export const info: Host["runInfo"];
  export const continuedFailure: Host["continuedFailure"];
  export const historyLength: Host["historyLength"];
  export const historyBytes: Host["historyBytes"];
  export const continueAsNewSuggested: Host["continueAsNewSuggested"];
  export const isCancelRequested: Host["isCancelRequested"];
}

declare module "dacapo:workflow/side-effects@0.1.0" {
  import type { Host } from "./host.js";
  export const recordedValue: Host["recordedValue"];
  export const latestValue: Host["latestValue"];
  export const recordValue: Host["recordValue"];
}

declare module "dacapo:workflow/task-queues@0.1.0" {
  import type { Host } from "./host.js";
  export const startActivity: Host["startQueuedActivity"];
}

declare module "dacapo:workflow/updates@0.1.0" {
  import type { Host } from "./host.js";
  export const acceptUpdate: Host["acceptUpdate"];
  export const rejectUpdate: Host["rejectUpdate"];
  export const completeUpdate: Host["completeUpdate"];
}

declare module "dacapo:workflow/versions@0.1.0" {
  import type { Host } from "./host.js";
  export const version: Host["version"];
}
