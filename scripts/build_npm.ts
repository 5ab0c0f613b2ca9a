/**
 * Builds the npm package `geecache` into `npm/`, with dnt from JSR.
 *
 * `deno task npm [version]` takes the version from `deno.json` if none is given.
 * The build includes the tests that use nothing of Deno but `Deno.test`, and runs
 * them on Node.
 *
 * The package has only ESM. A second format would load a second copy of every
 * class, and `require` can load ESM since Node 20.19.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };
import {
  nameLibraries,
  packageJson,
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

/** The tests that the build can include. The only shim is for `Deno.test`. */
async function includedTests(): Promise<string[]> {
  const included: string[] = [];
  for (const name of await portableTests()) {
    if (await readsTheRepository(name)) continue;
    included.push(name.replace(/\.ts$/, ""));
  }
  return included;
}

/** Copies the papers into the package, and checks what dnt made of the library. */
async function finish(): Promise<void> {
  for (const name of PAPERS) {
    await Deno.copyFile(name, `${OUT}/${name}`);
  }
  await nameLibraries(`${OUT}/esm`);
  // dnt adds shims, polyfills and dependencies silently.
  const { dependencies } = JSON.parse(
    await Deno.readTextFile(`${OUT}/package.json`),
  );
  if (dependencies !== undefined) {
    throw new Error(`the package depends on ${Object.keys(dependencies)}`);
  }
  for await (const { name } of Deno.readDir(`${OUT}/esm`)) {
    if (/^_dnt\.(?!test_)/.test(name)) {
      throw new Error(`the library needs ${name}`);
    }
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
  testPattern: `{${(await includedTests()).join(",")}}.ts`,
  // The npm package of the assertions has no types (TS7016). Only tests use it.
  filterDiagnostic: ({ code, file }: Diagnostic): boolean =>
    !(code === 7016 && file?.fileName.includes("/src/tests/")),
  postBuild: finish,
  // We write the exports ourselves, because dnt writes only the condition
  // "import", which `require` does not match.
  package: { ...packageJson(version, "./esm", repositoryOfCi()) },
});
