/**
 * Runs the portable tests on Node 24, Node 22, Node 20 and Bun, which it installs from
 * npm.
 *
 * `deno task test:runtimes [node24] [node22] [node20] [bun]` runs them on all four if
 * no name is given. Node 20 runs no TypeScript: it gets them compiled, except those
 * that read other files of the repository. It prints one line for each runtime, such as
 * `node 24.21.0: 345 passed, 0 failed`.
 *
 * @module
 */

import {
  mkdir,
  mkdtemp,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DENO_ONLY, portableTests, readsTheRepository } from "./portable.ts";
import { installRuntime, npmInstall, run } from "./runtimes.ts";
import { fill } from "./test_folder.ts";

/** The runtimes that run the tests. */
const NAMES = ["node24", "node22", "node20", "bun"] as const;
type Name = typeof NAMES[number];

/** How long one test may take. Only a test that hangs takes this long. */
const TIMEOUT_MS = 120_000;
const PRELOAD = "./scripts/test_preload.ts";
const COMPILER = "typescript@5.8.3";

/**
 * Compiles `files` of the copy of the project in `folder`, and what they import, into
 * `folder/compiled`. Types are not checked.
 */
async function compile(
  node: string,
  folder: string,
  files: readonly string[],
): Promise<void> {
  const compiler = join(folder, "compiler");
  const [project, out] = [join(folder, "project"), join(folder, "compiled")];
  await mkdir(compiler);
  await writeFile(join(compiler, "package.json"), '{"private":true}');
  await npmInstall([COMPILER], compiler);
  const { code, output } = await run(node, [
    join(compiler, "node_modules/typescript/bin/tsc"),
    ...["--noCheck", "--skipLibCheck", "--rewriteRelativeImportExtensions"],
    ...["--resolveJsonModule", "--module", "nodenext", "--target", "es2023"],
    ...["--rootDir", ".", "--outDir", out, ...files, PRELOAD],
  ], project);
  if (code !== 0) throw new Error(`Cannot compile the tests: ${output}`);
  const manifest = await readFile(join(project, "package.json"), "utf8");
  await writeFile(
    join(out, "package.json"),
    manifest.replaceAll('.ts"', '.js"'),
  );
  await symlink(join(project, "node_modules"), join(out, "node_modules"));
}

/** The name that a file has once it is compiled. */
function compiled(file: string): string {
  return file.replace(/\.ts$/, ".js");
}

/** The arguments that run `files` on a runtime and write a JUnit report to `report`. */
function testArgs(name: Name, files: string[], report: string): string[] {
  if (name === "bun") {
    return [
      ...["test", "--only-failures", `--timeout=${TIMEOUT_MS}`],
      ...[`--preload=${PRELOAD}`, "--reporter=junit"],
      ...[`--reporter-outfile=${report}`, ...files],
    ];
  }
  return [
    ...["--test", `--test-timeout=${TIMEOUT_MS}`],
    `--import=${name === "node20" ? compiled(PRELOAD) : PRELOAD}`,
    ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
    ...["--test-reporter=junit", `--test-reporter-destination=${report}`],
    ...files,
  ];
}

/** Runs the tests on one runtime. Returns whether at least one ran and all passed. */
async function testOn(
  name: Name,
  folder: string,
  files: string[],
  signal: AbortSignal,
): Promise<boolean> {
  const { version, path } = await installRuntime(name, folder);
  signal.throwIfAborted();
  const report = join(folder, `${name}.xml`);
  let cwd = join(folder, "project");
  if (name === "node20") {
    const reads = await Promise.all(
      files.map((file) => readsTheRepository(file.slice("./tests/".length))),
    );
    files = files.filter((_, i) => !reads[i]);
    await compile(path, folder, files);
    files = files.map(compiled);
    cwd = join(folder, "compiled");
  }
  const { success } = await new Deno.Command(path, {
    args: testArgs(name, files, report),
    cwd,
    env: { NO_COLOR: "1" },
    signal,
  }).spawn().status;
  signal.throwIfAborted();
  // If there is no report, the runtime failed before its first test.
  const xml = await readFile(report, "utf8").catch(() => "");
  const count = (tag: RegExp) => xml.match(tag)?.length ?? 0;
  const bad = count(/<(failure|error|skipped)\b/g);
  const passed = count(/<testcase\b/g) - bad;
  const failed = bad + Number(bad === 0 && (!success || passed === 0));
  const label = name === "bun" ? "bun" : "node";
  console.log(`${label} ${version}: ${passed} passed, ${failed} failed`);
  return failed === 0;
}

async function main(args: string[], signal: AbortSignal): Promise<boolean> {
  const unknown = args.find((arg) => !NAMES.some((name) => name === arg));
  if (unknown !== undefined) {
    const known = NAMES.join(", ");
    throw new Error(`a runtime must be one of ${known}: received ${unknown}`);
  }
  const names = NAMES.filter((name) =>
    args.length === 0 || args.includes(name)
  );
  const files = (await portableTests()).map((name) => `./tests/${name}`);
  const folder = await realpath(await mkdtemp(join(tmpdir(), "geecache-")));
  try {
    await mkdir(join(folder, "project"));
    await fill(join(folder, "project"));
    let good = true;
    for (const name of names) {
      good = await testOn(name, folder, files, signal) && good;
    }
    for (const [name, why] of Object.entries(DENO_ONLY)) {
      console.log(`Only on Deno: tests/${name}: ${why}`);
    }
    return good;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const stop = new AbortController();
const signals: Deno.Signal[] = ["SIGINT"];
if (Deno.build.os !== "windows") signals.push("SIGTERM");
for (const signal of signals) {
  Deno.addSignalListener(signal, () => stop.abort(new Error(signal)));
}
const good = await main(Deno.args, stop.signal).catch((error: Error) => {
  console.error(`Cannot test on other runtimes: ${error.message}`);
  return false;
});
Deno.exit(good ? 0 : 1);
