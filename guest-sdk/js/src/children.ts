/** Defining workflows, and starting them as children of others. */

import type { Arguments } from "./activities.js";
import { memoToWit, searchToWit, type SearchValue } from "./attributes.js";
import { nanoseconds, optionalNanoseconds, type Duration } from "./duration.js";
import { external } from "./external.js";
import { Failure } from "./failure.js";
import type { WitChildOptions } from "./host.js";
import { moduleToWit, retryToWit, type ModuleRef, type RetryPolicy } from "./options.js";
import { decode, encode, type Payload } from "./payload.js";
import { outcomeOf, rejected, theRun, type OnCancel } from "./run.js";
import { cancellation, withSignal } from "./scope.js";
import type { Signal } from "./signals.js";

export interface ChildOptions {
  /** Without one, it follows from the parent's run. */
  workflowId?: string;
  /** What to do if the latest run of that workflow id is closed. */
  idReusePolicy?: "allow-duplicate" | "allow-duplicate-failed-only" | "reject-duplicate";
  /** What becomes of the child when this run closes. Default: `"terminate"`. */
  parentClosePolicy?: "terminate" | "abandon" | "request-cancel";
  /**
   * What giving up the wait for it means. `"wait-completed"`, the default: it is asked to cancel,
   * and its end is waited for. `"wait-requested"`: until it has recorded the request. `"try"`: it is
   * asked, and the wait ends at once. `"abandon"`: it is not told.
   */
  cancellation?: "wait-completed" | "wait-requested" | "try" | "abandon";
  /** The module that defines it. Default: this one. */
  module?: ModuleRef;
  /** How long each run of it may take. */
  runTimeout?: Duration;
  /** How long its runs that follow each other may take together. */
  executionTimeout?: Duration;
  /** How long it waits before its code runs. */
  startDelay?: Duration;
  /** Whether another run follows if one of it fails. */
  retry?: RetryPolicy;
  memo?: Record<string, unknown>;
  searchAttributes?: Record<string, SearchValue>;
  /** Cancels it when it is aborted. */
  signal?: AbortSignal;
}

/** A workflow as others start it. */
export interface WorkflowCall<In, Out> {
  /** Starts it as a child, and waits for its result. */
  (...input: Arguments<In>): Promise<Out>;
  /** Starts it as a child, and waits until it has started. */
  start(...input: Arguments<In>): Promise<ChildHandle<Out>>;
  /** The same workflow with other options. */
  with(options: ChildOptions): WorkflowCall<In, Out>;
  readonly type: string;
}

/** A workflow of this module. */
export interface Workflow<In, Out> extends WorkflowCall<In, Out> {
  /** The function itself, as a part of the workflow that calls it. */
  run(...input: Arguments<In>): Promise<Out>;
}

type Implementation = (input: any) => Promise<unknown>;

const implementations = new WeakMap<object, { type: string; implementation: Implementation }>();

/** The function of a workflow that was made here. */
export function workflowOf(value: unknown): { type: string; implementation: Implementation } | undefined {
  return typeof value === "function" ? implementations.get(value) : undefined;
}

/** Defines a workflow. Export it from the module. Others start what this returns as a child. */
export function workflow<In = void, Out = void>(
  type: string,
  implementation: (input: In) => Promise<Out>,
): Workflow<In, Out> {
  const call = caller<In, Out>(type, {}) as Workflow<In, Out>;
  call.run = (...input) => implementation(input[0] as In);
  implementations.set(call, { type, implementation });
  return call;
}

/** A workflow by its type, such as one of another module. */
export function workflowType<In, Out>(type: string, options: ChildOptions = {}): WorkflowCall<In, Out> {
  return caller(type, options);
}

function caller<In, Out>(type: string, options: ChildOptions): WorkflowCall<In, Out> {
  const begin = (input: unknown[]) => beginChild(type, input, options);
  const call = (...input: Arguments<In>) =>
    withSignal(options.signal, () => {
      const child = begin(input);
      return child instanceof Failure ? rejected<Out>(child) : endOf<Out>(type, child.closed, options, child.place);
    });
  const start = (...input: Arguments<In>) =>
    withSignal(options.signal, () => {
      const child = begin(input);
      if (child instanceof Failure) return rejected<ChildHandle<Out>>(child);
      return startOf<Out>(type, child, options);
    });
  return Object.assign(call, {
    type,
    start,
    with: (more: ChildOptions) => caller<In, Out>(type, { ...options, ...more }),
  });
}

