/**
 * Installs the npm package into empty projects and uses it there, on Node 20, 22,
 * 24 and Bun, and in TypeScript: `deno task test:package [file.tgz]`.
 *
 * Without a file, it packs this project first. Everything else comes from npm, in
 * exact versions and without install scripts. The last line says how many checks
 * passed and failed.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };
import { measure, pack } from "./pack.ts";
import { type Kind, program } from "./package_stories.ts";
import { installRuntime, npmInstall, run, RUNTIMES } from "./runtimes.ts";

/** The oldest TypeScript in which NodeNext lets `require` load ESM, and the newest. */
const COMPILERS = {
  "tsc-oldest": "npm:typescript@5.8.3",
  "tsc-newest": "npm:typescript@7.0.2",
};
const NODE_TYPES = "@types/node@20.19.43";
const PUBLINT = "publint@0.3.25";
const ATTW = "@arethetypeswrong/cli@0.18.5";

const subpaths = Object.keys(config.exports);
let passed = 0;
let failed = 0;

/** Makes a project in a new folder and installs `packages` there. */
async function project(
  folder: string,
  packages: readonly string[],
): Promise<string> {
  await Deno.mkdir(folder);
  await Deno.writeTextFile(`${folder}/package.json`, '{"private":true}');
  await npmInstall(packages, folder);
  return folder;
}

/** Runs one check. It passes unless `holds` throws. */
async function check(name: string, holds: () => Promise<void>): Promise<void> {
  try {
    await holds();
    passed++;
    console.log(`${name} ... ok`);
  } catch (error) {
    failed++;
    console.log(`${name} ... FAILED\n${(error as Error).message}`);
  }
}

/**
 * Runs a program and returns its output.
 *
 * @throws {Error} if the exit code is not 0
 */
async function runOrThrow(
  path: string,
  args: readonly string[],
  cwd: string,
): Promise<string> {
  const { code, output } = await run(path, args, cwd);
  if (code !== 0) throw new Error(`exit code ${code}: ${output}`);
  return output;
}

async function checkInstalled(folder: string): Promise<void> {
  const installed = [...Deno.readDirSync(`${folder}/node_modules`)]
    .map(({ name }) => name).filter((name) => !name.startsWith("."));
  if (installed.join() !== "geecache") {
    throw new Error(
      `the package must install nothing else: received ${installed}`,
    );
  }
  const read = await Deno.readTextFile(
    `${folder}/node_modules/geecache/package.json`,
  );
  const { exports, sideEffects, engines } = JSON.parse(read);
  const expected = [...subpaths, "./package.json"];
  if (Object.keys(exports).join() !== expected.join()) {
    throw new Error(
      `exports must be ${expected}: received ${Object.keys(exports)}`,
    );
  }
  const node = "^20.19.0 || >=22.12.0";
  if (sideEffects !== false || engines.node !== node) {
    throw new Error(
      `sideEffects must be false, and engines.node ${node}: received ${read}`,
    );
  }
}

/** Runs a program with `import` and one with `require`, on every runtime. */
async function testRuntimes(folder: string, tarball: string): Promise<void> {
  const home = await project(`${folder}/javascript`, [tarball]);
  await check(
    "It depends on nothing and has every subpath",
    () => checkInstalled(home),
  );
  for (const kind of ["mjs", "cjs"] as const) {
    await Deno.writeTextFile(`${home}/main.${kind}`, program(kind, subpaths));
  }
  for (const name of RUNTIMES) {
    const { version, path } = await installRuntime(name, folder);
    for (const [kind, verb] of [["mjs", "import"], ["cjs", "require"]]) {
      await check(`${name} ${version}: ${verb}`, async () => {
        const said = await runOrThrow(path, [`main.${kind}`], home);
        // The version must be the only output, without any warning.
        if (said !== `${version}\n`) throw new Error(`received ${said}`);
      });
    }
  }
}

