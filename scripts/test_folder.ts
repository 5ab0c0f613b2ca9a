/**
 * A copy of the project in which Node and Bun find what tests import.
 *
 * The project itself can have neither a `package.json` nor a `node_modules`:
 * they would change how Deno resolves. The copy has both, made of `deno.json`'s
 * `imports` in the versions of `deno.lock`.
 *
 * @module
 */

import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import config from "../deno.json" with { type: "json" };
import { npmInstall } from "./runtimes.ts";

const ROOT = new URL("../", import.meta.url);
/** What is not the project's source. */
const LEFT_OUT = /^(\.cache|\.git|coverage|node_modules|npm|site)$/;
/** A package and a path in it: `@std/cli/parse-args`. */
const NAME = /^((?:@[^/]+\/)?[^/]+)(\/.+)?$/;
/** The same behind `npm:`, with a version. */
const NPM = /^npm:\/?((?:@[^/]+\/)?[^@/]+)@([^/]+)(\/.+)?$/;

/** The npm packages that `deno.json` maps names to, as they are locked. */
async function packages(): Promise<string[]> {
  const lock = JSON.parse(await readFile(new URL("deno.lock", ROOT), "utf8"));
  const found = new Set<string>();
  for (const target of Object.values(config.imports)) {
    const match = NPM.exec(target);
    if (match === null) continue; // JSR's are no test's.
    const [, name, range] = match;
    const locked = lock.specifiers[`npm:${name}@${range}`] ?? range;
    // What a package's peers are stands behind its version: 2.1.9_hono@4.13.19.
    found.add(`${name}@${locked.replace(/_.*/, "")}`);
  }
  return [...found];
}

/** What a name that `deno.json` maps to `target` stands for in `folder`. */
function meaning(target: string, folder: string): string | undefined {
  if (target.startsWith("./")) {
    return pathToFileURL(`${folder}/${target.slice(2)}`).href;
  }
  const match = NPM.exec(target);
  return match === null ? undefined : `${match[1]}${match[3] ?? ""}`;
}

/** Packages for the names that `deno.json` maps to something of another name. */
async function writeAliases(folder: string): Promise<void> {
  const doors = new Map<string, Record<string, string>>();
  for (const [name, target] of Object.entries(config.imports)) {
    const meant = meaning(target, folder);
    if (meant === undefined || meant === name) continue;
    const [, owner, path] = NAME.exec(name)!;
    const exports = doors.get(owner!) ?? {};
    doors.set(owner!, exports);
    const file = `./${Object.keys(exports).length}.js`;
    exports[`.${path ?? ""}`] = file;
    await mkdir(`${folder}/node_modules/${owner}`, { recursive: true });
    await writeFile(
      `${folder}/node_modules/${owner}/${file}`,
      `export * from "${meant}";\n`,
    );
  }
  for (const [name, exports] of doors) {
    await writeFile(
      `${folder}/node_modules/${name}/package.json`,
      JSON.stringify({ name, type: "module", exports }),
    );
  }
}

/** Fills `folder`, which must exist, with the project and its packages. */
export async function fill(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(ROOT)) {
    if (LEFT_OUT.test(name)) continue;
    await cp(new URL(name, ROOT), `${folder}/${name}`, { recursive: true });
  }
  // Under its own name a package finds itself.
  const { name, exports } = config;
  await writeFile(
    `${folder}/package.json`,
    JSON.stringify({ name, type: "module", exports }),
  );
  await npmInstall(await packages(), folder);
  await writeAliases(folder);
}
