/** Chance for an engine that has none of its own: from the runtime's, as clocks are. */

import { hostRandomBytes } from "./extras.js";

export function randomBytes(length: number): Uint8Array {
  return hostRandomBytes(length);
}

/** From 0 to 1, with 53 bits. */
export function randomNumber(): number {
  const bytes = randomBytes(7);
  let value = (bytes[6] as number) & 0x1f;
  for (let index = 5; index >= 0; index -= 1) value = value * 256 + (bytes[index] as number);
  return value / 2 ** 53;
}
