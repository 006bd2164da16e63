// The workflow on a real server, which builds this project first.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TestServer } from "@dacapo/workflow/testing";

let server;
before(async () => (server = await TestServer.start(".")));
after(() => server?.stop());

test("a guest is greeted after a while", async () => {
  const run = await server.start("greet", { name: "Ada", patience_secs: 1 });
  assert.equal(await run.result(), "Hello, Ada!");
});
