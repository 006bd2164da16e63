/** Telling other runs something. */

import { encode } from "./payload.js";
import { operation } from "./run.js";
import { Signal } from "./signals.js";

/** Another run of the same namespace: the open one of this workflow id, or a certain one. */
export function external(workflowId: string, runId?: string): ExternalWorkflow {
  return new ExternalWorkflow(workflowId, runId);
}

export class ExternalWorkflow {
  readonly workflowId: string;
  readonly runId: string | undefined;

  constructor(workflowId: string, runId: string | undefined) {
    this.workflowId = workflowId;
    this.runId = runId;
  }

  /**
   * Sends it a signal, exactly once, and waits until it has recorded that. Fails as `RunNotFound`,
   * `RunClosed` or `TooManySignals`.
   */
  signal<T>(name: string | Signal<T>, value: T): Promise<void> {
    const text = name instanceof Signal ? name.name : name;
    const input = encode(value, `signal \`${text}\``, "InvalidInput");
    return this.#tell((host) => host.signalExternal(this.workflowId, this.runId, text, input), new Error());
  }

  /** Asks it to cancel, and waits until it has recorded that. Fails as `RunNotFound` or `RunClosed`. */
  cancel(reason = "another run asked for it"): Promise<void> {
    return this.#tell((host) => host.cancelExternal(this.workflowId, this.runId, reason), new Error());
  }

  #tell(start: Parameters<typeof operation>[0], place: Error): Promise<void> {
    return operation(start, { onCancel: { kind: "leave" }, decode: () => undefined, place });
  }
}
