/** Keeps the leases of all tasks in hand: one request for many. */

import type { Attempt } from "./attempt.js";
import type { Logger } from "./logger.js";
import { ANSWER_MS_MAX, batches, type HeartbeatApi } from "./protocol.js";
import { Backoff, isRetryable } from "./retry.js";
import { Wake } from "./wake.js";

/** An event loop that is late by more could not keep leases for long. */
const LATE_MS = 1_000;

interface Beat {
  attempt: Attempt;
  details: string | undefined;
  entry: string;
}

export class LeaseKeeper {
  readonly #held = new Map<string, Attempt>();
  readonly #wake = new Wake();
  #notBefore = -Infinity;
  #stopped = false;
  // One request at a time, so that details arrive in the order in which they were said.
  #sending: Promise<void> = Promise.resolve();

  constructor(
    private readonly api: HeartbeatApi,
    private readonly logger: Logger,
    private readonly backoff = new Backoff(200, 2_000),
    private readonly clock: () => number = () => performance.now(),
  ) {}

  add(attempt: Attempt): void {
    this.#held.set(attempt.token, attempt);
    this.#wake.wake();
  }

  remove(attempt: Attempt): void {
    this.#held.delete(attempt.token);
  }

  /** A task has something to say. */
  hurry(): void {
    this.#wake.wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake.wake();
  }

  /** Goes on until it is stopped. */
  async run(): Promise<void> {
    while (!this.#stopped) {
      await this.#wait();
      await this.beat(this.clock());
    }
  }

  /** Gives up the tasks whose leases have ended, and sends what is due. */
  async beat(now: number): Promise<void> {
    for (const attempt of this.#held.values()) {
      if (attempt.lease.endsAt <= now) {
        attempt.lose("its time was over before the server prolonged it");
      }
    }
    const due = this.due(now);
    if (due.length > 0) await this.#send(due);
  }

  /** Those whose heartbeats go into the next request: none if none has to be sent now. */
  due(now: number): Attempt[] {
    if (now < this.#notBefore) return [];
    const held = [...this.#held.values()].filter((attempt) => !attempt.lost);
    if (!held.some((attempt) => attempt.lease.dueAt <= now)) return [];
    return held.filter((attempt) => attempt.lease.isWorthJoining(now));
  }

  /**
   * Sends what an attempt has said last, which the next one is to be told. Tried once: its failure
   * is not held up by it.
   */
  async flush(attempt: Attempt): Promise<void> {
    if (attempt.lost) return;
    // What is under way may be given back.
    await this.#sending;
    if (attempt.lease.hasDetails) await this.#send([attempt]);
  }

  async #wait(): Promise<void> {
    let wakeAt = Infinity;
    for (const { lost, lease } of this.#held.values()) {
      if (!lost) wakeAt = Math.min(wakeAt, Math.max(lease.dueAt, this.#notBefore), lease.endsAt);
    }
    await this.#wake.wait(wakeAt - this.clock());
    const late = this.clock() - wakeAt;
    if (late > LATE_MS) {
      this.logger.warn("the event loop was blocked, and leases are prolonged late", {
        late_ms: Math.round(late),
      });
    }
  }

  #send(attempts: Attempt[]): Promise<void> {
    this.#sending = this.#sending.then(() => this.#sendNow(attempts));
    return this.#sending;
  }

  async #sendNow(attempts: Attempt[]): Promise<void> {
    const now = this.clock();
    const beats = attempts.map((attempt): Beat => {
      const details = attempt.lease.take(now);
      const more = details === undefined ? "" : `,"details":${details}`;
      return { attempt, details, entry: `{"token":${JSON.stringify(attempt.token)}${more}}` };
    });
    for (const batch of batches(beats, (beat) => beat.entry)) await this.#sendBatch(batch);
  }

  async #sendBatch(batch: Beat[]): Promise<void> {
    const sentAt = this.clock();
    // No longer than leases last: who waits can't see them end.
    const ends = Math.min(...batch.map((beat) => beat.attempt.lease.endsAt));
    const timeout = Math.min(Math.max(ends - sentAt, 1_000), ANSWER_MS_MAX);
    try {
      const results = await this.api.heartbeats(
        batch.map((beat) => beat.entry),
        timeout,
      );
      this.backoff.reset();
      this.#notBefore = -Infinity;
      batch.forEach(({ attempt, details }, index) => {
        if (!attempt.learn(results[index] ?? {}, sentAt)) attempt.lease.missed(details);
      });
    } catch (error) {
      this.#notBefore = this.clock() + this.backoff.next(error);
      this.logger.warn("leases could not be prolonged; trying again", {
        error: String(error),
        tasks: batch.length,
      });
      // Details that the server does not take must not cost the leases of all.
      const keep = isRetryable(error);
      for (const { attempt, details } of batch) attempt.lease.missed(keep ? details : undefined);
    }
  }
}
