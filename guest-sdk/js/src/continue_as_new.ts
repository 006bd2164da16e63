/** Going on as a new run, so that a history never grows without end. */

import { memoToWit, searchToWit, type SearchValue } from "./attributes.js";
import { nanoseconds, optionalNanoseconds, type Duration } from "./duration.js";
import { encode } from "./payload.js";
import { DurablePromise } from "./promise.js";
import { theRun } from "./run.js";

export interface ContinueOptions {
  /** Another workflow of this module. */
  workflowType?: string;
  /** How long the new run may take. Default: as long as this one. */
  runTimeout?: Duration;
  /** How long it waits before its code runs. */
  startDelay?: Duration;
  /** What is different in its memo; `undefined` removes a value. */
  memo?: Record<string, unknown>;
  /** Which search attributes of it are different; `undefined` removes one. */
  searchAttributes?: Record<string, SearchValue | undefined>;
}

/**
 * Ends this run, which goes on as a new one with this input and an empty history. Signals that
 * nobody has taken go over to it. Never returns.
 */
export function continueAsNew<In>(input: In, options: ContinueOptions = {}): Promise<never> {
  theRun().continuation ??= {
    workflowType: options.workflowType,
    input: encode(input, "the input of the run to continue as", "InvalidInput"),
    runTimeout: optionalNanoseconds(options.runTimeout),
    backoffStartInterval: nanoseconds(options.startDelay ?? 0),
    memo: memoToWit(options.memo ?? {}),
    searchAttributes: searchToWit(options.searchAttributes ?? {}),
  };
  return new DurablePromise<never>(() => undefined);
}
