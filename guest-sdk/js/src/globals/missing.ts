/** What QuickJS lacks of what every other place has where JavaScript runs. */

import { decodeText, encodeText } from "../utf8.js";
import { randomBytes, randomNumber } from "./random.js";
import { engineHasLoop } from "./engine.js";
import { hostWrite } from "./extras.js";

const globals = globalThis as unknown as Record<string, any>;

/** Only what is not there is added. */
function add(name: string, make: () => unknown): void {
  if (globals[name] === undefined) globals[name] = make();
}

class SimpleEventTarget {
  readonly #listeners = new Map<string, { call: (event: object) => unknown; once: boolean }[]>();

  addEventListener(type: string, call: (event: object) => unknown, options?: { once?: boolean } | boolean): void {
    const once = typeof options === "object" && options.once === true;
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), { call, once }]);
  }

  removeEventListener(type: string, call: unknown): void {
    this.#listeners.set(type, (this.#listeners.get(type) ?? []).filter((it) => it.call !== call));
  }

  dispatchEvent(event: { type: string }): boolean {
    const listeners = this.#listeners.get(event.type) ?? [];
    this.#listeners.set(event.type, listeners.filter((it) => !it.once));
    for (const { call } of listeners) call.call(this, event);
    return true;
  }
}

class SimpleAbortSignal extends SimpleEventTarget {
  aborted = false;
  reason: unknown;
  onabort: ((event: object) => unknown) | null = null;

  static timeout: unknown;

  static abort(reason?: unknown): SimpleAbortSignal {
    const signal = new SimpleAbortSignal();
    signal.end(reason);
    return signal;
  }

  static any(signals: SimpleAbortSignal[]): SimpleAbortSignal {
    const all = new SimpleAbortSignal();
    for (const signal of signals) {
      if (signal.aborted) all.end(signal.reason);
      else signal.addEventListener("abort", () => all.end(signal.reason));
    }
    return all;
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  end(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason === undefined ? new Error("it was aborted") : reason;
    const event = { type: "abort", target: this };
    this.onabort?.(event);
    this.dispatchEvent(event);
  }
}

class SimpleAbortController {
  readonly signal = new SimpleAbortSignal();

  abort(reason?: unknown): void {
    this.signal.end(reason);
  }
}

add("EventTarget", () => SimpleEventTarget);
add("AbortSignal", () => SimpleAbortSignal);
add("AbortController", () => SimpleAbortController);
add("TextEncoder", () => class { encode = (text = "") => encodeText(String(text)); });
add("TextDecoder", () => class { decode = (bytes: Uint8Array) => decodeText(new Uint8Array(bytes)); });
add("structuredClone", () => (value: unknown) => JSON.parse(JSON.stringify(value)));
add("performance", () => ({ now: () => Date.now(), timeOrigin: 0 }));

const shown = (value: unknown) => (typeof value === "string" ? value : value instanceof Error ? String(value) : show(value));
const show = (value: unknown) => {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
};
const line = (stream: "stdout" | "stderr") => (...values: unknown[]) => hostWrite(stream, `${values.map(shown).join(" ")}\n`);
add("console", () => {
  const [out, err] = [line("stdout"), line("stderr")];
  return { log: out, info: out, debug: out, warn: err, error: err, trace: err };
});

if (!engineHasLoop) {
  // QuickJS draws the numbers that it would have drawn when the module was built.
  Math.random = randomNumber;
}
add("crypto", () => ({
  getRandomValues<T extends ArrayBufferView>(array: T): T {
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(randomBytes(array.byteLength));
    return array;
  },
  randomUUID(): string {
    const bytes = randomBytes(16);
    bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  },
}));
