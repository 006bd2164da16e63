// Makes a component of a JavaScript or TypeScript project. Written and run by `dacapo build`, with
// the tools that the project depends on.
//
//   sources ──tsc──▶ checked ──esbuild──▶ one file ──StarlingMonkey or QuickJS──▶ component

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const SDK = "@dacapo/workflow";
const WORLD = "queryable-module";
const ENTRIES = ["src/index.ts", "src/index.js", "index.ts", "index.js"];

const job = JSON.parse(process.argv[2]);
const require = createRequire(path.join(job.project, "package.json"));
// Source maps and stacks name files as they are called from the project.
process.chdir(job.project);

/** A message for the person who builds, and no stack of this script. */
class Refused extends Error {}

async function build() {
  const settings = await readSettings();
  installed(SDK, "dependencies");
  const engine = ENGINES[settings.engine];
  const esbuild = await tool("esbuild");
  const componentize = await tool(engine.package);
  checkTypes();

  const bundle = await bundled(esbuild, settings);
  const key = await keyOf(bundle, engine);
  const component = path.join(job.project, "dist", `${settings.name}.wasm`);
  const keyFile = path.join(job.work, `${settings.name}.key`);
  const made = { package: settings.name, component };
  // Two builds of one source differ, and so would be two programs: what is not changed stays.
  if (existsSync(component) && (await read(keyFile)) === key) return made;

  say(`making ${path.relative(job.project, component)} with ${engine.name}`);
  const source = path.join(job.work, `${settings.name}.js`);
  await writeFile(source, bundle);
  const bytes = await engine.make(componentize, source);
  await mkdir(path.dirname(component), { recursive: true });
  // Whoever reads it while it is written sees the former one.
  await writeFile(`${component}.new`, bytes);
  await rename(`${component}.new`, component);
  await writeFile(keyFile, key);
  return made;
}

async function readSettings() {
  let manifest;
  try {
    manifest = JSON.parse(await readFile("package.json", "utf8"));
  } catch (error) {
    throw new Refused(`package.json can't be read: ${error.message}`);
  }
  const own = manifest.dacapo ?? {};
  const unknown = Object.keys(own).filter((key) => !["name", "entry", "engine"].includes(key));
  if (unknown.length > 0) {
    throw new Refused(`package.json: "dacapo" knows "name", "entry" and "engine", not "${unknown[0]}"`);
  }
  const name = own.name ?? manifest.name?.split("/").at(-1);
  if (typeof name !== "string" || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new Refused('package.json has no "name" that a module could have; add one');
  }
  const entry = own.entry ?? ENTRIES.find((file) => existsSync(file));
  if (entry === undefined || !existsSync(entry)) {
    throw new Refused(
      `there is no ${entry ?? ENTRIES[0]}; put the workflows there, or name another file in ` +
        'package.json: "dacapo": {"entry": ".."}',
    );
  }
  const engine = own.engine ?? "starlingmonkey";
  if (!(engine in ENGINES)) {
    throw new Refused(`package.json: "engine" is one of ${Object.keys(ENGINES).join(", ")}, not "${engine}"`);
  }
  return { name, entry, engine };
}

