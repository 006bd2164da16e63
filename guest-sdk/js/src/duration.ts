/** Lengths of time. */

/** Milliseconds, a text such as `"30 days"` or `"1h 30m"`, or its parts. */
export type Duration = number | string | DurationParts;

export interface DurationParts {
  days?: number;
  hours?: number;
  minutes?: number;
  seconds?: number;
  milliseconds?: number;
}

const UNITS: Record<string, number> = {
  ms: 1, millisecond: 1, milliseconds: 1,
  s: 1_000, second: 1_000, seconds: 1_000,
  m: 60_000, minute: 60_000, minutes: 60_000,
  h: 3_600_000, hour: 3_600_000, hours: 3_600_000,
  d: 86_400_000, day: 86_400_000, days: 86_400_000,
};

/** In milliseconds, which need not be whole. */
export function milliseconds(duration: Duration): number {
  const length = parsed(duration);
  if (!(length >= 0 && Number.isFinite(length))) {
    throw new RangeError(`${String(duration)} is no length of time: it must be finite and not negative`);
  }
  return length;
}

/** As the interface wants it. */
export function nanoseconds(duration: Duration): bigint {
  return BigInt(Math.round(milliseconds(duration) * 1_000)) * 1_000n;
}

export function optionalNanoseconds(duration: Duration | undefined): bigint | undefined {
  return duration === undefined ? undefined : nanoseconds(duration);
}

function parsed(duration: Duration): number {
  if (typeof duration === "number") return duration;
  if (typeof duration === "string") return parsedText(duration);
  let sum = 0;
  for (const [unit, count] of Object.entries(duration)) {
    const length = UNITS[unit];
    if (length === undefined) throw new RangeError(`\`${unit}\` is no unit of time`);
    if (count !== undefined) sum += count * length;
  }
  return sum;
}

function parsedText(text: string): number {
  const part = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)/;
  let sum = 0;
  let rest = text;
  do {
    const found = part.exec(rest);
    const length = UNITS[found?.[2] ?? ""];
    if (found === null || length === undefined) {
      throw new RangeError(`"${text}" is no length of time; write it like "10s", "1h 30m" or "30 days"`);
    }
    sum += Number(found[1]) * length;
    rest = rest.slice(found[0].length);
  } while (rest.trim() !== "");
  return sum;
}
