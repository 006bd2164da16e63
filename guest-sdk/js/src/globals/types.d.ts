/** The globals that code of workflows and activities may use. For `types` of a tsconfig.json. */

interface Console {
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  debug(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
}
declare var console: Console;

declare function setTimeout(call: (...values: any[]) => unknown, ms?: number, ...values: any[]): number;
declare function setInterval(call: (...values: any[]) => unknown, ms?: number, ...values: any[]): number;
declare function clearTimeout(timer: number | undefined): void;
declare function clearInterval(timer: number | undefined): void;
declare function queueMicrotask(call: () => void): void;
declare function structuredClone<T>(value: T): T;

interface Event {
  readonly type: string;
}
interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: any;
  addEventListener(type: "abort", call: (event: Event) => unknown, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", call: (event: Event) => unknown): void;
  throwIfAborted(): void;
}
declare var AbortSignal: {
  abort(reason?: unknown): AbortSignal;
  timeout(ms: number): AbortSignal;
  any(signals: AbortSignal[]): AbortSignal;
};
interface AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}
declare var AbortController: { new (): AbortController };

declare var crypto: {
  randomUUID(): string;
  getRandomValues<T extends ArrayBufferView>(array: T): T;
};
declare var performance: { now(): number };

declare var TextEncoder: { new (): { encode(text?: string): Uint8Array } };
declare var TextDecoder: { new (label?: string, options?: { fatal?: boolean }): { decode(bytes?: Uint8Array): string } };

interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  signal?: AbortSignal;
}
interface Answer {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
  json(): Promise<any>;
  arrayBuffer(): Promise<ArrayBuffer>;
}
/** For activities. A workflow's request is rejected. */
declare function fetch(url: string, options?: RequestOptions): Promise<Answer>;