/** TypeScript checks what it is configured for. esbuild only takes types away. */
function checkTypes() {
  if (!existsSync("tsconfig.json")) return;
  let compiler;
  try {
    compiler = require.resolve("typescript/bin/tsc");
  } catch {
    throw new Refused(missing("typescript", "--save-dev"));
  }
  say("checking types");
  const pretty = process.stderr.isTTY ? "true" : "false";
  const checked = spawnSync(process.execPath, [compiler, "--noEmit", "--pretty", pretty], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (checked.status !== 0) throw new Refused(checked.stdout.trimEnd());
}

async function bundled(esbuild, { entry, engine }) {
  say(`bundling ${entry}`);
  const file = JSON.stringify(`./${entry}`);
  const result = await bundleWith(esbuild, {
    stdin: {
      // First the globals that code at the top of modules may reach for.
      contents: `import "${SDK}/globals";\nimport * as all from ${file};\n` +
        `import { component } from "${SDK}/component";\n` +
        "export const { definitions, workflow, activity, afterEnd } = component(all);\n",
      resolveDir: job.project,
      sourcefile: "dacapo:entry",
    },
    bundle: true,
    write: false,
    outfile: "module.js",
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["dacapo", "worker", "browser"],
    external: ["dacapo:workflow/*", "wasi:*"],
    target: "es2022",
    // Async functions run on the promises of the SDK, which knows when nothing more can go on.
    supported: { "async-await": false, "async-generator": false, "for-await": false },
    plugins: [extras(engine)],
    define: { __DACAPO_ENGINE__: JSON.stringify(engine) },
    keepNames: true,
    sourcemap: "external",
    sourcesContent: false,
    legalComments: "none",
    logLevel: "silent",
  });
  const text = (ending) => result.outputFiles.find((it) => it.path.endsWith(ending)).text;
  const map = JSON.stringify(linesOf(JSON.parse(text(".map"))));
  return `${text(".js")}\nglobalThis.__dacapoSourceMap = ${map};\n`;
}

/**
 * The source map, readable line by line: for each line of the bundle, where each of its columns comes
 * from. What is the SDK's is left out: nobody looks for a fault there.
 */
function linesOf({ sources, mappings }) {
  const sdk = path.relative(job.project, path.dirname(require.resolve(`${SDK}/package.json`)));
  const isOwn = sources.map((source) => source.includes("dacapo:entry") || source.startsWith(`${sdk}/`));
  let [source, line, column] = [0, 0, 0];
  const lines = mappings.split(";").map((row) => {
    let start = 0;
    const segments = row === "" ? [] : row.split(",").map((segment) => {
      const [forward, ...from] = numbersOf(segment);
      start += forward;
      if (from.length < 3) return undefined;
      source += from[0];
      line += from[1];
      column += from[2];
      return isOwn[source] ? undefined : `${start}.${source}.${line}.${column}`;
    });
    return segments.filter((segment) => segment !== undefined).join(" ");
  });
  return { sources, lines };
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The numbers of a segment: groups of five bits, the lowest first, the lowest of all the sign. */
function numbersOf(segment) {
  const found = [];
  let [value, shift] = [0, 0];
  for (const letter of segment) {
    const digit = DIGITS.indexOf(letter);
    value += (digit & 31) << shift;
    shift += 5;
    if ((digit & 32) !== 0) continue;
    found.push((value & 1) === 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return found;
}

/** What an engine lacks: a file of the SDK for each engine that lacks something. */
function extras(engine) {
  const setup = ({ onResolve }) =>
    onResolve({ filter: /^\.\/extras\.js$/ }, ({ resolveDir }) => {
      const file = path.join(resolveDir, `extras_${engine}.ts`);
      return existsSync(file) ? { path: file } : undefined;
    });
  return { name: "extras", setup };
}

async function bundleWith(esbuild, options) {
  try {
    const result = await esbuild.build(options);
    await show(esbuild, result.warnings, "warning");
    return result;
  } catch (error) {
    if (error.errors === undefined) throw error;
    await show(esbuild, error.errors, "error");
    throw new Refused(`${error.errors.length} error(s) in the sources`);
  }
}

async function show(esbuild, messages, kind) {
  const lines = await esbuild.formatMessages(messages, { kind, color: process.stderr.isTTY === true });
  for (const line of lines) process.stderr.write(line);
}

const ENGINES = {
  starlingmonkey: {
    name: "StarlingMonkey",
    package: "@bytecodealliance/componentize-js",
    async make({ componentize }, source) {
      try {
        const { component } = await componentize({ sourcePath: source, witPath: job.wit, worldName: WORLD });
        return component;
      } catch (error) {
        throw new Refused(`StarlingMonkey can't make a component of it:\n${error.message}`);
      }
    },
  },
  quickjs: {
    name: "QuickJS",
    package: "componentize-qjs",
    async make({ componentize }, source) {
      try {
        const jsSource = await readFile(source, "utf8");
        const witPath = await witWithRandom();
        const options = { witPath, jsSource, world: "quickjs", sync: true };
        return (await componentize(options)).component;
      } catch (error) {
        throw new Refused(`QuickJS can't make a component of it:\n${error.message}`);
      }
    },
  },
};

/** The contract, and the runtime's random numbers: QuickJS has none but those of the build. */
async function witWithRandom() {
  const folder = path.join(job.work, "wit-quickjs");
  await rm(folder, { recursive: true, force: true });
  await cp(job.wit, path.join(folder, "deps/workflow"), { recursive: true });
  await mkdir(path.join(folder, "deps/random"));
  const random =
    "package wasi:random@0.2.12;\ninterface random {\n  get-random-bytes: func(len: u64) -> list<u8>;\n}\n";
  await writeFile(path.join(folder, "deps/random/random.wit"), random);
  const world = `include dacapo:workflow/${WORLD}@0.1.0;\n  import wasi:random/random@0.2.12;`;
  await writeFile(path.join(folder, "quickjs.wit"), `package dacapo:quickjs;\nworld quickjs {\n  ${world}\n}\n`);
  return folder;
}

/** Changes with everything that the component is made of. */
async function keyOf(bundle, engine) {
  const hash = createHash("sha256").update(bundle).update(engine.name);
  hash.update(JSON.parse(await readFile(manifestOf(engine.package), "utf8")).version);
  hash.update(await readFile(path.join(job.work, "build.mjs")));
  for (const file of (await readdir(job.wit)).sort()) {
    hash.update(file).update(await readFile(path.join(job.wit, file)));
  }
  return hash.digest("hex");
}

async function tool(name) {
  installed(name, "devDependencies");
  return import(pathToFileURL(entryOf(name)).href);
}

function installed(name, section) {
  if (manifestOf(name) === undefined) {
    throw new Refused(missing(name, section === "dependencies" ? "--save" : "--save-dev"));
  }
}

function missing(name, flag) {
  const all = existsSync("node_modules") ? `\`npm install ${flag} ${name}\`` : "`npm install`";
  return `${name} is not installed: run ${all} in ${job.project}`;
}

/** Where the package is installed, also if it does not export its manifest. */
function manifestOf(name) {
  const folders = require.resolve.paths(name) ?? [];
  return folders.map((folder) => path.join(folder, name, "package.json")).find((file) => existsSync(file));
}

/** What `import` would load; `require.resolve` knows the condition `require` only. */
function entryOf(name) {
  const manifest = manifestOf(name);
  const exports = require(manifest).exports;
  const main = exports?.["."] ?? exports;
  const file = typeof main === "string" ? main : (main?.import ?? main?.default ?? require(manifest).main);
  return path.join(path.dirname(manifest), file ?? "index.js");
}

async function read(file) {
  return existsSync(file) ? readFile(file, "utf8") : undefined;
}

function say(text) {
  process.stderr.write(`  ${text}\n`);
}

try {
  const made = await build();
  await writeFile(job.result, JSON.stringify(made));
} catch (error) {
  console.error(error instanceof Refused ? error.message : error);
  process.exitCode = 1;
}
