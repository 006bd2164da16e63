/**
 * Stacks that name the lines of the sources, and not those of the file that they were bundled into.
 * The build leaves a source map in the component; it is read where an error needs it.
 */

/** A source map as the build writes it: read in parts, since a query may compute for a moment only. */
export interface SourceMap {
  sources: string[];
  /** For each line of the bundle `column.source.line.column`, in ascending order; empty if it is not the user's. */
  lines: string[];
}

export interface Frame {
  /** Empty if it has none. */
  name: string;
  /** `file:line:column`. */
  at: string;
}

/** Frames that say nothing about the user's code. */
const OWN = /(^|\/)guest-sdk\/js\/src\/|@dacapo\/workflow\/src\/|^dacapo:entry/;

declare const globalThis: { __dacapoSourceMap?: SourceMap };

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
  const map = globalThis.__dacapoSourceMap;
  let found: string[] | undefined;
  for (const segment of map?.lines[row - 1]?.split(" ") ?? []) {
    const fields = segment.split(".");
    if (fields.length < 4 || Number(fields[0]) > column - 1) break;
    found = fields;
  }
  const source = map?.sources[Number(found?.[1])];
  return source === undefined ? undefined : `${shown(source)}:${Number(found?.[2]) + 1}:${Number(found?.[3]) + 1}`;
}

function shown(source: string): string {
  return source.replace(/^(\.\.?\/)+/, "");
}
