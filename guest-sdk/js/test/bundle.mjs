// The tests, compiled as the build compiles workflows: async functions run on the promises of the SDK.
import { readdirSync } from "node:fs";
import { build } from "esbuild";

await build({
  entryPoints: readdirSync("test").filter((file) => file.endsWith(".test.ts")).map((file) => `test/${file}`),
  outdir: "build",
  bundle: true,
  format: "esm",
  platform: "node",
  target: "es2022",
  sourcemap: true,
  supported: { "async-await": false, "async-generator": false, "for-await": false },
  external: ["dacapo:*"],
});
