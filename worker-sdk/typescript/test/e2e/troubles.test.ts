/** Workers and servers that die, stop and freeze. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { Server } from "./server.js";
import { serving, WorkerProcess } from "./support.js";

let server: Server;
let queue: string;
let processes: WorkerProcess[] = [];

before(async () => {
  server = await Server.open();
});
after(() => server.close());
beforeEach(() => {
  queue = randomUUID();
});
afterEach(async () => {
  await Promise.all(processes.map((one) => one.close()));
  processes = [];
});

function worker(graceSeconds?: number): WorkerProcess {
  const one = new WorkerProcess(server, queue, graceSeconds);
  processes.push(one);
  return one;
}

test("a task of a worker that was killed goes to another", async () => {
  const first = worker();
  const run = await server.call(queue, "wait", 0.5);
  await first.says("began");
  first.send("SIGKILL");
  const second = worker();
  assert.equal(await server.completed(run), "done");
  await second.says("ended");
});

test("a worker that is to stop ends what it has, and takes no more", async () => {
  const first = worker();
  const run = await server.call(queue, "wait", 1.5);
  await first.says("began");
  first.send("SIGTERM");
  await first.says("the worker stops");
  const other = await server.call(queue, "wait", 0);
  await first.says("ended");
  assert.equal(await first.ended(), 0);
  assert.equal(await server.completed(run), "done");
  const second = worker();
  await second.says("began");
  assert.equal(await server.completed(other), "done");
});

test("what does not end in time is tried again by another at once", async () => {
  const first = worker(0);
  const runs = [await server.call(queue, "wait", 5), await server.call(queue, "stubborn")];
  await first.says("began");
  await first.says("began");
  first.send("SIGTERM");
  await first.says("cancelled: shutdown");
  assert.equal(await first.ended(), 0);
  const second = worker(0);
  await second.says("began");
  await second.says("began");
  for (const run of runs) await server.cancel(run);
});

test("a worker that was frozen learns that it has lost its task", async () => {
  const first = worker();
  const run = await server.call(queue, "wait", 4);
  await first.says("began");
  first.send("SIGSTOP");
  const second = worker();
  await second.says("began");
  first.send("SIGCONT");
  await first.says("cancelled: lease_lost");
  assert.equal(await server.completed(run), "done");
  await second.says("ended");
});

test("a result survives the death of the server", async () => {
  const events = new EventTarget();
  const began = once(events, "began");
  const later = async () => {
    const going = once(events, "go on");
    events.dispatchEvent(new Event("began"));
    await going;
    return "done";
  };
  await serving(server, queue, { later }, async () => {
    const run = await server.call(queue, "later");
    await began;
    await server.kill();
    events.dispatchEvent(new Event("go on"));
    // The report finds nobody now.
    await server.start();
    assert.equal(await server.completed(run), "done");
  });
});
