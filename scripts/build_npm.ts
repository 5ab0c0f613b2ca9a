/**
 * Builds the npm package `geecache` into `npm/`, with dnt from JSR.
 *
 * `deno task npm [version]` takes the version from `deno.json` if none is given.
 * The build includes the tests that use nothing of Deno but `Deno.test`, and runs
 * them on Node.
 *
 * The package has only ESM. A second format would load a second copy of every
 * class, and `require` can load ESM since Node 20.19 and 22.12.
 *
 * @module
 */

import { readdir } from "node:fs/promises";
import config from "../deno.json" with { type: "json" };
import {
  nameLibraries,
  packageJson,
  paperOf,
  PAPERS,
  repositoryOfCi,
  versionOf,
} from "./package_json.ts";
import { portableTests, readsTheRepository } from "./portable.ts";

/** The parts of a TypeScript diagnostic that the filter below reads. */
interface Diagnostic {
  readonly code: number;
  readonly file: { readonly fileName: string } | undefined;
}

const OUT = "npm";

function exit(message: string, code: number): never {
  console.error(`Cannot build the npm package: ${message}`);
  Deno.exit(code);
}

/**
 * The tests that the build can include, such as `base/clock_test`. The only shim is
 * for `Deno.test`.
 */
async function includedTests(): Promise<string[]> {
  const included: string[] = [];
  for (const name of await portableTests()) {
    if (await readsTheRepository(name)) continue;
    included.push(name.replace(/\.ts$/, ""));
  }
  return included;
}

/**
 * A glob that finds `tests` by the names of their files alone. dnt splits a glob at
 * each slash before it reads the braces, so no path can stand between braces.
 */
function patternOf(tests: readonly string[]): string {
  const names = new Set(tests.map((test) => test.replace(/^.*\//, "")));
  return `**/{${[...names].join(",")}}.ts`;
}

/**
 * Copies the papers into the package, and checks what dnt made of the library and
 * of `tests`.
 */
async function finish(tests: readonly string[]): Promise<void> {
  for (const name of PAPERS) {
    const text = await Deno.readTextFile(name);
    await Deno.writeTextFile(`${OUT}/${name}`, paperOf(text, repositoryOfCi()));
  }
  await nameLibraries(`${OUT}/esm`);
  // dnt adds shims, polyfills and dependencies silently.
  const { dependencies } = JSON.parse(
    await Deno.readTextFile(`${OUT}/package.json`),
  );
  if (dependencies !== undefined) {
    throw new Error(`the package depends on ${Object.keys(dependencies)}`);
  }
  const built = (await readdir(`${OUT}/esm`, { recursive: true }))
    .map((name) => name.replaceAll("\\", "/"));
  for (const name of built) {
    if (/^_dnt\.(?!test_)/.test(name)) {
      throw new Error(`the library needs ${name}`);
    }
  }
  // dnt is content with a pattern that finds nothing, or too much.
  const carried = built.filter((name) => /^tests\/.*_test\.js$/.test(name))
    .map((name) => name.slice("tests/".length, -".js".length));
  const faults = [
    ...tests.filter((test) => !carried.includes(test))
      .map((test) => `${test} is missing`),
    ...carried.filter((test) => !tests.includes(test))
      .map((test) => `${test} does not belong there`),
  ];
  if (faults.length > 0) {
    throw new Error(`the package has other tests: ${faults.join("; ")}`);
  }
}

let version: string;
try {
  version = versionOf(Deno.args);
} catch (error) {
  exit((error as Error).message, 2);
}
// This import is dynamic, so that only the build itself needs JSR.
const { build, emptyDir } = await import("@deno/dnt").catch(
  ({ message }: Error) =>
    exit(`@deno/dnt could not be loaded: ${message.split("\n")[0]}`, 1),
);

Deno.chdir(new URL("../", import.meta.url));
const tests = await includedTests();
await emptyDir(OUT);
await build({
  entryPoints: Object.entries(config.exports)
    .map(([name, path]) => ({ name, path })),
  outDir: OUT,
  scriptModule: false,
  declarationMap: false,
  shims: { deno: { test: "dev" } },
  // Node 20.19 has everything that the library uses. A polyfill would hide it if
  // something were missing.
  polyfills: false,
  compilerOptions: {
    target: "ES2022",
    // The library uses the string methods of ES2024. dnt has no types for ES2024,
    // only for ESNext.
    lib: ["ESNext", "DOM", "DOM.Iterable"],
    noUncheckedIndexedAccess: true,
    useUnknownInCatchVariables: true,
  },
  rootTestDir: "tests",
  testPattern: patternOf(tests),
  // The npm package of the assertions has no types (TS7016). Only tests use it.
  filterDiagnostic: ({ code, file }: Diagnostic): boolean =>
    !(code === 7016 && file?.fileName.includes("/src/tests/")),
  postBuild: () => finish(tests),
  // We write the exports ourselves, because dnt writes only the condition
  // "import", which `require` does not match.
  package: { ...packageJson(version, "./esm", repositoryOfCi()) },
});
