/** What a component exports, made of what the module of the user exports. */

import { implementationOf } from "./activities.js";
import { enterAttempt } from "./attempt.js";
import { workflowOf } from "./children.js";
import { Failure, describe, toWit } from "./failure.js";
import { runAttempt } from "./globals/attempt_loop.js";
import { engineHasLoop } from "./globals/engine.js";
import type { AttemptHost, Host, WitOutcome } from "./host.js";
import { decode, encode, type Payload } from "./payload.js";
import { DurablePromise } from "./promise.js";
import { answer, hasRun, install, runWorkflow, theRun } from "./run.js";
import * as wit from "./wit.js";

type Implementation = (input: any) => unknown;

/** The exports of a component, made of all that a module exports. */
export function component(exported: Record<string, unknown>) {
  return componentOn(exported, wit.host, wit.attempt);
}

/** The same on any host. */
export function componentOn(exported: Record<string, unknown>, host: Host, attempt: AttemptHost) {
  const workflows = named(exported, workflowOf, "workflow");
  const activities = named(exported, implementationOf, "activity");
  if (workflows.size + activities.size === 0) {
    throw new Error("the module exports nothing that was made with `workflow(..)` or `activity(..)`");
  }
  return {
    definitions: {
      definitions: () => ({ workflows: [...workflows.keys()], activities: [...activities.keys()] }),
    },
    workflow: {
      run(type: string, input: Payload): WitOutcome | PromiseLike<WitOutcome> {
        const run = workflows.get(type);
        if (run === undefined) return wit.passed({ tag: "failed" as const, val: toWit(unknown("workflow", type)) });
        const outcome = reported(() => runWorkflow(install(host), () => begun("workflow", type, run, input), type));
        return "tag" in outcome ? wit.passed(outcome) : outcome;
      },
    },
    activity: {
      execute(type: string, input: Payload): PromiseLike<Payload> | Payload {
        const execute = activities.get(type);
        if (execute === undefined) throw toWit(unknown("activity", type));
        enterAttempt(attempt);
        return runAttempt(async () => {
          const result = await begun("activity", type, execute, input);
          return encode(result, `the result of activity \`${type}\``, "InvalidResult");
        });
      },
    },
    afterEnd: {
      answerQuery(name: string, input: Payload): Payload {
        if (!hasRun()) throw toWit(new Failure("UnknownQuery", "no workflow of this module has run here"));
        const answered = answer(theRun(), name, input);
        if (answered.tag === "err") throw answered.val;
        return answered.val;
      },
    },
  };
}

function named(
  exported: Record<string, unknown>,
  look: (value: unknown) => { type: string; implementation: Implementation } | undefined,
  kind: string,
): Map<string, Implementation> {
  const found = new Map<string, Implementation>();
  for (const value of Object.values(exported)) {
    const definition = look(value);
    if (definition === undefined) continue;
    const { type, implementation } = definition;
    const other = found.get(type);
    // One may be exported under several names.
    if (other !== undefined && other !== implementation) {
      throw new Error(`the module exports two of ${kind} \`${type}\`; give one of them another name`);
    }
    found.set(type, implementation);
  }
  return found;
}

function begun(kind: string, type: string, call: Implementation, input: Payload): Promise<unknown> {
  return new DurablePromise((resolve) => {
    resolve(call(decode(input, `the input of ${kind} \`${type}\``, "InvalidInput")));
  });
}

/** Whoever reads the report of a blocked run wants to know where in the sources it happened. */
function reported<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    // It shows the message of what it is given, and has no console.
    if (!engineHasLoop) throw new Error(describe(error));
    console.error(describe(error));
    // The engine shows the stack of what it is given, too: that of the bundle helps nobody.
    throw Object.defineProperty(new Error("the code has a fault, see above"), "stack", { value: "" });
  }
}

function unknown(kind: string, type: string): Failure {
  const code = kind === "workflow" ? "UnknownWorkflowType" : "UnknownActivityType";
  return new Failure(code, `this module defines no ${kind} \`${type}\``, { nonRetryable: true });
}
