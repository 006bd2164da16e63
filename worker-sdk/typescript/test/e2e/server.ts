/** A real server for tests, and what they ask of it. */

import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** From the compiled file. */
const ROOT = fileURLToPath(new URL("../../../../../", import.meta.url));
const BINARY = process.env["DACAPO_BINARY"] ?? path.join(ROOT, "target/debug/dacapo");
const STEPS = path.join(ROOT, "target/guests/wasm32-wasip2/release/steps.wasm");
const READY = "dacapo is ready at http://";

export interface RunResult {
  status: string;
  result?: unknown;
  failure?: { causes: Record<string, unknown>[] };
}

/** On a database of its own. Keeps its address when it is started again. */
export class Server {
  readonly #folder = mkdtempSync(path.join(os.tmpdir(), "dacapo-"));
  #listen = "127.0.0.1:0";
  #process: ChildProcess | undefined;

  static async open(): Promise<Server> {
    for (const file of [BINARY, STEPS]) {
      if (!existsSync(file)) throw new Error(`${file} is missing: \`cargo xtask workers\` builds it`);
    }
    const server = new Server();
    await server.start();
    const answer = await fetch(`${server.api}/modules/steps`, {
      method: "PUT",
      headers: { "content-type": "application/wasm" },
      body: new Uint8Array(readFileSync(STEPS)),
    });
    if (!answer.ok) throw new Error(await answer.text());
    return server;
  }

  get url(): string {
    return `http://${this.#listen}`;
  }

  get api(): string {
    return `${this.url}/api/v1/namespaces/default`;
  }

  async start(): Promise<void> {
    const mine = Object.entries(process.env).filter(([name]) => !name.startsWith("DACAPO_"));
    const database = `sqlite://${path.join(this.#folder, "dacapo.db")}`;
    const cache = path.join(ROOT, "target/test-cache");
    const log = openSync(path.join(this.#folder, "server.log"), "a");
    const serve = ["serve", "--listen", this.#listen, "--database", database, "--cache-dir", cache];
    this.#process = spawn(BINARY, serve, {
      env: Object.fromEntries(mine),
      stdio: ["ignore", "pipe", log],
    });
    closeSync(log);
    const lines = createInterface({ input: this.#process.stdout! });
    const [line] = (await once(lines, "line")) as [string];
    if (!line.startsWith(READY)) throw new Error(`the server did not start: ${line}\n${this.log()}`);
    this.#listen = line.slice(READY.length).trim();
  }

  async kill(): Promise<void> {
    const ended = once(this.#process!, "exit");
    this.#process!.kill("SIGKILL");
    await ended;
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }

  log(): string {
    return readFileSync(path.join(this.#folder, "server.log"), "utf8");
  }

  /** Posts if there is a body. */
  async ask<T>(route: string, body?: unknown): Promise<T> {
    const answer = await fetch(this.api + route, {
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      headers: { "content-type": "application/json" },
    });
    if (!answer.ok) throw new Error(`${route}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** The workflow id of a new run. */
  async run(workflow: string, input: unknown): Promise<string> {
    const workflow_id = randomUUID();
    await this.ask("/runs", { workflow, workflow_id, input });
    return workflow_id;
  }

  /** A run that calls this activity of the queue. Times of options are milliseconds. */
  call(queue: string, activity: string, input: unknown = null, options: object = {}): Promise<string> {
    const soon = { initial_interval_millis: 10, task_queue: queue };
    return this.run("call", { activity, input, options: { ...soon, ...options } });
  }

  /** How the run has ended. */
  async result(workflowId: string): Promise<RunResult> {
    const result = await this.ask<RunResult>(`/runs/${workflowId}/result?wait=30`);
    if (result.status === "running") throw new Error(`run ${workflowId} goes on\n${this.log()}`);
    return result;
  }

  async completed(workflowId: string): Promise<unknown> {
    const result = await this.result(workflowId);
    if (result.status !== "completed") {
      throw new Error(`run ${workflowId} has not completed: ${JSON.stringify(result)}`);
    }
    return result.result;
  }

  /** Why the activity has failed, and what caused that. */
  async failure(workflowId: string): Promise<Record<string, unknown>[]> {
    const result = await this.result(workflowId);
    if (result.failure === undefined) {
      throw new Error(`run ${workflowId} has not failed: ${JSON.stringify(result)}`);
    }
    return result.failure.causes;
  }

  async cancel(workflowId: string): Promise<void> {
    await this.ask(`/runs/${workflowId}/cancel`, {});
  }
}
