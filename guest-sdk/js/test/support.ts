/** A host that is a script, and the run on it. */

import "../src/globals/index.js";

import type { Delivery, Host, WitOutcome } from "../src/host.js";
import { install, runWorkflow } from "../src/run.js";
import { decodeText, encodeText } from "../src/utf8.js";

export const text = (value: unknown) => encodeText(JSON.stringify(value));
export const json = (bytes: Uint8Array) => (bytes.length === 0 ? undefined : JSON.parse(decodeText(bytes)));

/** What a workflow asks for, and what it is told: by a function, when nothing else can go on. */
export class Script {
  /** What was asked for, in order. */
  readonly calls: unknown[][] = [];
  readonly deliveries: (Delivery | ((script: Script) => Delivery))[] = [];
  #operations = 0;

  then(...deliveries: (Delivery | ((script: Script) => Delivery))[]): this {
    this.deliveries.push(...deliveries);
    return this;
  }

  /** Runs a workflow on it, to its end. */
  run(workflow: () => Promise<unknown>): WitOutcome {
    const outcome = runWorkflow(install(this.host()), workflow, "test");
    if (!("tag" in outcome)) throw new Error("it waits for the engine");
    return outcome;
  }

  /** The result of a workflow that completes. */
  result(workflow: () => Promise<unknown>): unknown {
    const outcome = this.run(workflow);
    if (outcome.tag !== "completed") throw new Error(JSON.stringify(outcome, (_, it) => (typeof it === "bigint" ? Number(it) : it)));
    return json(outcome.val);
  }

  names(): unknown[] {
    return this.calls.map(([name]) => name);
  }

  private host(): Host {
    const note = (...call: unknown[]) => void this.calls.push(call);
    const operation = (...call: unknown[]) => {
      note(...call);
      this.#operations += 1;
      return this.#operations;
    };
    const known = new Map<string, Uint8Array>();
    return {
      next: () => {
        const next = this.deliveries.shift();
        if (next === undefined) throw new Error("the script is over, and the workflow waits");
        return typeof next === "function" ? next(this) : next;
      },
      startActivity: (type, input, options) => operation("activity", type, json(input), options),
      startQueuedActivity: (type, input, _options, placement) => operation("queued", type, json(input), placement),
      startModuleActivity: (type, input, _options, module) => operation("module", type, json(input), module),
      requestCancel: (id, grace) => note("request-cancel", id, grace),
      startTimer: (after) => operation("timer", Number(after) / 1e6),
      cancel: (id) => note("cancel", id),
      returnSignal: (nth) => note("return-signal", nth),
      startChild: (type, input, options) => {
        const started = operation("child", type, json(input), options);
        this.#operations += 1;
        return { started, closed: this.#operations };
      },
      signalExternal: (id, run, name, input) => operation("signal", id, run, name, json(input)),
      cancelExternal: (id, run, reason) => operation("cancel-external", id, run, reason),
      respondQuery: (id, answer) => note("answer", id, answer.tag, answer.tag === "ok" ? json(answer.val) : answer.val.info.typeName),
      publish: (name, value) => note("publish", name, json(value)),
      acceptUpdate: (id) => note("accept", id),
      rejectUpdate: (id, failure) => note("reject", id, failure.info.typeName),
      completeUpdate: (id, outcome) => note("complete", id, outcome.tag === "ok" ? json(outcome.val) : outcome.val.info.typeName),
      version: (_id, _min, max) => max,
      recordedValue: (name) => known.get(name),
      latestValue: (name) => known.get(name),
      recordValue: (name, value) => (known.set(name, value), note("record", name, json(value))),
      upsertMemo: (changes) => note("memo", changes),
      upsertSearchAttributes: (changes) => note("search", changes),
      memo: () => [],
      searchAttributes: () => [],
      runInfo: () => {
        throw new Error("nobody asks here");
      },
      continuedFailure: () => undefined,
      historyLength: () => 1n,
      historyBytes: () => 1n,
      continueAsNewSuggested: () => false,
      isCancelRequested: () => false,
    };
  }
}

export const done = (operation: number, value: unknown = null): Delivery => ({
  tag: "completed",
  val: { operation, outcome: { tag: "ok", val: text(value) } },
});

export const failed = (operation: number, typeName: string): Delivery => ({
  tag: "completed",
  val: {
    operation,
    outcome: {
      tag: "err",
      val: { info: info("activity", "ActivityFailure"), causes: [info("application", typeName)] },
    },
  },
});

const info = (kind: "activity" | "application", typeName: string) => ({
  kind, typeName, message: "it failed", nonRetryable: false, nextRetryDelay: undefined, details: undefined,
});

export const signalled = (name: string, value: unknown): Delivery => ({ tag: "signal", val: { name, input: text(value) } });
export const asked = (name: string, value: unknown = null): Delivery => ({ tag: "query", val: { id: "q", name, input: text(value) } });
export const told = (id: string, name: string, value: unknown): Delivery => ({ tag: "update", val: { id, name, input: text(value) } });
export const cancel = (reason: string): Delivery => ({ tag: "cancel-requested", val: reason });
