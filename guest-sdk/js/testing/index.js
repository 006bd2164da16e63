/**
 * Workflows in tests, on a real server. It is a `dacapo dev` of its own for each `TestServer`, with
 * a database that is gone afterwards.
 */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

const RUNS = "/api/v1/namespaces/default/runs";
/** Longer than a build and an upload take. */
const START_MS = 300_000;

export class TestServer {
  #process;
  #folder;
  /** Its address. */
  url;

  /**
   * Builds the project in a folder, starts a server with it, and waits until its workflows can be
   * started. `DACAPO_BINARY` names the program, if it is not on the path.
   */
  static async start(project = ".", { args = [] } = {}) {
    const server = new TestServer();
    server.#folder = await mkdtemp(path.join(tmpdir(), "dacapo-test-"));
    const database = `sqlite://${path.join(server.#folder, "dacapo.db")}`;
    const program = process.env.DACAPO_BINARY ?? "dacapo";
    const options = ["dev", project, "--listen", "127.0.0.1:0", "--database", database, ...args];
    server.#process = spawn(program, options, { stdio: ["ignore", "pipe", "pipe"] });
    try {
      await server.#ready();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  async #ready() {
    const child = this.#process;
    const said = [];
    await new Promise((resolve, reject) => {
      let patience;
      const fail = (why) => {
        clearTimeout(patience);
        reject(new Error(`${why}\n${said.join("\n")}`));
      };
      patience = setTimeout(() => fail("the server is not ready"), START_MS);
      child.on("error", (error) => fail(`can't run the server: ${error.message}`));
      child.on("exit", (code) => fail(`the server ended with ${code}`));
      createInterface({ input: child.stdout }).on("line", (line) => {
        this.url ??= /^dacapo is ready at (\S+)/.exec(line)?.[1];
      });
      createInterface({ input: child.stderr }).on("line", (line) => {
        said.push(line);
        if (/ version \d+ \(.*\) is ready$/.test(line)) {
          clearTimeout(patience);
          resolve();
        } else if (/waiting for a change$/.test(line)) {
          fail("the project can't be built or uploaded");
        }
      });
    });
  }

  /** Starts a run. `request` has more fields of the request, such as `workflow_id`. */
  async start(workflow, input = null, request = {}) {
    const body = { workflow, input, ...request };
    const started = await this.request("POST", RUNS, body);
    return new TestRun(this, started.workflow_id, started.run_id);
  }

  /** Sends a request to the server, and returns the JSON of the answer, if it is a success. */
  async request(method, target, body) {
    const answer = await fetch(new URL(target, this.url), {
      method,
      headers: { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    const json = text === "" ? undefined : JSON.parse(text);
    if (!answer.ok) throw new Error(`${method} ${target}: ${answer.status} ${json?.code}: ${json?.message}`);
    return json;
  }

  /** Ends the server. */
  async stop() {
    const child = this.#process;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      if (child.kill()) await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A run of a test. */
export class TestRun {
  #server;
  workflowId;
  runId;

  constructor(server, workflowId, runId) {
    this.#server = server;
    this.workflowId = workflowId;
    this.runId = runId;
  }

  /** Waits for its end, and returns its result. Throws if it ends in any other way. */
  async result() {
    for (;;) {
      const answer = await this.#get("/result?wait=30");
      if (answer.status === "completed") return answer.result;
      if (answer.status === "blocked") {
        const { blocked } = await this.describe();
        throw new Error(`the run is blocked, ${blocked?.code}: ${blocked?.message}`);
      }
      if (answer.status !== "running") throw new Error(`the run ended: ${JSON.stringify(answer)}`);
    }
  }

  describe() {
    return this.#get("");
  }

  async history() {
    const events = [];
    for (let from = 1; from !== undefined; ) {
      const page = await this.#get(`/history?from=${from}`);
      events.push(...page.events);
      from = page.next ?? undefined;
    }
    return events;
  }

  signal(name, input = null) {
    return this.#post(`/signals/${encodeURIComponent(name)}`, { input });
  }

  async query(name, input = null) {
    return (await this.#post(`/queries/${encodeURIComponent(name)}`, { input })).result;
  }

  update(name, input = null) {
    return this.#post(`/updates/${encodeURIComponent(name)}`, { input });
  }

  cancel(reason = "a test asked for it") {
    return this.#post("/cancel", { reason });
  }

  #get(rest) {
    return this.#server.request("GET", this.#path(rest));
  }

  #post(rest, body) {
    return this.#server.request("POST", this.#path(rest), body);
  }

  #path(rest) {
    const separator = rest.includes("?") ? "&" : "?";
    return `${RUNS}/${encodeURIComponent(this.workflowId)}${rest}${separator}run_id=${this.runId}`;
  }
}
