/** Workers in tests: in this process, and in others. */

import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { type Activities, silentLogger, Worker, type WorkerOptions } from "../../src/index.js";
import type { Server } from "./server.js";

const SCRIPT = fileURLToPath(new URL("worker-process.js", import.meta.url));

/** The worker works meanwhile. */
export async function serving(
  server: Server,
  taskQueue: string,
  activities: Activities,
  during: () => Promise<void>,
  options: Partial<WorkerOptions> = {},
): Promise<void> {
  const worker = new Worker({
    url: server.url,
    taskQueue,
    activities,
    logger: silentLogger,
    ...options,
  });
  const running = worker.serve();
  try {
    await during();
  } finally {
    worker.shutdown(0);
    await running;
  }
}

/** A worker in a process of its own, which says on its output what happens. */
export class WorkerProcess {
  readonly #process: ChildProcess;
  readonly #said: string[] = [];
  readonly #news = new EventEmitter();
  readonly #exit: Promise<unknown[]>;

  constructor(server: Server, taskQueue: string, graceSeconds = 30) {
    this.#process = spawn(process.execPath, [SCRIPT, taskQueue, `${graceSeconds}`], {
      env: { ...process.env, DACAPO_SERVER: server.url },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#exit = once(this.#process, "exit");
    createInterface({ input: this.#process.stdout! }).on("line", (line) => {
      this.#said.push(line);
      this.#news.emit("line");
    });
  }

  /** Waits until it says this, after what was waited for before. */
  async says(text: string): Promise<void> {
    for (;;) {
      const at = this.#said.indexOf(text);
      if (at >= 0) {
        this.#said.splice(0, at + 1);
        return;
      }
      await once(this.#news, "line", { signal: AbortSignal.timeout(60_000) });
    }
  }

  send(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Its exit code. */
  async ended(): Promise<unknown> {
    const [code] = await this.#exit;
    return code;
  }

  async close(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exit;
  }
}
