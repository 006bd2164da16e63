/** What can be set of a worker. */

import os from "node:os";

import type { TlsOptions } from "./http.js";
import { jsonLogger, type Logger } from "./logger.js";
import type { Activities } from "./registry.js";
import { FixedSlots, type Slots } from "./slots.js";

export interface WorkerOptions {
  taskQueue: string;
  /** Functions by activity type; more can be added with `register`. */
  activities?: Activities;
  /** The server; what the environment variable DACAPO_SERVER says, or http://127.0.0.1:7233. */
  url?: string;
  /** `default` if absent. */
  namespace?: string;
  /** Who the worker is, for people: process id and host name if absent. */
  identity?: string;
  /** Which version of the code it runs, for people. */
  buildId?: string;
  /** Tasks in hand at a time: a number (100 if absent), or something that decides by the load. */
  slots?: number | Slots;
  /** How long a poll waits for tasks; 20 if absent. */
  pollWaitSeconds?: number;
  /** Polls under way at a time, 4 if absent; more than one only while one does not bring all. */
  pollsMax?: number;
  /** How long a task stays with a worker that says nothing, 30 if absent. Prolonged after a third. */
  leaseSeconds?: number;
  /** What heartbeats say is sent no more often than this; 2 if absent. */
  heartbeatThrottleSeconds?: number;
  /** How long tasks in hand may go on when the worker is to stop, 30 if absent; then they are cancelled. */
  shutdownGraceSeconds?: number;
  /** How long cancelled ones may take to end, 5 if absent; then the worker stops without them. */
  cancelGraceSeconds?: number;
  /** Sent as `Authorization: Bearer`. */
  token?: string;
  /** For https: certificates that are trusted, and the worker's own. */
  tls?: TlsOptions;
  /** Where the lines of the log go: to standard error as JSON if absent. */
  logger?: Logger;
}

/** With all that was left out. */
export interface Settings {
  taskQueue: string;
  url: string;
  namespace: string;
  identity: string;
  buildId: string | undefined;
  slots: Slots;
  pollWaitSeconds: number;
  pollsMax: number;
  leaseSeconds: number;
  heartbeatThrottleMs: number;
  shutdownGraceMs: number;
  cancelGraceMs: number;
  token: string | undefined;
  tls: TlsOptions | undefined;
  logger: Logger;
}

export function settingsOf(options: WorkerOptions): Settings {
  const { slots = 100 } = options;
  return {
    taskQueue: named("taskQueue", options.taskQueue),
    url: options.url ?? (process.env["DACAPO_SERVER"] || "http://127.0.0.1:7233"),
    namespace: named("namespace", options.namespace ?? "default"),
    identity: named("identity", options.identity ?? `${process.pid}@${os.hostname()}`),
    buildId: options.buildId,
    slots: typeof slots === "number" ? new FixedSlots(slots) : slots,
    pollWaitSeconds: within("pollWaitSeconds", options.pollWaitSeconds ?? 20, 0, 60),
    pollsMax: within("pollsMax", options.pollsMax ?? 4, 1, 100),
    leaseSeconds: within("leaseSeconds", options.leaseSeconds ?? 30, 1, 3_600),
    heartbeatThrottleMs: ms("heartbeatThrottleSeconds", options.heartbeatThrottleSeconds ?? 2),
    shutdownGraceMs: ms("shutdownGraceSeconds", options.shutdownGraceSeconds ?? 30),
    cancelGraceMs: ms("cancelGraceSeconds", options.cancelGraceSeconds ?? 5),
    token: options.token,
    tls: options.tls,
    logger: options.logger ?? jsonLogger,
  };
}

function ms(name: string, seconds: number): number {
  return within(name, seconds, 0, Infinity) * 1_000;
}

function named(name: string, value: string): string {
  const bytes = Buffer.byteLength(value);
  if (bytes < 1 || bytes > 255) throw new RangeError(`${name} has 1 to 255 bytes`);
  return value;
}

function within(name: string, value: number, least: number, most: number): number {
  if (!(value >= least && value <= most)) {
    throw new RangeError(`${name} is ${least} or more, and ${most} at most`);
  }
  return value;
}
