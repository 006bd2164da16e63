/** JSON requests over connections that are kept. */

import http from "node:http";
import https from "node:https";
import type { SecureContextOptions } from "node:tls";

import { AnswerTooLarge, Refused, Unreachable } from "./errors.js";
import { VERSION } from "./version.js";

/** Bytes of an answer. Those of the server are smaller. */
const BODY_BYTES_MAX = 128 * 1024 * 1024;
/** Connections at a time, and how long idle ones are kept. Servers and proxies close older ones. */
const CONNECTIONS_MAX = 32;
const IDLE_MS_MAX = 30_000;

/** For https: certificates that are trusted, and the worker's own. */
export type TlsOptions = Pick<SecureContextOptions, "ca" | "cert" | "key" | "passphrase">;

/** Posts JSON. `HttpClient` is the real one. */
export interface Transport {
  post(path: string, body: string, timeoutMs: number, signal?: AbortSignal): Promise<unknown>;
}

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** Posts JSON to one server. */
export class HttpClient implements Transport {
  readonly #url: URL;
  readonly #agent: http.Agent;
  readonly #headers: Record<string, string>;
  /** Whether others in the network can read the token. */
  readonly showsToken: boolean;

  constructor(url: string, options: { token?: string | undefined; tls?: TlsOptions | undefined } = {}) {
    this.#url = serverUrl(url);
    const secure = this.#url.protocol === "https:";
    this.showsToken = options.token !== undefined && !secure && !isLoopback(this.#url.hostname);
    const agent = { keepAlive: true, maxSockets: CONNECTIONS_MAX, timeout: IDLE_MS_MAX };
    this.#agent = secure ? new https.Agent({ ...agent, ...options.tls }) : new http.Agent(agent);
    this.#headers = {
      accept: "application/json",
      "content-type": "application/json",
      "user-agent": `dacapo-worker-typescript/${VERSION}`,
    };
    if (options.token !== undefined) {
      if (!/^[\x21-\x7e]+$/.test(options.token)) {
        throw new TypeError("the token has characters that no header may have");
      }
      this.#headers["authorization"] = `Bearer ${options.token}`;
    }
  }

  /** The JSON object that is answered. Throws `Refused` or `Unreachable`. */
  async post(path: string, body: string, timeoutMs: number, signal?: AbortSignal): Promise<unknown> {
    // `AbortSignal.any` keeps something of each request as long as the other signal lives.
    const abort = new AbortController();
    const stop = (): void => abort.abort();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      stop();
    }, Math.ceil(timeoutMs));
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    try {
      return content(await this.#send(path, Buffer.from(body), abort.signal));
    } catch (error) {
      if (error instanceof Refused || error instanceof Unreachable) throw error;
      const why = late ? `no answer within ${timeoutMs / 1000} s` : messageOf(error);
      throw new Unreachable(why, { cause: error });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    }
  }

  /** Closes all connections. */
  close(): void {
    this.#agent.destroy();
  }

  async #send(path: string, body: Buffer, signal: AbortSignal): Promise<Answer> {
    const state = { reused: false, answered: false };
    try {
      return await this.#sendOnce(path, body, signal, state);
    } catch (error) {
      // Closed while it was idle, most likely: that says nothing about the server.
      if (!state.reused || state.answered || signal.aborted) throw error;
      return await this.#sendOnce(path, body, signal, state);
    }
  }

  #sendOnce(
    path: string,
    body: Buffer,
    signal: AbortSignal,
    state: { reused: boolean; answered: boolean },
  ): Promise<Answer> {
    const { promise, resolve, reject } = settled<Answer>();
    const request = (this.#url.protocol === "https:" ? https : http).request(this.#url, {
      agent: this.#agent,
      method: "POST",
      path: this.#url.pathname.replace(/\/$/, "") + path,
      headers: { ...this.#headers, "content-length": body.length },
      signal,
    });
    request.on("error", (error) => {
      state.reused = request.reusedSocket;
      reject(error);
    });
    request.on("response", (response) => {
      state.answered = true;
      const chunks: Buffer[] = [];
      let total = 0;
      const count = (bytes: number): void => {
        total += bytes;
        if (total <= BODY_BYTES_MAX) return;
        reject(new AnswerTooLarge(`the answer has more than ${BODY_BYTES_MAX} bytes`));
        request.destroy();
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        count(chunk.length);
      });
      response.on("error", reject);
      // What is announced need not come first.
      if (Number(response.headers["content-length"]) > BODY_BYTES_MAX) count(BODY_BYTES_MAX + 1);
      response.on("end", () => {
        const status = response.statusCode ?? 0;
        resolve({ status, headers: response.headers, body: Buffer.concat(chunks) });
      });
    });
    request.end(body);
    return promise;
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function serverUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new TypeError(`the server's address is http://... or https://..., not ${text}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`the server's address is http://... or https://..., not ${text}`);
  }
  if (url.username || url.search || url.hash) {
    throw new TypeError("the server's address has neither user, query nor fragment");
  }
  return url;
}

function content(answer: Answer): unknown {
  const text = answer.body.toString("utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const object = typeof json === "object" && json !== null && !Array.isArray(json);
  if (answer.status >= 200 && answer.status < 300) {
    if (!object) throw new Unreachable("the answer is no JSON object: is this a Dacapo server?");
    return json;
  }
  const error = (object ? json : {}) as Record<string, unknown>;
  const seconds = answer.headers["retry-after"];
  throw new Refused(
    answer.status,
    typeof error["code"] === "string" ? error["code"] : `http_${answer.status}`,
    typeof error["message"] === "string" ? error["message"] : text.slice(0, 200),
    error["retryable"] === true,
    // Only the form that counts seconds: the server uses no dates.
    seconds !== undefined && /^\d+$/.test(seconds) ? Number(seconds) : undefined,
  );
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Both addresses of a name were tried: the error of all has no text of its own.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  return error.message || error.name;
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function settled<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { promise, resolve, reject };
}