interface Begun {
  started: number;
  closed: number;
  place: Error;
}

function beginChild(type: string, input: unknown[], options: ChildOptions): Begun | Failure {
  const place = new Error();
  const payload = input.length === 0 ? new Uint8Array() : encode(input[0], `the input of workflow \`${type}\``, "InvalidInput");
  return cancellation() ?? { ...theRun().host.startChild(type, payload, toWit(options)), place };
}

function endOf<Out>(type: string, closed: number, { cancellation }: ChildOptions, place: Error): Promise<Out> {
  const what = `the result of workflow \`${type}\``;
  const decoded = (result: Payload) => decode(result, what, "InvalidResult") as Out;
  return outcomeOf(closed, { onCancel: onCancel(cancellation), decode: decoded, place });
}

function startOf<Out>(type: string, child: Begun, options: ChildOptions): Promise<ChildHandle<Out>> {
  // It may end before anybody waits for that: so this is begun here.
  const end = endOf<Out>(type, child.closed, options, child.place);
  const decoded = (result: Payload) => {
    const { workflow_id, run_id } = decode(result, `the start of workflow \`${type}\``, "InvalidResult");
    return new ChildHandle<Out>(workflow_id, run_id, child.closed, end, isPatient(options.cancellation));
  };
  return outcomeOf(child.started, { onCancel: { kind: "leave" }, decode: decoded, place: child.place });
}

/** A child that has started. What becomes of it without a wait is up to its parent close policy. */
export class ChildHandle<Out> {
  readonly workflowId: string;
  /** Its first run. */
  readonly runId: string;
  readonly #closed: number;
  readonly #end: Promise<Out>;
  readonly #isPatient: boolean;
  #isGivenUp = false;
  #isOver = false;

  constructor(workflowId: string, runId: string, closed: number, end: Promise<Out>, isPatient: boolean) {
    this.workflowId = workflowId;
    this.runId = runId;
    this.#closed = closed;
    this.#end = end;
    this.#isPatient = isPatient;
    const over = () => void (this.#isOver = true);
    end.then(over, over);
  }

  /** Waits for its end. */
  result(): Promise<Out> {
    if (this.#isGivenUp && !this.#isPatient) return rejected(Failure.cancelled("the child was given up"));
    return this.#end;
  }

  /** Sends it a signal. */
  signal<T>(name: string | Signal<T>, value: T): Promise<void> {
    return external(this.workflowId).signal(name, value);
  }

  /** Asks it to cancel, as its option `cancellation` says. */
  cancel(): void {
    if (this.#isOver || this.#isGivenUp) return;
    this.#isGivenUp = true;
    theRun().host.cancel(this.#closed);
  }
}

function isPatient(cancellation: ChildOptions["cancellation"]): boolean {
  return cancellation === undefined || cancellation.startsWith("wait");
}

function onCancel(cancellation: ChildOptions["cancellation"]): OnCancel {
  if (!isPatient(cancellation)) return { kind: "give-up" };
  return { kind: "ask", tell: (id) => theRun().host.cancel(id) };
}

const CANCELLATION_TYPES = {
  "wait-completed": "wait-cancellation-completed",
  "wait-requested": "wait-cancellation-requested",
  try: "try-cancel",
  abandon: "abandon",
} as const;

function toWit(options: ChildOptions): WitChildOptions {
  return {
    workflowId: options.workflowId,
    idReusePolicy: options.idReusePolicy ?? "allow-duplicate",
    parentClosePolicy: options.parentClosePolicy ?? "terminate",
    cancellationType: CANCELLATION_TYPES[options.cancellation ?? "wait-completed"],
    module: moduleToWit(options.module),
    runTimeout: optionalNanoseconds(options.runTimeout),
    executionTimeout: optionalNanoseconds(options.executionTimeout),
    startDelay: nanoseconds(options.startDelay ?? 0),
    retry: retryToWit(options.retry),
    memo: memoToWit(options.memo ?? {}),
    searchAttributes: searchToWit(options.searchAttributes ?? {}),
  };
}