/** Checks types as a strict project would, including those in `.d.ts` files. */
async function typeCheck(
  node: string,
  compiler: string,
  home: string,
  resolution: "NodeNext" | "Bundler",
  libraries: { lib: string[]; types: string[] },
): Promise<void> {
  const known = libraries.types.length > 0
    ? subpaths
    : subpaths.filter((subpath) => subpath !== "./node");
  const kinds: Kind[] = resolution === "NodeNext" ? ["mts", "cts"] : ["mts"];
  for (const kind of kinds) {
    const code = program(kind, known);
    await Deno.writeTextFile(`${home}/main.${kind}`, code);
  }
  const options = {
    compilerOptions: {
      noEmit: true,
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      target: "ES2022",
      module: resolution === "NodeNext" ? "NodeNext" : "ESNext",
      moduleResolution: resolution,
      ...libraries,
    },
    files: kinds.map((kind) => `main.${kind}`),
  };
  await Deno.writeTextFile(`${home}/tsconfig.json`, JSON.stringify(options));
  const tsc = `../tools/node_modules/${compiler}/bin/tsc`;
  await runOrThrow(node, [tsc, "--project", "."], home);
}

async function testTypes(
  folder: string,
  tarball: string,
  node: string,
): Promise<void> {
  const home = await project(`${folder}/typescript`, [tarball, NODE_TYPES]);
  for (const [compiler, specifier] of Object.entries(COMPILERS)) {
    for (const resolution of ["NodeNext", "Bundler"] as const) {
      for (
        const [of, libraries] of Object.entries({
          "DOM's types": { lib: ["ES2022", "DOM"], types: [] },
          "@types/node": { lib: ["ES2022"], types: ["node"] },
        })
      ) {
        const version = specifier.slice(specifier.lastIndexOf("@") + 1);
        await check(
          `TypeScript ${version}: ${resolution}, with ${of}`,
          () => typeCheck(node, compiler, home, resolution, libraries),
        );
      }
    }
  }
}

/** Runs the linters for packages. */
async function lint(
  folder: string,
  tarball: string,
  node: string,
): Promise<void> {
  const modules = `${folder}/tools/node_modules`;
  await check("publint finds nothing", async () => {
    const cli = `${modules}/publint/src/cli.js`;
    const said = await runOrThrow(node, [cli, "--strict", tarball], folder);
    if (!said.includes("All good!")) throw new Error(said);
  });
  await check("Are the types wrong? No", async () => {
    const cli = `${modules}/@arethetypeswrong/cli/dist/index.js`;
    await runOrThrow(node, [
      ...[cli, tarball, "--no-emoji", "--no-color"],
      // This leaves out the resolution of Node 10, which ignores "exports".
      ...["--profile", "node16"],
      // This rule says that `require` of an ESM file is an error in Node. Since
      // Node 20.19, which `engines` asks for, it is not: main.cjs above proves it.
      ...["--ignore-rules", "cjs-resolves-to-esm"],
    ], folder);
  });
}

async function main(): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "geecache-" });
  try {
    const given = Deno.args[0];
    const { file, files, size, unpacked } = given === undefined
      ? await pack(config.version, `${folder}/geecache.tgz`)
      : await measure(await Deno.realPath(given));
    console.log(`${files} files, ${size} bytes, ${unpacked} bytes unpacked`);
    await testRuntimes(folder, file);
    const { path } = await installRuntime("node24", folder);
    const compilers = Object.entries(COMPILERS).map((pair) => pair.join("@"));
    await project(`${folder}/tools`, [...compilers, PUBLINT, ATTW]);
    await testTypes(folder, file, path);
    await lint(folder, file, path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  console.log(`${passed} passed, ${failed} failed`);
}

try {
  await main();
} catch (error) {
  console.error(`Cannot test the package: ${(error as Error).message}`);
  Deno.exit(1);
}
Deno.exit(failed === 0 ? 0 : 1);
