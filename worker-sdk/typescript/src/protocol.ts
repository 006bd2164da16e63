/** The three requests of the worker protocol. */

import { Unreachable } from "./errors.js";
import type { Transport } from "./http.js";

/** Entries of one batch, and bytes: fewer than the server takes, so that one more fits. */
export const BATCH_MAX = 1_000;
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** How long an answer may take beyond what was asked for. */
export const ANSWER_MS_MAX = 15_000;

/** What a poll brings. Fields that a worker does not use are left out. */
export interface Task {
  token: string;
  workflow_id: string;
  run_id: string;
  workflow_type: string;
  operation_id: number;
  activity_type: string;
  attempt: number;
  input?: unknown;
  input_base64?: string;
  scheduled_at?: string;
  started_at?: string;
  lease_seconds?: number;
  start_to_close_timeout_seconds?: number;
  heartbeat_timeout_seconds?: number;
  schedule_to_close_timeout_seconds?: number;
  last_failure?: Record<string, unknown>;
  heartbeat_details?: unknown;
  priority?: number;
  fairness_key?: string;
  trace_context?: Record<string, unknown>;
}

/** What the server says about an entry that it does not accept. */
export interface EntryError {
  code?: string;
  message?: string;
  retryable?: boolean;
}

export interface HeartbeatResult {
  held?: boolean;
  cancel_requested?: boolean;
  paused?: boolean;
  error?: EntryError;
}

export interface ReportResult {
  recorded?: boolean;
  error?: EntryError;
}

/** What is the same in every poll of a worker. */
export interface PollRequest {
  taskQueue: string;
  identity: string;
  buildId: string | undefined;
  activityTypes: string[];
  waitSeconds: number;
  leaseSeconds: number;
}

/** The routes of one namespace. Entries of batches are JSON already. */
export class Api {
  readonly #base: string;

  constructor(
    private readonly transport: Transport,
    namespace: string,
  ) {
    this.#base = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  }

  /** Tasks under a lease, at most as many. */
  async poll(request: PollRequest, maxTasks: number, signal: AbortSignal): Promise<Task[]> {
    const path = `${this.#base}/task-queues/${encodeURIComponent(request.taskQueue)}/poll`;
    const body = JSON.stringify({
      identity: request.identity,
      build_id: request.buildId,
      activity_types: request.activityTypes,
      max_tasks: maxTasks,
      wait_seconds: request.waitSeconds,
      lease_seconds: request.leaseSeconds,
    });
    const timeout = request.waitSeconds * 1_000 + ANSWER_MS_MAX;
    return list<Task>(await this.transport.post(path, body, timeout, signal), "tasks");
  }

  /** Prolongs leases; says for each whether it is still held. */
  heartbeats(entries: readonly string[], timeoutMs = ANSWER_MS_MAX): Promise<HeartbeatResult[]> {
    return this.#batch<HeartbeatResult>("heartbeats", entries, timeoutMs);
  }

  /** Hands outcomes over; says for each whether it is recorded. */
  reports(entries: readonly string[]): Promise<ReportResult[]> {
    return this.#batch<ReportResult>("reports", entries, ANSWER_MS_MAX);
  }

  async #batch<T>(kind: string, entries: readonly string[], timeoutMs: number): Promise<T[]> {
    const body = `{"${kind}":[${entries.join(",")}]}`;
    const answer = await this.transport.post(`${this.#base}/activities/${kind}`, body, timeoutMs);
    const results = list<T>(answer, "results");
    if (results.length !== entries.length) {
      throw new Unreachable(
        `${entries.length} ${kind} were answered with ${results.length} results`,
      );
    }
    return results;
  }
}

/** What Api does for the loops: tests put others in its place. */
export type HeartbeatApi = Pick<Api, "heartbeats">;
export type ReportApi = Pick<Api, "reports">;
export type PollApi = Pick<Api, "poll">;

/** Splits entries, in order, into batches. One that is too large goes alone. */
export function batches<T>(items: readonly T[], entryOf: (item: T) => string): T[][] {
  const all: T[][] = [];
  let size = 0;
  for (const item of items) {
    const last = all.at(-1);
    const length = Buffer.byteLength(entryOf(item));
    if (last === undefined || last.length === BATCH_MAX || size + length > BATCH_BYTES_MAX) {
      all.push([item]);
      size = length;
    } else {
      last.push(item);
      size += length;
    }
  }
  return all;
}

function list<T>(answer: unknown, field: string): T[] {
  const items = (answer as Record<string, unknown>)[field];
  const isObject = (item: unknown): boolean => typeof item === "object" && item !== null;
  if (!Array.isArray(items) || !items.every(isObject)) {
    throw new Unreachable(`the answer has no list of ${field}: is this a Dacapo server?`);
  }
  return items as T[];
}
