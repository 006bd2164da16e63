/**
 * Stacks that name the lines of the sources, and not those of the file that they were bundled into.
 * The build leaves a source map in the component; it is read when an error needs it.
 */

interface SourceMap {
  sources: string[];
  /** For each line of the bundle: column, source, line, column, in ascending order. */
  lines: number[][];
}

export interface Frame {
  /** Empty if it has none. */
  name: string;
  /** `file:line:column`. */
  at: string;
}

/** Frames that say nothing about the user's code. */
const OWN = /(^|\/)guest-sdk\/js\/src\/|@dacapo\/workflow\/src\/|^dacapo:entry/;

declare const globalThis: { __dacapoSourceMap?: string };

let map: SourceMap | undefined;

/** `name (file:line:column)` for each frame of the user's code, the innermost first. */
export function mappedStack(error: unknown): string[] {
  return frames(error).map(({ name, at }) => (name === "" ? at : `${name} (${at})`));
}

/** Where in the user's code an error was made. */
export function placeOf(error: unknown): string | undefined {
  return frames(error)[0]?.at;
}

function frames(error: unknown): Frame[] {
  const stack = error instanceof Error ? error.stack : undefined;
  if (typeof stack !== "string") return [];
  const found = stack.split("\n").map(frame).filter((it) => it !== undefined);
  return found.filter(({ at }) => !OWN.test(at));
}

/** Of SpiderMonkey, `name@file:line:column`, or of QuickJS and V8, `at name (file:line:column)`. */
function frame(line: string): Frame | undefined {
  const found = /^(.*)@(.+):(\d+):(\d+)$/.exec(line) ?? /^\s*at (?:(.*) \()?(.+?):(\d+):(\d+)\)?$/.exec(line);
  if (found === null) return undefined;
  const [, name = "", file = "", row = "1", column = "1"] = found;
  const at = mapped(Number(row), Number(column)) ?? (hasMap() ? undefined : `${file}:${row}:${column}`);
  return at === undefined ? undefined : { name: named(name), at };
}

/** Without what engines and the compiler add. */
function named(name: string): string {
  const last = name.split("/").at(-1) ?? "";
  return /^[A-Za-z_$][\w$.]*$/.test(last) ? last : "";
}

function hasMap(): boolean {
  return globalThis.__dacapoSourceMap !== undefined;
}

function mapped(row: number, column: number): string | undefined {
  if (map === undefined) {
    if (globalThis.__dacapoSourceMap === undefined) return undefined;
    map = read(globalThis.__dacapoSourceMap);
  }
  const segments = map.lines[row - 1] ?? [];
  let best = -1;
  for (let at = 0; at < segments.length && (segments[at] as number) <= column - 1; at += 4) best = at;
  const source = map.sources[segments[best + 1] as number];
  if (best < 0 || source === undefined) return undefined;
  return `${shown(source)}:${(segments[best + 2] as number) + 1}:${(segments[best + 3] as number) + 1}`;
}

function shown(source: string): string {
  return source.replace(/^(\.\.?\/)+/, "");
}

export function read(text: string): SourceMap {
  const { sources, mappings } = JSON.parse(text) as { sources: string[]; mappings: string };
  let source = 0;
  let line = 0;
  let column = 0;
  const lines = mappings.split(";").map((row) => {
    let start = 0;
    const segments: number[] = [];
    for (const segment of row === "" ? [] : row.split(",")) {
      const fields = numbers(segment);
      start += fields[0] ?? 0;
      if (fields.length < 4) continue;
      source += fields[1] as number;
      line += fields[2] as number;
      column += fields[3] as number;
      segments.push(start, source, line, column);
    }
    return segments;
  });
  return { sources, lines };
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The numbers of a segment: groups of five bits, the lowest first, the lowest of all the sign. */
function numbers(segment: string): number[] {
  const found: number[] = [];
  let value = 0;
  let shift = 0;
  for (const letter of segment) {
    const digit = DIGITS.indexOf(letter);
    value += (digit & 31) << shift;
    if ((digit & 32) !== 0) {
      shift += 5;
      continue;
    }
    found.push((value & 1) === 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return found;
}
