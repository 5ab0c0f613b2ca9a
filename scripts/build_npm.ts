/**
 * Builds the npm package `geecache` into `npm/`, with dnt from JSR.
 *
 * `deno task npm [version]`; without a version, that of `deno.json`. The tests
 * that need no runtime but `Deno.test` are carried along and run on Node.
 *
 * ESM only: a second format would be a second copy of every class at run time,
 * and `require` takes ESM from Node 20.19.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };
import {
  packageJson,
  PAPERS,
  repositoryOfCi,
  versionOf,
} from "./package_json.ts";
import { portableTests, readsTheRepository } from "./portable.ts";

/** What TypeScript found, as far as the filter below looks at it. */
interface Diagnostic {
  readonly code: number;
  readonly file: { readonly fileName: string } | undefined;
}

const OUT = "npm";

function exit(message: string, code: number): never {
  console.error(`Cannot build the npm package: ${message}`);
  Deno.exit(code);
}

/** The tests that can be carried along: `Deno.test` alone has a shim. */
async function packedTests(): Promise<string[]> {
  const packed: string[] = [];
  for (const name of await portableTests()) {
    if (await readsTheRepository(name)) continue;
    packed.push(name.replace(/\.ts$/, ""));
  }
  return packed;
}

/** The package's own files, and a look at what dnt made of the library. */
async function finish(): Promise<void> {
  for (const name of PAPERS) {
    await Deno.copyFile(name, `${OUT}/${name}`);
  }
  // dnt adds shims, polyfills and dependencies without a word.
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
// A dynamic import, so that everything but this build goes without JSR.
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
  // Node 20.19 has what the library uses; a polyfill would hide what it lacks.
  polyfills: false,
  compilerOptions: {
    target: "ES2022",
    // Of ESNext, it is ES2024's strings that the library uses; dnt's types know no ES2024.
    lib: ["ESNext", "DOM", "DOM.Iterable"],
    noUncheckedIndexedAccess: true,
    useUnknownInCatchVariables: true,
  },
  rootTestDir: "tests",
  testPattern: `{${(await packedTests()).join(",")}}.ts`,
  // The assertions' npm form has no types (TS7016). That concerns the tests alone.
  filterDiagnostic: ({ code, file }: Diagnostic): boolean =>
    !(code === 7016 && file?.fileName.includes("/src/tests/")),
  postBuild: finish,
  // With exports of its own: dnt writes the condition "import" alone, which
  // `require` does not meet.
  package: { ...packageJson(version, "./esm", repositoryOfCi()) },
});
