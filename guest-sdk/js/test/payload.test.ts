import assert from "node:assert/strict";
import { test } from "node:test";

import { milliseconds } from "../src/duration.js";
import { Failure, fromWit, toWit } from "../src/failure.js";
import { parseText, stringify } from "../src/payload.js";
import { placeOf } from "../src/stack.js";
import { decodeText, decodedByHand, encodedByHand, encodeText } from "../src/utf8.js";

test("integers of 64 bits are read as bigint and written as they were", () => {
  const text = '{"big":[9007199254740993,-9223372036854775808,18446744073709551615],"small":9007199254740991}';
  const value = parseText(text);
  assert.deepEqual(value.big, [9007199254740993n, -9223372036854775808n, 18446744073709551615n]);
  assert.equal(value.small, 9007199254740991);
  assert.equal(stringify(value), text);
});

test("texts that look like numbers, or like what stands for one, stay texts", () => {
  for (const value of ["9007199254740993", "\u0001123", "\u0001\u0001x", 'a "9007199254740993" b', "\\"]) {
    assert.deepEqual(parseText(JSON.stringify({ value, n: "12345678901234567890" })), { value, n: "12345678901234567890" });
    assert.equal(parseText(`[${JSON.stringify(value)},12345678901234567890]`)[0], value);
  }
});

test("what JSON would make something else of is refused, with the place", () => {
  assert.throws(() => stringify({ a: [1, NaN] }), /NaN at `a\[1\]` is no number/);
  assert.throws(() => stringify({ a: new Map() }), /Map at `a` has no form/);
  assert.throws(() => stringify(() => 1), /no form/);
  const round: { self?: unknown } = {};
  round.self = round;
  assert.throws(() => stringify(round), /holds itself/);
  assert.equal(stringify({ a: null, b: undefined, c: {}, d: new Date(0) }), '{"a":null,"c":{},"d":"1970-01-01T00:00:00.000Z"}');
  assert.equal(stringify(undefined), "null");
});

test("text is written and read by hand as by the engine", () => {
  for (const text of ["", "abc", "Grüße 世界 🎼 \u0000", "\ud800"]) {
    assert.deepEqual(encodedByHand(text), encodeText(text));
    assert.equal(decodedByHand(encodeText(text)), decodeText(encodeText(text)));
  }
  for (const bytes of [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0x80]]) {
    assert.throws(() => decodedByHand(new Uint8Array(bytes)), bytes.join());
  }
});

test("lengths of time are read as people write them", () => {
  assert.equal(milliseconds("1h 30m"), 5_400_000);
  assert.equal(milliseconds("2 days"), 172_800_000);
  assert.equal(milliseconds({ minutes: 1, seconds: 0.5 }), 60_500);
  for (const wrong of ["", "soon", "5", -1, NaN, "1 parsec"]) assert.throws(() => milliseconds(wrong), RangeError);
});

test("a failure survives the way through the interface, with its causes", () => {
  const cause = new Failure("Inner", "the reason", { details: [1] });
  const failure = new Failure("Outer", "it failed", { nonRetryable: true, retryAfter: "7ms", details: { a: 1 }, cause });
  const back = fromWit(toWit(failure));
  assert.deepEqual([back.type, back.message, back.nonRetryable, back.retryAfter, back.details], ["Outer", "it failed", true, 7, { a: 1 }]);
  assert.deepEqual(back.chain().map((it) => it.type), ["Outer", "Inner"]);
  assert.deepEqual(back.chain()[1]?.details, [1]);
  const round = new Error("a");
  round.cause = round;
  assert.equal(toWit(round).causes.length, 0);
});

test("a stack names the lines of the sources", () => {
  const error = new Error("x");
  error.stack = "stumble@.dacapo/build/m.js:2:9\nbug/<@.dacapo/build/m.js:2:30\nrun@.dacapo/build/m.js:1:5";
  const lines = ["", "0.0.11.4 20.0.30.2"];
  Object.assign(globalThis, { __dacapoSourceMap: { sources: ["../src/index.ts"], lines } });
  try {
    assert.equal(placeOf(error), "src/index.ts:12:5");
  } finally {
    Object.assign(globalThis, { __dacapoSourceMap: undefined });
  }
});
