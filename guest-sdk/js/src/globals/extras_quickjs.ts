/** What QuickJS takes from the runtime. The build puts this in the place of `extras.ts`. */

/// <reference path="../interfaces.d.ts" />
import { getRandomBytes } from "wasi:random/random@0.2.12";

export const hostRandomBytes = (length: number): Uint8Array => getRandomBytes(length);

/** It can't be handed a stream, and has none of its own: what is written is lost. */
export const hostWrite = (_stream: "stdout" | "stderr", _text: string): void => undefined;
