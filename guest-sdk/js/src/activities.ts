/** Defining activities, and calling them from workflows. */

import { optionalNanoseconds } from "./duration.js";
import { moduleToWit, optionsToWit, placementOf, type ActivityOptions } from "./options.js";
import { decode, encode } from "./payload.js";
import { operation, theRun, type OnCancel } from "./run.js";
import { withSignal } from "./scope.js";

/** A function of no argument or one. */
export type Arguments<In> = [In] extends [void] ? [] : undefined extends In ? [input?: In] : [input: In];

/** An activity as workflows call it. */
export interface ActivityCall<In, Out> {
  /** Lets the activity run, and waits for its result. */
  (...input: Arguments<In>): Promise<Out>;
  /** The same activity with other options. */
  with(options: ActivityOptions): ActivityCall<In, Out>;
  readonly type: string;
}

/** An activity of this module. */
export interface Activity<In, Out> extends ActivityCall<In, Out> {
  /** The function itself, for tests and for other activities. */
  run(...input: Arguments<In>): Promise<Out>;
}

type Implementation = (input: any) => unknown;

const implementations = new WeakMap<object, { type: string; implementation: Implementation }>();

/** The function of an activity that was made here. */
export function implementationOf(value: unknown): { type: string; implementation: Implementation } | undefined {
  return typeof value === "function" ? implementations.get(value) : undefined;
}

/**
 * Defines an activity: a function that touches the world, and is tried again when it fails. Export
 * it from the module. Workflows call what this returns.
 */
export function activity<In = void, Out = void>(
  type: string,
  implementation: (input: In) => Out | Promise<Out>,
  options: ActivityOptions = {},
): Activity<In, Awaited<Out>> {
  const call = caller<In, Awaited<Out>>(type, options) as Activity<In, Awaited<Out>>;
  call.run = async (...input): Promise<any> => implementation(input[0] as In);
  implementations.set(call, { type, implementation });
  return call;
}

/**
 * An activity by its type, such as one that workers in another language run. Without a task queue
 * it fails if this module does not define it.
 */
export function activityType<In, Out>(type: string, options: ActivityOptions = {}): ActivityCall<In, Out> {
  return caller(type, options);
}

function caller<In, Out>(type: string, options: ActivityOptions): ActivityCall<In, Out> {
  const call = (...input: Arguments<In>) => start<Out>(type, input.length, input[0], options);
  return Object.assign(call, {
    type,
    with: (more: ActivityOptions) => caller<In, Out>(type, { ...options, ...more }),
  });
}

function start<Out>(type: string, count: number, input: unknown, options: ActivityOptions): Promise<Out> {
  const place = new Error();
  const payload = count === 0 ? new Uint8Array() : encode(input, `the input of activity \`${type}\``, "InvalidInput");
  const placement = placementOf(type, options);
  return withSignal(options.signal, () =>
    operation<Out>(
      (host) => {
        const wit = optionsToWit(options);
        const module = moduleToWit(options.module);
        if (module !== undefined) return host.startModuleActivity(type, payload, wit, module);
        if (placement === undefined) return host.startActivity(type, payload, wit);
        return host.startQueuedActivity(type, payload, wit, placement);
      },
      {
        onCancel: onCancel(options),
        decode: (result) => decode(result, `the result of activity \`${type}\``, "InvalidResult") as Out,
        place,
      },
    ),
  );
}

function onCancel({ cancellation = "try", cancellationGrace }: ActivityOptions): OnCancel {
  switch (cancellation) {
    case "try":
      return { kind: "give-up" };
    case "abandon":
      return { kind: "leave" };
    case "wait": {
      const grace = optionalNanoseconds(cancellationGrace);
      return { kind: "ask", tell: (id) => theRun().host.requestCancel(id, grace) };
    }
  }
}
