/** How busy the machine is, or the control group that the process is in. */

import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** Shares of what there is, from 0 to 1. */
export interface Load {
  cpu: number;
  memory: number;
}

/** What the machine says. Tests put others in its place. */
export interface Machine {
  /** Milliseconds of all processors: busy ones, and all. */
  cpu(): { busy: number; total: number };
  memory(): { available: number; total: number };
}

export const thisMachine: Machine = {
  cpu() {
    let busy = 0;
    let total = 0;
    for (const { times } of os.cpus()) {
      const all = times.user + times.nice + times.sys + times.idle + times.irq;
      busy += all - times.idle;
      total += all;
    }
    return { busy, total };
  },
  memory: () => ({ available: os.freemem(), total: os.totalmem() }),
};

/** Looks at the machine, and at the limits of a version 2 control group where there are some. */
export class LoadReader {
  #cpu: { busy: number; total: number };
  #group: { usedMs: number; at: number };

  constructor(
    private readonly machine: Machine = thisMachine,
    private readonly cgroup = "/sys/fs/cgroup",
    private readonly clock: () => number = () => performance.now(),
  ) {
    this.#cpu = machine.cpu();
    this.#group = this.#groupTime();
  }

  read(): Load {
    return { cpu: share(this.#cpuLoad()), memory: share(this.#memoryLoad()) };
  }

  /** Since the last time. */
  #cpuLoad(): number {
    const before = this.#cpu;
    this.#cpu = this.machine.cpu();
    const total = this.#cpu.total - before.total;
    const load = total > 0 ? (this.#cpu.busy - before.busy) / total : 0;
    const limit = this.#processorsMax();
    if (limit === undefined) return load;
    const { usedMs, at } = this.#group;
    this.#group = this.#groupTime();
    const elapsed = this.#group.at - at;
    return elapsed > 0 ? Math.max(load, (this.#group.usedMs - usedMs) / elapsed / limit) : load;
  }

  #memoryLoad(): number {
    const { available, total } = this.machine.memory();
    const load = 1 - available / total;
    const limit = number(this.#read("memory.max"));
    const used = number(this.#read("memory.current"));
    if (!limit || used === undefined) return load;
    return Math.max(load, (used - this.#stat("memory.stat", "inactive_file")) / limit);
  }

  #groupTime(): { usedMs: number; at: number } {
    return { usedMs: this.#stat("cpu.stat", "usage_usec") / 1_000, at: this.clock() };
  }

  #processorsMax(): number | undefined {
    const [quota, period] = (this.#read("cpu.max") ?? "").split(" ").map(number);
    return quota && period ? quota / period : undefined;
  }

  #read(name: string): string | undefined {
    try {
      return readFileSync(path.join(this.cgroup, name), "utf8").trim();
    } catch {
      return undefined;
    }
  }

  #stat(file: string, name: string): number {
    const line = (this.#read(file) ?? "").split("\n").find((text) => text.startsWith(`${name} `));
    return number(line?.slice(name.length + 1)) ?? 0;
  }
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function share(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}
