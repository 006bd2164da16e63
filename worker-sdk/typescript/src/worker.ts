/** A worker: takes tasks of one queue, and runs the functions that do them. */

import { HttpClient } from "./http.js";
import { type Settings, settingsOf, type WorkerOptions } from "./options.js";
import { Api } from "./protocol.js";
import { type ActivityDefinition, type ActivityFunction, Registry } from "./registry.js";
import { Session } from "./session.js";

/** Requests to stop. A second one cuts the grace short. */
const SIGNALS = ["SIGTERM", "SIGINT"] as const;

export class Worker {
  readonly #settings: Settings;
  readonly #registry: Registry;
  #session: Session | undefined;
  #stopAsked: number | undefined;

  constructor(options: WorkerOptions) {
    this.#settings = settingsOf(options);
    this.#registry = new Registry(options.activities ?? {});
  }

  /** The function does the activities of this type. */
  register<Input, Output>(
    name: string,
    activity: ActivityFunction<Input, Output> | ActivityDefinition<Input, Output>,
  ): this {
    this.#registry.add(name, activity);
    return this;
  }

  /**
   * Works until SIGTERM or SIGINT, and then until the tasks in hand have ended. A second signal
   * cancels them at once. Throws `WorkerError` if the server refuses to give out tasks.
   */
  async run(): Promise<void> {
    let asked = 0;
    const onSignal = (): void => {
      asked += 1;
      this.shutdown(asked === 1 ? undefined : 0);
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
    try {
      await this.serve();
    } finally {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    }
  }

  /** The same as a part of a program that looks after signals itself: until `shutdown()`. */
  async serve(): Promise<void> {
    if (this.#registry.names.length === 0) {
      throw new Error("a worker without activities has nothing to do: register some");
    }
    if (this.#session !== undefined) throw new Error("the worker runs already");
    const settings = this.#settings;
    const http = new HttpClient(settings.url, { token: settings.token, tls: settings.tls });
    if (http.showsToken) {
      settings.logger.warn("the token goes to the server in the clear; use https", { url: settings.url });
    }
    const session = new Session(new Api(http, settings.namespace), this.#registry, settings);
    this.#session = session;
    if (this.#stopAsked !== undefined) session.stop(this.#stopAsked);
    try {
      await session.run();
    } finally {
      this.#session = undefined;
      http.close();
    }
  }

  /**
   * Asks the worker to stop; returns at once. No more tasks are taken. Those in hand have so many
   * seconds to end (`shutdownGraceSeconds` if absent), then they are cancelled, and another worker
   * tries again. A later call may shorten the grace. The worker does not start again.
   */
  shutdown(graceSeconds?: number): void {
    const { shutdownGraceMs } = this.#settings;
    this.#stopAsked = graceSeconds === undefined ? shutdownGraceMs : graceSeconds * 1_000;
    this.#session?.stop(this.#stopAsked);
  }
}
