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
import { portableTests, readsTheRepository } from "./portable.ts";

/** What TypeScript found, as far as the filter below looks at it. */
interface Diagnostic {
  readonly code: number;
  readonly file: { readonly fileName: string } | undefined;
}

const OUT = "npm";
/** A version as https://semver.org has it. */
const SEMVER =
  /^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-(0|[1-9]\d*|\d*[a-z-][\da-z-]*)(\.(0|[1-9]\d*|\d*[a-z-][\da-z-]*))*)?(\+[\da-z-]+(\.[\da-z-]+)*)?$/i;

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
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) {
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

const version = Deno.args[0] ?? config.version;
if (Deno.args.length > 1 || !SEMVER.test(version)) {
  const received = JSON.stringify(Deno.args.join(" "));
  exit(`the version must be one such as 1.2.3-rc.1: received ${received}`, 2);
}
// A dynamic import, so that everything but this build goes without JSR.
const { build, emptyDir } = await import("@deno/dnt").catch(
  ({ message }: Error) =>
    exit(`@deno/dnt could not be loaded: ${message.split("\n")[0]}`, 1),
);

Deno.chdir(new URL("../", import.meta.url));
const doors = Object.entries(config.exports);
await emptyDir(OUT);
await build({
  entryPoints: doors.map(([name, path]) => ({ name, path })),
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
  package: {
    name: "geecache",
    version,
    description:
      "A read-through cache that lives inside your processes: every key is loaded once, kept within a byte budget, and shared over HTTP",
    keywords: ["cache", "groupcache", "geecache", "lru", "singleflight"],
    license: config.license,
    engines: { node: ">=20.19" },
    sideEffects: false,
    // dnt writes the condition "import" alone, which `require` does not meet.
    exports: Object.fromEntries(doors.map(([name, path]) => {
      const file = `./esm/${path.slice(2, -".ts".length)}`;
      return [name, { types: `${file}.d.ts`, default: `${file}.js` }];
    })),
  },
});
