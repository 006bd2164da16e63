import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";

import { type Load, LoadReader } from "../../src/load.js";
import { FixedSlots, PollScale, ResourceSlots, SlotCount } from "../../src/slots.js";
import { Clock } from "./support.js";

test("a worker never asks for more than it has room for", () => {
  const slots = new SlotCount(new FixedSlots(3));
  slots.take(2);
  assert.equal(slots.room(), 1);
  slots.take(1);
  assert.equal(slots.room(), 0);
  slots.giveBack(2);
  assert.equal(slots.room(), 2);
  assert.throws(() => new FixedSlots(0), RangeError);
});

interface Resources {
  load: Load;
  slots: ResourceSlots;
  later: (inHand: number) => number;
}

function resources(): Resources {
  const clock = new Clock();
  const state: Resources = {
    load: { cpu: 0.1, memory: 0.1 },
    slots: new ResourceSlots({
      cpu: 0.8,
      memory: 0.9,
      minimum: 2,
      maximum: 20,
      load: () => state.load,
      clock: clock.read,
    }),
    later: (inHand: number) => {
      clock.now += 1_000;
      return state.slots.limit(inHand);
    },
  };
  return state;
}

test("there are more slots while they are used and the machine has room", () => {
  const state = resources();
  assert.equal(state.later(1), 2, "unused ones do not grow");
  let limit = 2;
  const seen = Array.from({ length: 12 }, () => (limit = state.later(limit)));
  assert.deepEqual(seen, [3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 20, 20]);
  assert.equal(state.slots.limit(20), 20, "the load is not looked at too often");
});

test("there are fewer above either target, down to the minimum", () => {
  const state = resources();
  for (let times = 0; times < 12; times += 1) state.later(20);
  state.load = { cpu: 0.85, memory: 0.1 };
  assert.equal(state.later(20), 15);
  state.load = { cpu: 0.1, memory: 0.95 };
  for (let times = 0; times < 12; times += 1) state.later(20);
  assert.equal(state.slots.limit(20), 2);
});

test("targets must make sense", () => {
  for (const wrong of [{ cpu: 0 }, { memory: 1.5 }, { minimum: 0 }, { minimum: 9, maximum: 8 }]) {
    assert.throws(() => new ResourceSlots(wrong), RangeError);
  }
});

test("the machine counts since the last look", (t) => {
  const cpu = { busy: 100, total: 200 };
  const machine = { cpu: () => ({ ...cpu }), memory: () => ({ available: 400, total: 1_000 }) };
  const reader = new LoadReader(machine, folder(t));
  Object.assign(cpu, { busy: 130, total: 240 });
  assert.deepEqual(reader.read(), { cpu: 0.75, memory: 0.6 });
  assert.equal(reader.read().cpu, 0);
});

test("the limits of a control group count", (t) => {
  const group = folder(t);
  const write = (name: string, text: string): void => writeFileSync(path.join(group, name), text);
  write("cpu.max", "50000 100000\n");
  write("cpu.stat", "usage_usec 1000000\n");
  write("memory.max", "1000\n");
  write("memory.current", "900\n");
  write("memory.stat", "anon 1\ninactive_file 100\n");
  const clock = new Clock();
  const machine = {
    cpu: () => ({ busy: 1, total: 2 }),
    memory: () => ({ available: 400, total: 1_000 }),
  };
  const reader = new LoadReader(machine, group, clock.read);
  clock.now = 2_000;
  write("cpu.stat", "usage_usec 1900000\n");
  assert.deepEqual(reader.read(), { cpu: 0.9, memory: 0.8 });
  write("cpu.max", "max 100000\n");
  write("memory.max", "max\n");
  assert.deepEqual(reader.read(), { cpu: 0, memory: 0.6 });
});

test("this machine has a load", () => {
  const load = new LoadReader().read();
  for (const share of [load.cpu, load.memory]) assert.ok(share >= 0 && share <= 1, `${share}`);
});

test("one poll asks for all the room", () => {
  const scale = new PollScale(4);
  assert.equal(scale.share(10, 0, 1_000), 10);
  assert.equal(scale.share(10, 1, 1_000), 0);
  assert.equal(scale.share(0, 0, 1_000), 0);
  assert.equal(scale.share(5_000, 0, 1_000), 1_000);
});

test("there are more polls while they come back full, and fewer when empty", () => {
  const scale = new PollScale(3);
  for (let times = 0; times < 5; times += 1) scale.learn(2, 2);
  assert.equal(scale.wanted, 3);
  assert.equal(scale.share(10, 1, 1_000), 5);
  scale.learn(2, 1);
  assert.equal(scale.wanted, 3);
  for (let times = 0; times < 5; times += 1) scale.learn(2, 0);
  assert.equal(scale.wanted, 1);
});

function folder(t: TestContext): string {
  const made = mkdtempSync(path.join(os.tmpdir(), "dacapo-"));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}
