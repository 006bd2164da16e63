/** When a task's lease has to be prolonged, and when it is over: the rules, without a clock. */

import type { Task } from "./protocol.js";

/** A lease is prolonged so many times before it would end: two answers may be lost. */
const BEATS_PER_LEASE = 3;
const LEASE_SECONDS_DEFAULT = 30;

/**
 * Times are milliseconds of a clock that never goes back. The end that the server names is a time
 * of its clock. Counted here is from when the task was received, or from when the request was sent
 * that prolonged it: never too late by more than the way of one answer.
 */
export class Lease {
  readonly lengthMs: number;
  readonly intervalMs: number;
  /** How long the worker may be silent. */
  readonly #silenceMs: number;
  readonly #throttleMs: number;
  readonly #lastEnd: number;
  #sentAt: number;
  #details: string | undefined;
  #detailsSentAt = -Infinity;
  #endsAt: number;

  constructor(task: Task, now: number, throttleMs: number) {
    const seconds = positive(task.lease_seconds) ?? LEASE_SECONDS_DEFAULT;
    const silence = positive(task.heartbeat_timeout_seconds) ?? seconds;
    const close = positive(task.start_to_close_timeout_seconds) ?? Infinity;
    this.lengthMs = seconds * 1_000;
    this.#silenceMs = Math.min(seconds, silence) * 1_000;
    this.intervalMs = this.#silenceMs / BEATS_PER_LEASE;
    this.#throttleMs = Math.min(throttleMs, this.intervalMs);
    this.#lastEnd = now + close * 1_000;
    this.#sentAt = now;
    this.#endsAt = Math.min(now + this.#silenceMs, this.#lastEnd);
  }

  get endsAt(): number {
    return this.#endsAt;
  }

  /** What the next attempt is to be told, as JSON. Takes the place of what was not sent. */
  note(details: string): void {
    this.#details = details;
  }

  get hasDetails(): boolean {
    return this.#details !== undefined;
  }

  /** When the next heartbeat has to be sent. */
  get dueAt(): number {
    const regular = this.#sentAt + this.intervalMs;
    if (this.#details === undefined) return regular;
    return Math.min(regular, this.#detailsSentAt + this.#throttleMs);
  }

  /** Whether it may go along with others that are due: half of its time is over. */
  isWorthJoining(now: number): boolean {
    return now >= this.dueAt || now >= this.#sentAt + this.intervalMs / 2;
  }

  /** A heartbeat is sent now: with these details. */
  take(now: number): string | undefined {
    const details = this.#details;
    this.#sentAt = now;
    this.#details = undefined;
    if (details !== undefined) this.#detailsSentAt = now;
    return details;
  }

  /** It was not answered, and is due at once. What was said since then counts more. */
  missed(details: string | undefined): void {
    this.#sentAt = this.#detailsSentAt = -Infinity;
    this.#details ??= details;
  }

  /** The server has prolonged it, at some time after this. */
  prolonged(sentAt: number): void {
    this.#endsAt = Math.min(Math.max(this.#endsAt, sentAt + this.#silenceMs), this.#lastEnd);
  }
}

function positive(value: unknown): number | undefined {
  return typeof value === "number" && value > 0 ? value : undefined;
}
