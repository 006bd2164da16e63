/** Signals: messages to a run, by name, kept until somebody takes them. */

import { Failure } from "./failure.js";
import { decode, type Payload } from "./payload.js";
import { DurablePromise } from "./promise.js";
import { rejected, theRun } from "./run.js";
import { cancellation, currentAround, watch } from "./scope.js";
import type { Taker } from "./signals_kept.js";

/**
 * Signals of this name, in the order in which they were sent. What came before anybody asked for it
 * is kept, also by a run that continues as new. All who ask for the same name share its signals:
 * each is taken once.
 *
 * ```ts
 * const approved = signal<Approval>("approved");
 * const approval = await approved.next();
 * ```
 */
export class Signal<T> {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /**
   * Takes the next signal, once there is one. One that is not JSON is set aside, with a line in the
   * log of the run: a sender's mistake does not end it. Fails only if it is cancelled before.
   */
  async next(): Promise<T> {
    for (;;) {
      const raw = await this.nextRaw();
      try {
        return raw.decode();
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        console.error(`a signal was set aside: ${error.message}`);
        theRun().signals.setAside(this.name, error.message);
      }
    }
  }

  /** Takes the next signal, whatever it says. */
  nextRaw(): Promise<RawSignal<T>> {
    const run = theRun();
    const kept = run.signals.take(this.name);
    if (kept !== undefined) return DurablePromise.resolve(new RawSignal<T>(this.name, kept));
    const cancelled = cancellation();
    if (cancelled !== undefined) return rejected(cancelled);
    const place = new Error();
    return new DurablePromise((resolve, reject) => {
      const taker: Taker = {
        place,
        take: (input) => {
          unwatch();
          resolve(new RawSignal<T>(this.name, input));
        },
      };
      const unwatch = watch({
        around: currentAround(),
        cancel: (failure) => {
          unwatch();
          run.signals.stopWaiting(this.name, taker);
          reject(failure);
        },
      });
      run.signals.wait(this.name, taker);
    });
  }

  /** All signals, one after the other, until the loop is left or cancelled. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, never> {
    for (;;) yield await this.next();
  }
}

/** A signal as it was sent. */
export class RawSignal<T> {
  readonly name: string;
  /** What it says, byte for byte. */
  readonly bytes: Payload;

  constructor(name: string, bytes: Payload) {
    this.name = name;
    this.bytes = bytes;
  }

  decode(): T {
    return decode(this.bytes, `the input of signal \`${this.name}\``, "InvalidSignal") as T;
  }
}

/** Signals of this name: take them in a workflow, or name them to send one to another run. */
export function signal<T = unknown>(name: string): Signal<T> {
  return new Signal<T>(name);
}
