/** Asks for tasks, as long as there is room for more. */

import { AnswerTooLarge, WorkerError } from "./errors.js";
import type { Logger } from "./logger.js";
import { BATCH_MAX, type PollApi, type PollRequest, type Task } from "./protocol.js";
import { Backoff, isRetryable } from "./retry.js";
import type { PollScale, SlotCount } from "./slots.js";
import { Wake } from "./wake.js";

/** How long between two polls that are refused for good: somebody may set it right. */
const REFUSED_MS = 30_000;
/** An empty answer that comes sooner has not waited for tasks. */
const AT_ONCE_MS = 200;

/** Hands each task over with a slot taken for it. */
export class Poller {
  readonly #abort = new AbortController();
  readonly #stopWake = new Wake();
  #underWay = 0;
  #notBefore = 0;
  #wasAnswered = false;
  #isFailing = false;
  #most = BATCH_MAX;
  #failure: WorkerError | undefined;

  constructor(
    private readonly api: PollApi,
    private readonly request: PollRequest,
    private readonly slots: SlotCount,
    private readonly scale: PollScale,
    private readonly handOver: (task: Task) => void,
    private readonly logger: Logger,
    private readonly backoff = new Backoff(),
  ) {}

  stop(): void {
    this.#abort.abort();
    this.slots.wake();
    this.#stopWake.wake();
  }

  /** Goes on until it is stopped. Throws if the server refuses the first poll for good. */
  async run(): Promise<void> {
    while (!this.#abort.signal.aborted && this.#failure === undefined) {
      const left = this.#notBefore - performance.now();
      if (left > 0) {
        await this.#stopWake.wait(left);
        continue;
      }
      const most = this.scale.share(this.slots.room(), this.#underWay, this.#most);
      if (most > 0) void this.#poll(most);
      else await this.slots.changed();
    }
    while (this.#underWay > 0) await this.slots.changed();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #poll(most: number): Promise<void> {
    const began = performance.now();
    let got = 0;
    this.slots.take(most);
    this.#underWay += 1;
    try {
      const tasks = await this.api.poll(this.request, most, this.#abort.signal);
      got = tasks.length;
      if (got > most) this.slots.take(got - most);
      this.#answered();
      this.scale.learn(most, got);
      if (got > 0) this.#most = Math.min(BATCH_MAX, this.#most * 2);
      tasks.forEach(this.handOver);
      // A server that stops answers at once: it must not be asked in a circle.
      const now = performance.now();
      if (got === 0 && now - began < AT_ONCE_MS) this.#notBefore = now + AT_ONCE_MS;
    } catch (error) {
      // Large inputs: fewer of them fit into an answer.
      if (error instanceof AnswerTooLarge) this.#most = Math.max(1, Math.floor(most / 2));
      if (!this.#abort.signal.aborted) this.#failed(error);
    } finally {
      this.#underWay -= 1;
      this.slots.giveBack(Math.max(0, most - got));
    }
  }

  #answered(): void {
    if (this.#isFailing) this.logger.info("the server answers again");
    else if (!this.#wasAnswered) this.logger.info("the server answers");
    this.#wasAnswered = true;
    this.#isFailing = false;
    this.backoff.reset();
  }

  #failed(error: unknown): void {
    let wait = REFUSED_MS;
    if (isRetryable(error)) {
      wait = this.backoff.next(error);
    } else if (!this.#wasAnswered) {
      const text = `the server refuses to give out tasks: ${String(error)}`;
      this.#failure = new WorkerError(text, { cause: error });
      return;
    }
    this.#notBefore = performance.now() + wait;
    this.#isFailing = true;
    this.logger.warn("no tasks could be had; trying again", {
      error: String(error),
      wait_ms: Math.round(wait),
    });
  }
}
