/**
 * Makes a copy of the project in which Node and Bun find everything that tests
 * import.
 *
 * The project itself has neither a `package.json` nor a `node_modules`, because
 * they would change how Deno resolves imports. The copy has both. They come from
 * the `imports` of `deno.json`, in the versions of `deno.lock`.
 *
 * @module
 */

import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import config from "../deno.json" with { type: "json" };
import { npmInstall } from "./runtimes.ts";

const ROOT = new URL("../", import.meta.url);
/** Names at the root that are not source, and are not copied. */
const NOT_COPIED = /^(\.cache|\.git|coverage|node_modules|npm|site)$/;
/** A package and a path in it, such as `@std/cli/parse-args`. */
const NAME = /^((?:@[^/]+\/)?[^/]+)(\/.+)?$/;
/** The same with `npm:` and a version, such as `npm:tar@7.5.23`. */
const NPM = /^npm:\/?((?:@[^/]+\/)?[^@/]+)@([^/]+)(\/.+)?$/;

/** The npm packages in the `imports` of `deno.json`, in their locked versions. */
async function packages(): Promise<string[]> {
  const lock = JSON.parse(await readFile(new URL("deno.lock", ROOT), "utf8"));
  const found = new Set<string>();
  for (const target of Object.values(config.imports)) {
    const match = NPM.exec(target);
    // The others are local files, and JSR packages, which no portable test imports.
    if (match === null) continue;
    const [, name, range] = match;
    const locked = lock.specifiers[`npm:${name}@${range}`] ?? range;
    // The lock adds peer dependencies to a version, such as 2.1.9_hono@4.13.19.
    found.add(`${name}@${locked.replace(/_.*/, "")}`);
  }
  return [...found];
}

/**
 * The specifier that means `target` to Node and Bun in `folder`; `undefined` if
 * there is none.
 */
function nodeSpecifier(target: string, folder: string): string | undefined {
  if (target.startsWith("./")) {
    return pathToFileURL(`${folder}/${target.slice(2)}`).href;
  }
  const match = NPM.exec(target);
  return match === null ? undefined : `${match[1]}${match[3] ?? ""}`;
}

/**
 * Writes a small package for each name in `imports` that differs from the name of
 * its target. The package exports the target again.
 */
async function writeAliases(folder: string): Promise<void> {
  const aliases = new Map<string, Record<string, string>>();
  for (const [name, target] of Object.entries(config.imports)) {
    const specifier = nodeSpecifier(target, folder);
    if (specifier === undefined || specifier === name) continue;
    const [, owner, path] = NAME.exec(name)!;
    const exports = aliases.get(owner!) ?? {};
    aliases.set(owner!, exports);
    const file = `./${Object.keys(exports).length}.js`;
    exports[`.${path ?? ""}`] = file;
    await mkdir(`${folder}/node_modules/${owner}`, { recursive: true });
    await writeFile(
      `${folder}/node_modules/${owner}/${file}`,
      `export * from "${specifier}";\n`,
    );
  }
  for (const [name, exports] of aliases) {
    await writeFile(
      `${folder}/node_modules/${name}/package.json`,
      JSON.stringify({ name, type: "module", exports }),
    );
  }
}

/** Copies the project and its packages into `folder`, which must exist. */
export async function fill(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(ROOT)) {
    if (NOT_COPIED.test(name)) continue;
    await cp(new URL(name, ROOT), `${folder}/${name}`, { recursive: true });
  }
  // With a name and exports, the project can import itself by its name.
  const { name, exports } = config;
  await writeFile(
    `${folder}/package.json`,
    JSON.stringify({ name, type: "module", exports }),
  );
  await npmInstall(await packages(), folder);
  await writeAliases(folder);
}
