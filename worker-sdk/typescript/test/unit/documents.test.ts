/** What the pages show is what there is: the examples are compiled with the tests. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

function read(path: string): string {
  return readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
}

test("the pages show the workers that are compiled here", () => {
  const pages = { "README.md": "worker.ts", "../../docs/workers.md": "minimal.ts" };
  for (const [page, example] of Object.entries(pages)) {
    assert.ok(read(page).includes(`\`\`\`ts\n${read(`examples/${example}`)}\`\`\``), page);
  }
});
