/** The HTTP client against bytes that a script answers with. */

import assert from "node:assert/strict";
import net from "node:net";
import { test, type TestContext } from "node:test";

import { AnswerTooLarge, Refused, Unreachable } from "../../src/errors.js";
import { HttpClient } from "../../src/http.js";

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"tasks":1}';

/** Answers each request of a connection with the next text; closes where there is none. */
async function served(t: TestContext, ...connections: string[][]) {
  const seen: string[] = [];
  const server = net.createServer((socket) => {
    const answers = connections.shift() ?? [];
    socket.on("error", () => undefined);
    let request = "";
    socket.on("data", (data) => {
      request += data.toString();
      if (!request.endsWith("{}")) return;
      seen.push(request);
      request = "";
      const answer = answers.shift();
      if (answer === undefined) socket.destroy();
      else socket.write(answer);
      if (answers[0] === "END") socket.end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as net.AddressInfo;
  const client = new HttpClient(`http://127.0.0.1:${port}/base/`, { token: "abc" });
  t.after(() => {
    client.close();
    server.close();
  });
  return { client, seen };
}

test("a request says who asks, and connections are kept", async (t) => {
  const { client, seen } = await served(t, [OK, OK]);
  assert.deepEqual(await client.post("/poll", "{}", 5_000), { tasks: 1 });
  assert.deepEqual(await client.post("/poll", "{}", 5_000), { tasks: 1 });
  const [first, ...lines] = seen[0]?.split("\r\n") ?? [];
  assert.equal(first, "POST /base/poll HTTP/1.1");
  assert.ok(lines.includes("authorization: Bearer abc"), `${lines}`);
  assert.ok(lines.includes("content-type: application/json"));
  assert.equal(seen.length, 2);
});

test("a connection that was closed while idle is replaced", async (t) => {
  const { client, seen } = await served(t, [OK], [OK]);
  await client.post("/poll", "{}", 5_000);
  assert.deepEqual(await client.post("/poll", "{}", 5_000), { tasks: 1 });
  assert.equal(seen.length, 3);
});

test("a refusal has its code, and when to come back", async (t) => {
  const body = '{"code":"overloaded","message":"too much","retryable":true,"details":{}}';
  const head = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n";
  const answer = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  const { client } = await served(t, [answer]);
  await assert.rejects(client.post("/poll", "{}", 5_000), (error) => {
    assert.ok(error instanceof Refused);
    assert.deepEqual([error.status, error.code], [503, "overloaded"]);
    assert.deepEqual([error.retryable, error.retryAfterSeconds], [true, 7]);
    return true;
  });
});

test("whatever breaks is unreachable", async (t) => {
  const broken = [
    [],
    ["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "END"],
    ["SSH-2.0\r\n\r\n", "END"],
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"],
  ];
  for (const answers of broken) {
    const { client } = await served(t, answers);
    await assert.rejects(client.post("/poll", "{}", 5_000), Unreachable, `${answers}`);
  }
  const nobody = new HttpClient("http://127.0.0.1:1");
  await assert.rejects(nobody.post("/poll", "{}", 5_000), Unreachable);
});

test("an answer for which there is no room is told apart", async (t) => {
  const { client } = await served(t, ["HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n{"]);
  await assert.rejects(client.post("/poll", "{}", 5_000), AnswerTooLarge);
});

test("a silent server is unreachable, and a wait can be given up", async (t) => {
  const { client } = await served(t, [""], [""]);
  await assert.rejects(client.post("/poll", "{}", 50), /no answer within 0.05 s/);
  const abort = new AbortController();
  const waiting = client.post("/poll", "{}", 60_000, abort.signal);
  setImmediate(() => abort.abort());
  await assert.rejects(waiting, Unreachable);
});

test("an address must be one", () => {
  for (const url of ["localhost:7233", "ftp://a", "nonsense", "http://u@h", "http://h/?a"]) {
    assert.throws(() => new HttpClient(url), TypeError);
  }
  assert.throws(() => new HttpClient("http://h", { token: "a\nb" }), TypeError);
});

test("a token is shown to others only without TLS and beyond this machine", () => {
  const shown = (url: string) => new HttpClient(url, { token: "abc" }).showsToken;
  assert.ok(shown("http://dacapo.internal:7233") && shown("http://192.0.2.1"));
  assert.ok(!shown("https://dacapo.internal:7233"));
  assert.ok(!shown("http://localhost:7233") && !shown("http://[::1]:7233"));
  assert.ok(!new HttpClient("http://dacapo.internal:7233").showsToken);
});
