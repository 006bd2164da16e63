/** Values to JSON text, and what tasks carry to values. */

import { PayloadError } from "./errors.js";
import type { Task } from "./protocol.js";

/** JSON text. What JSON would silently make something else of is refused. */
export function encode(value: unknown): string {
  try {
    return JSON.stringify(value === undefined ? null : value, refuse) ?? "null";
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new PayloadError(`can't be written as JSON: ${why}`, { cause: error });
  }
}

/** The field of a report that holds a result. Bytes are not JSON, and kept as they are. */
export function resultField(value: unknown): string {
  if (value instanceof Uint8Array) {
    return `"result_base64":"${Buffer.from(value).toString("base64")}"`;
  }
  return `"result":${encode(value)}`;
}

/** The input of a task: JSON, or bytes if it is not JSON. */
export function decodeInput(task: Task): unknown {
  if (task.input_base64 === undefined) return task.input ?? null;
  return new Uint8Array(Buffer.from(task.input_base64, "base64"));
}

function refuse(_key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new TypeError(`${value} is no number in JSON`);
  }
  if (value instanceof Map || value instanceof Set) {
    throw new TypeError(`a ${value.constructor.name} has no form in JSON`);
  }
  return value;
}
