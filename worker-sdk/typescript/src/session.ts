/** A worker at work: from the first poll to the last report. */

import { Attempt } from "./attempt.js";
import { makeContext } from "./context.js";
import { execute, shutDown } from "./execute.js";
import { failure, NOT_REGISTERED } from "./failure.js";
import { infoOf } from "./info.js";
import { Lease } from "./lease.js";
import { LeaseKeeper } from "./leases.js";
import type { Settings } from "./options.js";
import { failedAs, failureText, type Outcome } from "./outcome.js";
import { Poller } from "./poller.js";
import type { Api, Task } from "./protocol.js";
import type { Registry } from "./registry.js";
import { Reporter } from "./reporter.js";
import { PollScale, SlotCount } from "./slots.js";
import { Wake } from "./wake.js";

/** How long the last reports may take, whatever else was set. */
const LAST_REPORTS_MS = 5_000;

export class Session {
  readonly #slots: SlotCount;
  readonly #leases: LeaseKeeper;
  readonly #reporter: Reporter;
  readonly #poller: Poller;
  readonly #running = new Set<Attempt>();
  readonly #changed = new Wake();
  #killAt = Infinity;

  constructor(
    api: Api,
    private readonly registry: Registry,
    private readonly settings: Settings,
  ) {
    const { logger } = settings;
    this.#slots = new SlotCount(settings.slots);
    this.#leases = new LeaseKeeper(api, logger);
    this.#reporter = new Reporter(api, logger);
    const request = {
      taskQueue: settings.taskQueue,
      identity: settings.identity,
      buildId: settings.buildId,
      activityTypes: registry.names,
      waitSeconds: settings.pollWaitSeconds,
      leaseSeconds: settings.leaseSeconds,
    };
    const scale = new PollScale(settings.pollsMax);
    const take = (task: Task): void => this.#take(task);
    this.#poller = new Poller(api, request, this.#slots, scale, take, logger);
  }

  /** Takes no more tasks. A later call may shorten the grace. */
  stop(graceMs: number): void {
    this.#killAt = Math.min(this.#killAt, performance.now() + graceMs);
    this.#poller.stop();
    this.#changed.wake();
  }

  async run(): Promise<void> {
    const { logger } = this.settings;
    logger.info("the worker takes tasks", {
      task_queue: this.settings.taskQueue,
      namespace: this.settings.namespace,
      server: this.settings.url,
      activity_types: this.registry.names,
    });
    const loops = [this.#leases.run(), this.#reporter.run()];
    try {
      await Promise.race([this.#poller.run(), ...loops]);
    } finally {
      this.stop(this.settings.shutdownGraceMs);
      await this.#drain();
      this.#leases.stop();
      this.#reporter.stop();
      logger.info("the worker has stopped");
    }
  }

  /** Lets tasks in hand end, then cancels them, then goes without them. */
  async #drain(): Promise<void> {
    if (this.#running.size > 0) {
      this.settings.logger.info("the worker stops", { tasks: this.#running.size });
    }
    await this.#ended(() => this.#killAt);
    for (const attempt of this.#running) attempt.cancel("shutdown");
    const cancelled = performance.now() + this.settings.cancelGraceMs;
    await this.#ended(() => cancelled);
    for (const attempt of this.#running) void this.#abandon(attempt);
    // Outcomes that are known and not reported yet are waited for as well.
    const last = performance.now() + LAST_REPORTS_MS;
    await this.#ended(() => last);
  }

  /** Waits until no task is in hand, or the time is there. It may come nearer meanwhile. */
  async #ended(at: () => number): Promise<void> {
    for (;;) {
      const left = at() - performance.now();
      if (this.#running.size === 0 || left <= 0) return;
      await this.#changed.wait(left);
    }
  }

  /** Lets another worker try again at once what can't be ended here. */
  async #abandon(attempt: Attempt): Promise<void> {
    if (attempt.ended || attempt.lost) return;
    attempt.ended = true;
    attempt.logger.warn("an activity has not ended, and the worker stops without it");
    await this.#leases.flush(attempt);
    await this.#reporter.report(attempt, shutDown());
    this.#done(attempt);
  }

  /** Begins a task, whose slot is taken. */
  #take(task: Task): void {
    const { namespace, taskQueue, heartbeatThrottleMs, logger } = this.settings;
    if (typeof task.token !== "string") {
      // There is nothing by which to report that it can't be read.
      logger.error("a task has no token");
      this.#slots.giveBack(1);
      return;
    }
    const lease = new Lease(task, performance.now(), heartbeatThrottleMs);
    const attempt = new Attempt(task.token, infoOf(task, namespace, taskQueue), lease, logger);
    this.#running.add(attempt);
    this.#leases.add(attempt);
    this.#do(attempt, task).catch((error: unknown) => {
      attempt.logger.error("the worker met a defect of its own", { error: String(error) });
      this.#done(attempt);
    });
  }

  async #do(attempt: Attempt, task: Task): Promise<void> {
    const began = performance.now();
    const outcome = await this.#outcome(attempt, task);
    // If not, it was given up meanwhile, and that is reported.
    if (attempt.ended) return;
    attempt.ended = true;
    const seconds = Math.round(performance.now() - began) / 1_000;
    const failure = failureText(outcome);
    if (failure === undefined) {
      attempt.logger.debug("an attempt has ended", { outcome: outcome.kind, seconds });
    } else {
      attempt.logger.warn("an attempt has failed", { failure, seconds });
    }
    if (!attempt.lost) {
      if (outcome.kind === "failed") await this.#leases.flush(attempt);
      await this.#reporter.report(attempt, outcome);
    }
    this.#done(attempt);
  }

  #done(attempt: Attempt): void {
    if (!this.#running.delete(attempt)) return;
    this.#leases.remove(attempt);
    this.#slots.giveBack(1);
    this.#changed.wake();
  }

  async #outcome(attempt: Attempt, task: Task): Promise<Outcome> {
    const activity = this.registry.get(task.activity_type);
    if (activity === undefined) {
      return failedAs(failure(NOT_REGISTERED, `this worker has no activity ${task.activity_type}`));
    }
    const context = makeContext({
      info: attempt.info,
      logger: attempt.logger,
      signal: attempt.signal,
      cancelReason: () => attempt.cancelReason,
      heartbeatDetails: task.heartbeat_details,
      send: (details) => {
        attempt.lease.note(details);
        this.#leases.hurry();
      },
    });
    return await execute(activity, task, context);
  }
}
