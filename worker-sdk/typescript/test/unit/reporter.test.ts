import assert from "node:assert/strict";
import { test } from "node:test";

import { Refused, Unreachable } from "../../src/errors.js";
import { silentLogger } from "../../src/logger.js";
import { completed } from "../../src/outcome.js";
import type { ReportResult } from "../../src/protocol.js";
import { Reporter } from "../../src/reporter.js";
import { Backoff } from "../../src/retry.js";
import { Answers, attempt, Clock } from "./support.js";

const RECORDED: ReportResult = { recorded: true };

function notRecorded(code: string, retryable = false): ReportResult {
  return { recorded: false, error: { code, message: "no", retryable } };
}

function reporting(tokens: string[], ...given: (Error | ReportResult | ReportResult[])[]) {
  const answers = new Answers<ReportResult>(...given);
  const clock = new Clock();
  const backoff = new Backoff(1_000, 9_000, () => 1);
  const reporter = new Reporter({ reports: answers.give }, silentLogger, backoff, clock.read);
  const done = tokens.map((token) => reporter.report(attempt(token), completed(token)));
  return { reporter, clock, asked: answers.asked, done: Promise.all(done) };
}

test("what has come goes in one request", async () => {
  const { reporter, asked, done } = reporting(["a", "b"], RECORDED);
  assert.equal(await reporter.sendOnce(), 0);
  await done;
  assert.deepEqual(asked, [[{ token: "a", result: "a" }, { token: "b", result: "b" }]]);
});

test("it is sent again until the server has answered", async () => {
  const busy = new Refused(503, "unavailable", "");
  const { reporter, asked, done } = reporting(["a"], new Unreachable("cut"), busy, RECORDED);
  assert.equal(await reporter.sendOnce(), 1_000);
  assert.equal(await reporter.sendOnce(), 2_000);
  assert.equal(await reporter.sendOnce(), 0);
  await done;
  assert.equal(asked.length, 3);
});

test("only those that were not recorded are sent again", async () => {
  const first = [RECORDED, notRecorded("unavailable", true)];
  const { reporter, asked, done } = reporting(["a", "b"], first, RECORDED);
  assert.equal(await reporter.sendOnce(), 1_000);
  await reporter.sendOnce();
  await done;
  assert.deepEqual(asked[1]?.map((entry) => entry["token"]), ["b"]);
});

test("what nobody wants is thrown away", async () => {
  const over = [notRecorded("lease_lost"), notRecorded("activity_not_found")];
  const { reporter, asked, done } = reporting(["a", "b"], over);
  await reporter.sendOnce();
  await done;
  assert.equal(asked.length, 1);
});

test("a result that is refused becomes a failure", async () => {
  const { reporter, asked, done } = reporting(["a"], notRecorded("payload_too_large"), RECORDED);
  await reporter.sendOnce();
  await reporter.sendOnce();
  await done;
  assert.equal((asked[1]?.[0]?.["failure"] as { type: string }).type, "ResultRefused");
});

test("one that spoils its batch is found", async () => {
  const tooLarge = new Refused(413, "payload_too_large", "");
  const given = [tooLarge, RECORDED, tooLarge, RECORDED];
  const { reporter, asked, done } = reporting(["a", "b"], ...given);
  await reporter.sendOnce();
  await reporter.sendOnce();
  await done;
  const sent = asked.map((batch) => batch.map((entry) => entry["token"]));
  assert.deepEqual(sent, [["a", "b"], ["a"], ["b"], ["b"]]);
});

test("after twice the lease it is given up", async () => {
  const { reporter, clock, asked, done } = reporting(["a"], new Unreachable("cut"));
  clock.now = 59_000;
  await reporter.sendOnce();
  clock.now = 60_000;
  assert.equal(await reporter.sendOnce(), 0);
  await done;
  assert.equal(asked.length, 1);
});

test("the loop sends what comes", async () => {
  const answers = new Answers<ReportResult>(RECORDED, RECORDED);
  const reporter = new Reporter({ reports: answers.give }, silentLogger);
  const running = reporter.run();
  const now = performance.now();
  await reporter.report(attempt("a", now), completed(1));
  await reporter.report(attempt("b", now), completed(1));
  reporter.stop();
  await running;
  assert.equal(answers.asked.length, 2);
});
