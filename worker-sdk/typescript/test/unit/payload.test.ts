import assert from "node:assert/strict";
import { test } from "node:test";

import { PayloadError } from "../../src/errors.js";
import { decodeInput, encode, resultField } from "../../src/payload.js";
import { task } from "./support.js";

test("values are JSON, and nothing is null", () => {
  assert.equal(encode({ a: [1, "b", new Date(0)] }), '{"a":[1,"b","1970-01-01T00:00:00.000Z"]}');
  assert.equal(encode(undefined), "null");
  assert.equal(encode(() => 1), "null");
});

test("what JSON would silently make something else of is refused", () => {
  const circle: unknown[] = [];
  circle.push(circle);
  for (const value of [NaN, [Infinity], new Map(), new Set([1]), 1n, circle]) {
    assert.throws(() => encode(value), PayloadError);
  }
});

test("bytes are kept as they are", () => {
  assert.equal(resultField(new Uint8Array([255])), '"result_base64":"/w=="');
  assert.equal(resultField(undefined), '"result":null');
  assert.deepEqual(decodeInput(task({ input_base64: "/w==" })), new Uint8Array([255]));
  assert.equal(decodeInput(task()), null);
  assert.deepEqual(decodeInput(task({ input: { a: 1 } })), { a: 1 });
});
