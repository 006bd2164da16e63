/** How many tasks a worker takes at a time. */

import { type Load, LoadReader } from "./load.js";
import { Wake } from "./wake.js";

/** How long between two looks at the load: it follows what was changed with a delay. */
export const LOAD_MS = 500;

/** Says how many tasks may be in hand together; asked before each poll. */
export interface Slots {
  limit(inHand: number): number;
}

/** Always the same number. */
export class FixedSlots implements Slots {
  constructor(private readonly maximum: number) {
    if (!Number.isInteger(maximum) || maximum < 1) {
      throw new RangeError("a worker needs one slot at least");
    }
  }

  limit(): number {
    return this.maximum;
  }
}

export interface ResourceSlotsOptions {
  /** Shares of CPU time and memory, of the whole machine or control group; 0.8 if absent. */
  cpu?: number;
  memory?: number;
  /** Never fewer slots than this; 1 if absent. */
  minimum?: number;
  /** Never more than this; 500 if absent. */
  maximum?: number;
  load?: () => Load;
  clock?: () => number;
}

/**
 * As many as keep the machine at these shares of its CPU time and memory. All that runs on the
 * machine counts. While the load is below both targets and the slots are in use, there are more of
 * them, by a quarter each time; above either there are fewer.
 */
export class ResourceSlots implements Slots {
  readonly #cpu: number;
  readonly #memory: number;
  readonly #minimum: number;
  readonly #maximum: number;
  readonly #load: () => Load;
  readonly #clock: () => number;
  #capacity: number;
  #lookedAt: number;

  constructor(options: ResourceSlotsOptions = {}) {
    this.#cpu = options.cpu ?? 0.8;
    this.#memory = options.memory ?? 0.8;
    this.#minimum = options.minimum ?? 1;
    this.#maximum = options.maximum ?? 500;
    if (!(this.#minimum >= 1 && this.#minimum <= this.#maximum)) {
      throw new RangeError("minimum is 1 or more, and maximum not less than it");
    }
    for (const target of [this.#cpu, this.#memory]) {
      if (!(target > 0 && target <= 1)) {
        throw new RangeError("targets are shares: more than 0, and 1 at most");
      }
    }
    const reader = options.load === undefined ? new LoadReader() : undefined;
    this.#load = options.load ?? (() => reader!.read());
    this.#clock = options.clock ?? (() => performance.now());
    this.#capacity = this.#minimum;
    this.#lookedAt = this.#clock();
  }

  limit(inHand: number): number {
    const now = this.#clock();
    if (now - this.#lookedAt >= LOAD_MS) {
      this.#lookedAt = now;
      this.#adjust(inHand, this.#load());
    }
    return this.#capacity;
  }

  #adjust(inHand: number, load: Load): void {
    const step = Math.max(1, Math.floor(this.#capacity / 4));
    if (load.cpu > this.#cpu || load.memory > this.#memory) {
      this.#capacity = Math.max(this.#minimum, this.#capacity - step);
    } else if (inHand >= this.#capacity) {
      this.#capacity = Math.min(this.#maximum, this.#capacity + step);
    }
  }
}

/** Slots in use: by tasks in hand, and by polls that may bring some. */
export class SlotCount {
  #used = 0;
  readonly #wake = new Wake();

  constructor(private readonly slots: Slots) {}

  get used(): number {
    return this.#used;
  }

  room(): number {
    return Math.max(0, this.slots.limit(this.#used) - this.#used);
  }

  take(count: number): void {
    this.#used += count;
  }

  giveBack(count: number): void {
    this.#used -= count;
    this.#wake.wake();
  }

  /** Waits until some may have become free. */
  changed(): Promise<void> {
    // The load of the machine changes without our doing.
    return this.#wake.wait(this.slots instanceof FixedSlots ? Infinity : LOAD_MS);
  }

  /** Something else has changed that those who wait look at. */
  wake(): void {
    this.#wake.wake();
  }
}

/** How many polls are under way together: one, and more while they come back full. */
export class PollScale {
  wanted = 1;

  constructor(private readonly maximum: number) {}

  learn(asked: number, got: number): void {
    if (got >= asked) this.wanted = Math.min(this.wanted + 1, this.maximum);
    else if (got === 0) this.wanted = Math.max(1, this.wanted - 1);
  }

  /** How many tasks the next poll asks for: 0 if there is to be none now. */
  share(room: number, underWay: number, most: number): number {
    if (room <= 0 || underWay >= this.wanted) return 0;
    return Math.min(Math.ceil(room / (this.wanted - underWay)), most);
  }
}
