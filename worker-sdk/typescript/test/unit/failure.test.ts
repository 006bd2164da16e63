import assert from "node:assert/strict";
import { test } from "node:test";

import { ActivityCancelled, ApplicationError } from "../../src/errors.js";
import { CAUSES_MAX, failureOf } from "../../src/failure.js";
import { canceled, completed, failed, instead, report } from "../../src/outcome.js";

const failureJson = (error: unknown): Record<string, unknown> => JSON.parse(failureOf(error));

class BankError extends Error {}

test("an error fails with the name of its class", () => {
  assert.deepEqual(failureJson(new RangeError("far")), { type: "RangeError", message: "far" });
  assert.deepEqual(failureJson(new BankError("no")), { type: "BankError", message: "no" });
  assert.deepEqual(failureJson("text"), { type: "Error", message: "text" });
});

test("an application error says all that it has", () => {
  const error = new ApplicationError("no", {
    type: "Declined",
    details: { code: 51 },
    nonRetryable: true,
    nextRetryDelaySeconds: 1.5,
  });
  assert.deepEqual(failureJson(error), {
    type: "Declined",
    message: "no",
    non_retryable: true,
    next_retry_delay_seconds: 1.5,
    details: { code: 51 },
  });
  assert.throws(() => new ApplicationError("", { nextRetryDelaySeconds: -1 }), RangeError);
});

test("causes follow, the nearest first", () => {
  const line = new Error("the line is dead");
  const error = new ApplicationError("no answer", { cause: new TypeError("x", { cause: line }) });
  const causes = failureJson(error)["causes"] as Record<string, unknown>[];
  assert.deepEqual(causes.map((cause) => cause["type"]), ["TypeError", "Error"]);
});

test("long chains and circles end", () => {
  let error = new Error("0");
  for (let number = 1; number < 40; number += 1) error = new Error(`${number}`, { cause: error });
  assert.equal((failureJson(error)["causes"] as unknown[]).length, CAUSES_MAX);
  const circle = new Error("one");
  circle.cause = circle;
  assert.equal(failureJson(circle)["causes"], undefined);
});

test("what can't be written does not hide the failure", () => {
  const failure = failureJson(new ApplicationError("no", { details: 1n }));
  assert.match(String(failure["details"]), /can't be written as JSON/);
  assert.equal(String(failureJson(new Error("x".repeat(100_000)))["message"]).length, 16 * 1024);
  assert.equal(failureJson(Object.create(null))["message"], "an error whose text can't be had");
});

test("a report is JSON with the token", () => {
  const json = (text: string): unknown => JSON.parse(text);
  assert.deepEqual(json(report(completed({ a: 1 }), 't"1')), { token: 't"1', result: { a: 1 } });
  const error = new ActivityCancelled("undone", "requested", { details: [1] });
  assert.deepEqual(json(report(canceled(error), "t")), {
    token: "t",
    canceled: { message: "undone", details: [1] },
  });
  assert.match(report(completed(1n), "t"), /InvalidResult/);
});

test("a refused result becomes a failure, and a refused failure nothing", () => {
  const result = instead(completed(1), "payload_too_large", "too large");
  assert.match(result?.field ?? "", /"ResultRefused".*"non_retryable":true/);
  const other = instead(canceled(undefined), "invalid_argument", "nobody asked");
  assert.doesNotMatch(other?.field ?? "non_retryable", /non_retryable/);
  assert.equal(instead(failed(new Error()), "invalid_argument", "no"), undefined);
});
