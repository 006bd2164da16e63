/**
 * Runs activities of Dacapo workflows in TypeScript and JavaScript.
 *
 * Workflows run in the server; what touches the world can run here. A `Worker` takes tasks of a
 * queue, calls the function that is registered for each, and reports what came of it.
 */

export { type ActivityContext, activityContext } from "./context.js";
export {
  ActivityCancelled,
  ApplicationError,
  type ApplicationErrorOptions,
  type CancelReason,
  PayloadError,
  WorkerError,
} from "./errors.js";
export type { TlsOptions } from "./http.js";
export type { ActivityInfo } from "./info.js";
export type { Load } from "./load.js";
export { jsonLogger, type Logger, silentLogger } from "./logger.js";
export type { WorkerOptions } from "./options.js";
export {
  type Activities,
  type ActivityDefinition,
  type ActivityFunction,
  defineActivity,
} from "./registry.js";
export { FixedSlots, ResourceSlots, type ResourceSlotsOptions, type Slots } from "./slots.js";
export { VERSION } from "./version.js";
export { Worker } from "./worker.js";
