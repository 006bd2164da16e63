/** What a workflow says about its run: a memo for people, and search attributes, which have types. */

import type { WitMemoEntry, WitSearchAttribute, WitSearchValue } from "./host.js";
import { parseText, stringify } from "./payload.js";
import { theRun } from "./run.js";

/**
 * The value of a search attribute: a text that is compared whole, several of them, true or false, a
 * point in time, a whole number as `bigint`, any other number, or `{ text }`, which is looked into.
 */
export type SearchValue = string | string[] | boolean | Date | bigint | number | { text: string };

/** Sets values of the memo, and removes those that are `undefined`. */
export function upsertMemo(changes: Record<string, unknown>): void {
  const entries = memoToWit(changes);
  if (entries.length > 0) theRun().host.upsertMemo(entries);
}

/** The memo of this run. */
export function memo(): Record<string, unknown> {
  const entries = theRun().host.memo().filter((it) => it.value !== undefined);
  return Object.fromEntries(entries.map(({ name, value }) => [name, parseText(value as string)]));
}

/** Sets search attributes, and removes those that are `undefined`. A number is one with a fraction. */
export function upsertSearchAttributes(changes: Record<string, SearchValue | undefined>): void {
  const attributes = searchToWit(changes);
  if (attributes.length > 0) theRun().host.upsertSearchAttributes(attributes);
}

/** The search attributes of this run. */
export function searchAttributes(): Record<string, SearchValue> {
  const attributes = theRun().host.searchAttributes().filter((it) => it.value !== undefined);
  return Object.fromEntries(attributes.map(({ name, value }) => [name, fromWit(value as WitSearchValue)]));
}

/** By name, so that it does not depend on how an object was made. */
function sorted<T>(changes: Record<string, T>): [string, T][] {
  return Object.entries(changes).sort(([a], [b]) => (a < b ? -1 : 1));
}

export function memoToWit(changes: Record<string, unknown>): WitMemoEntry[] {
  return sorted(changes).map(([name, value]) => ({
    name,
    value: value === undefined ? undefined : stringify(value),
  }));
}

export function searchToWit(changes: Record<string, SearchValue | undefined>): WitSearchAttribute[] {
  return sorted(changes).map(([name, value]) => ({
    name,
    value: value === undefined ? undefined : toWit(name, value),
  }));
}

function toWit(name: string, value: SearchValue): WitSearchValue {
  switch (typeof value) {
    case "boolean":
      return { tag: "boolean", val: value };
    case "string":
      return { tag: "keyword", val: value };
    case "number":
      return { tag: "double", val: value };
    case "bigint":
      return { tag: "integer", val: value };
  }
  if (value instanceof Date) return { tag: "datetime", val: BigInt(value.getTime()) * 1_000_000n };
  if (Array.isArray(value)) return { tag: "keyword-list", val: value };
  if (typeof value?.text === "string") return { tag: "text", val: value.text };
  throw new TypeError(`search attribute \`${name}\` has a value that is none of the kinds there are`);
}

function fromWit({ tag, val }: WitSearchValue): SearchValue {
  switch (tag) {
    case "datetime":
      return new Date(Number(BigInt(val) / 1_000_000n));
    case "integer":
      return BigInt(val);
    case "text":
      return { text: val };
    default:
      return val;
  }
}
