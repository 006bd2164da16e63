/** `setTimeout` and what belongs to it: durable timers in workflows, the real ones in activities. */

import { isCancelled } from "../failure.js";
import { withContext, currentContext } from "../promise.js";
import { hasRun } from "../run.js";
import { CancellationScope } from "../scope.js";
import { sleep } from "../timers.js";
import { waitCancelRequested } from "../attempt.js";

type Callback = (...values: any[]) => unknown;
type Handle = unknown;

interface EngineTimers {
  setTimeout?: (call: Callback, ms?: number, ...values: unknown[]) => Handle;
  setInterval?: (call: Callback, ms?: number, ...values: unknown[]) => Handle;
  clearTimeout?: (handle: Handle) => void;
  clearInterval?: (handle: Handle) => void;
}

const engine: EngineTimers = {
  setTimeout: (globalThis as EngineTimers).setTimeout,
  setInterval: (globalThis as EngineTimers).setInterval,
  clearTimeout: (globalThis as EngineTimers).clearTimeout,
  clearInterval: (globalThis as EngineTimers).clearInterval,
} as EngineTimers;

/** Timers of a workflow, and how each is cleared. */
const durable = new Map<number, CancellationScope>();
let last = 0;

export function setTimeout(call: Callback, ms = 0, ...values: unknown[]): Handle {
  if (hasRun()) return begin(async () => (await sleep(limited(ms)), call(...values)));
  if (engine.setTimeout !== undefined) return engine.setTimeout(call, ms, ...values);
  return addOwn(ms, false, () => call(...values));
}

export function setInterval(call: Callback, ms = 0, ...values: unknown[]): Handle {
  if (hasRun()) {
    return begin(async () => {
      for (;;) {
        await sleep(limited(ms));
        call(...values);
      }
    });
  }
  if (engine.setInterval !== undefined) return engine.setInterval(call, ms, ...values);
  return addOwn(ms, true, () => call(...values));
}

export function clear(handle: Handle): void {
  const scope = typeof handle === "number" ? durable.get(handle) : undefined;
  if (scope !== undefined) {
    durable.delete(handle as number);
    scope.cancel("the timer was cleared");
  } else if (engine.clearTimeout !== undefined) {
    engine.clearTimeout(handle);
  } else {
    own.delete(handle as number);
  }
}

/** What is no length of time is none, as everywhere in JavaScript. */
function limited(ms: number): number {
  return Number.isFinite(ms) && ms > 0 ? ms : 0;
}

function begin(task: () => Promise<unknown>): number {
  last += 1;
  const id = last;
  const scope = new CancellationScope();
  durable.set(id, scope);
  const over = () => void durable.delete(id);
  scope.run(task).then(over, (error) => {
    over();
    // An error in the function is one that nobody looks at; a cleared timer is not.
    if (!isCancelled(error)) throw error;
  });
  return id;
}

/** Timers of an activity on an engine that has none. */
interface OwnTimer {
  due: number;
  every: number | undefined;
  call: () => unknown;
}

const own = new Map<number, OwnTimer>();

function addOwn(ms: number, repeats: boolean, call: () => unknown): number {
  last += 1;
  const around = currentContext();
  const every = Math.max(limited(ms), repeats ? 1 : 0);
  own.set(last, { due: Date.now() + every, every: repeats ? every : undefined, call: () => withContext(around, call) });
  return last;
}

export function nextTimerDue(): number | undefined {
  return own.size === 0 ? undefined : Math.min(...[...own.values()].map((it) => it.due));
}

/** Waits until the next is due, and calls all that are. */
export function waitForTimers(): void {
  const due = nextTimerDue() as number;
  const left = due - Date.now();
  if (left > 0 && waitCancelRequested(left)) {
    // It hears of that where it asks; until then it goes on, and this must not spin.
    while (Date.now() < due) waitCancelRequested(due - Date.now());
  }
  const now = Date.now();
  for (const [id, timer] of [...own]) {
    if (timer.due > now) continue;
    if (timer.every === undefined) own.delete(id);
    else timer.due = now + timer.every;
    timer.call();
  }
}
