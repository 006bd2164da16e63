/** Which engine the module is compiled for. */

declare const __DACAPO_ENGINE__: "starlingmonkey" | "quickjs" | undefined;

const engine = typeof __DACAPO_ENGINE__ === "undefined" ? "node" : __DACAPO_ENGINE__;

/** Whether it waits by itself for timers and requests. */
export const engineHasLoop = engine !== "quickjs";

/** Whether 64-bit numbers of the interface are `number` to it, and not `bigint`. */
export const engineHasNumbersOnly = engine === "quickjs";
