/**
 * Values as JSON, without loss: what JSON would silently make something else of is refused, and
 * integers that a number can't hold are read as a `bigint`, and written from one.
 */

import { Failure } from "./failure.js";
import { decodeText, encodeText } from "./utf8.js";

/** Bytes that are passed on as they are. */
export type Payload = Uint8Array;

export function encode(value: unknown, what: string, code: string): Payload {
  try {
    return encodeText(stringify(value));
  } catch (error) {
    throw new Failure(code, `${what} can't be written as JSON: ${messageOf(error)}`, { nonRetryable: true });
  }
}

export function decode(bytes: Payload, what: string, code: string): any {
  try {
    return parse(bytes);
  } catch (error) {
    throw new Failure(code, `${what} is not JSON: ${messageOf(error)}`, { nonRetryable: true });
  }
}

/** No bytes at all is how a caller without an argument says `null`. */
export function parse(bytes: Payload): any {
  if (bytes.length === 0) return null;
  return parseText(decodeText(bytes));
}

export function parseText(text: string): any {
  return LONG_NUMBER.test(text) ? parseExactly(text) : JSON.parse(text);
}

export function stringify(value: unknown): string {
  if (value === undefined) return "null";
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    // Also what holds itself ends here, and is refused there.
    if (!(error instanceof TypeError)) throw error;
    return write(value, "", []);
  }
  if (text === undefined) throw new TypeError(`a ${typeof value} has no form in JSON`);
  // Numbers that are none become `null`, and maps become `{}`: only then there is more to look at.
  return text.includes("null") || text.includes("{}") ? write(value, "", []) : text;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const at = (path: string) => (path === "" ? "" : ` at \`${path.replace(/^\./, "")}\``);

/** Like `JSON.stringify`, and refuses what that makes something else of. */
function write(given: unknown, path: string, around: unknown[]): string {
  let value = given;
  if (value !== null && typeof value === "object" && typeof (value as any).toJSON === "function") {
    value = (value as any).toJSON(path);
  }
  if (value === null) return "null";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new TypeError(`${value}${at(path)} is no number in JSON`);
  }
  if (typeof value !== "object") {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`a ${typeof value}${at(path)} has no form in JSON`);
    return text;
  }
  if (value instanceof Map || value instanceof Set || value instanceof Promise) {
    throw new TypeError(`a ${value.constructor.name}${at(path)} has no form in JSON`);
  }
  if (around.includes(value)) throw new TypeError(`a value${at(path)} holds itself`);
  const inside = [...around, value];
  if (Array.isArray(value)) {
    const items = Array.from(value, (item, index) =>
      item === undefined ? "null" : write(item, `${path}[${index}]`, inside),
    );
    return `[${items.join(",")}]`;
  }
  const fields: string[] = [];
  for (const [key, field] of Object.entries(value as object)) {
    if (field === undefined || typeof field === "function" || typeof field === "symbol") continue;
    fields.push(`${JSON.stringify(key)}:${write(field, `${path}.${key}`, inside)}`);
  }
  return `{${fields.join(",")}}`;
}

/** So many digits may be more than a number holds. */
const LONG_NUMBER = /\d{16}/;
const TOKEN = /"(?:[^"\\]|\\.)*"(\s*:)?|-?\d+(\.\d+)?([eE][+-]?\d+)?/g;
/** Begins texts that stand for something else while JSON is read. */
const MARK = "\u0001";

function parseExactly(text: string): any {
  const marked = text.replace(TOKEN, (token, colon, fraction, exponent) => {
    if (token.startsWith('"')) {
      const isMarked = colon === undefined && (token.startsWith(`"${MARK}`) || token.startsWith('"\\u0001'));
      return isMarked ? `"\\u0001${token.slice(1)}` : token;
    }
    const isExact = fraction !== undefined || exponent !== undefined || Number.isSafeInteger(Number(token));
    return isExact ? token : `"\\u0001${token}"`;
  });
  return JSON.parse(marked, (_key, value) => {
    if (typeof value !== "string" || !value.startsWith(MARK)) return value;
    return value.startsWith(MARK + MARK) ? value.slice(1) : BigInt(value.slice(1));
  });
}
