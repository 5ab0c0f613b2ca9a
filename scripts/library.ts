/**
 * Lists the files of the library: the public modules at the root, and the rooms in
 * the folders that `publish.include` of `deno.json` names.
 *
 * @module
 */

import { readdir } from "node:fs/promises";
import config from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);

/** The folders that hold rooms. Each ends with a slash. */
export const FOLDERS: readonly string[] = config.publish.include
  .filter((name) => name.endsWith("/"));

/** The paths of all library files, relative to the project's root and sorted. */
export async function libraryFiles(): Promise<string[]> {
  const files: string[] = [];
  for (const folder of ["", ...FOLDERS]) {
    for (const name of await readdir(new URL(folder || "./", ROOT))) {
      if (name.endsWith(".ts")) files.push(folder + name);
    }
  }
  return files.sort();
}
