/** What the run waits for, and where in its code: told to whoever looks at it. */

import { encode, type Payload } from "./payload.js";
import type { Run, Waiting } from "./run.js";
import { placeOf } from "./stack.js";

/** The query by which people who look at a run ask. */
export const WAITS = "__dacapo_waits";

const WAITS_MAX = 200;
const SIGNALS_MAX = 100;

export function answerWaits(run: Run): Payload {
  const all: Waiting[] = [...run.open.values()].sort((a, b) => (a.operation as number) - (b.operation as number));
  for (const [name, { takers }] of run.signals.all()) {
    all.push(...takers.map(({ place }) => ({ kind: "signal", signal: name, place })));
  }
  all.push(...run.conditions);
  const inboxes = run.signals.all().slice(0, SIGNALS_MAX);
  const untaken = inboxes.filter(([, it]) => it.messages.length > 0);
  const invalid = inboxes.filter(([, it]) => it.setAside > 0);
  const report = {
    waits: all.slice(0, WAITS_MAX).map(({ kind, operation, signal, place }) => ({
      kind, operation, signal, at: placeOf(place) ?? "unknown",
    })),
    more: Math.max(0, all.length - WAITS_MAX),
    untaken_signals: untaken.map(([name, it]) => ({ name, count: it.messages.length })),
    invalid_signals: invalid.map(([name, it]) => ({ name, count: it.setAside, problem: it.problem })),
  };
  return encode(report, "what the run waits for", "InvalidResult");
}
