/**
 * Which test files run on every runtime, and why the others do not.
 *
 * A file is portable if it and what it imports name nothing of Deno but
 * `Deno.test`, which has a stand-in elsewhere (`test_preload.ts`).
 *
 * @module
 */

import { readdir, readFile } from "node:fs/promises";

/** The test files that are Deno's by nature, and why. */
export const OF_DENO: Readonly<Record<string, string>> = {
  "peer/batch_serve_test.ts": "its sockets are those of Deno's own server",
  "project/build_npm_test.ts": "starts the script behind deno task npm",
  "project/check_workflows_test.ts":
    "tests a part of a script, which Deno runs",
  "project/examples_test.ts":
    "starts the examples and the README's program with deno",
  "project/import_by_url_test.ts":
    "imports the library by URL, which Deno alone does",
  "handler/limits_serve_test.ts": "its sockets are those of Deno's own server",
  "project/package_json_test.ts": "tests a part of a script, which Deno runs",
  "project/readme_test.ts": "starts the README's programs with deno",
  "project/runtimes_test.ts": "tests a part of a script, which Deno runs",
  "serve/serve_test.ts": "starts deno task serve and deno task cluster",
  "project/version_test.ts": "tests a part of a script, which Deno runs",
};

const TESTS = new URL("../tests/", import.meta.url);
const DENO = /\bDeno\.(?!test\b)/;
const IMPORT = /^(?:import|export)\b(?:[^;"]*\bfrom)?\s*"(\.[^"]+\.ts)"/gm;

/** `code` without its comments; what looks like one in a string goes, too. */
export function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

/** Whether the code of `file`, or of what it imports, matches. */
async function reaches(
  file: URL,
  pattern: RegExp,
  seen: Set<string> = new Set(),
): Promise<boolean> {
  if (seen.has(file.href)) return false;
  seen.add(file.href);
  const code = withoutComments(await readFile(file, "utf8"));
  if (pattern.test(code)) return true;
  for (const [, specifier] of code.matchAll(IMPORT)) {
    if (await reaches(new URL(specifier!, file), pattern, seen)) return true;
  }
  return false;
}

/** Whether the test file `name` reads files beside it: no package has those. */
export function readsTheRepository(name: string): Promise<boolean> {
  return reaches(new URL(name, TESTS), /\bimport\.meta\b/);
}

/**
 * The names of the portable test files in the folder `tests`, in order.
 *
 * @throws {Error} If `ofDeno` is not exactly the files that need Deno.
 */
export async function portableTests(
  tests: URL = TESTS,
  ofDeno: Readonly<Record<string, string>> = OF_DENO,
): Promise<string[]> {
  const names = (await readdir(tests, { recursive: true }))
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith("_test.ts")).sort();
  const portable: string[] = [];
  const faults = Object.keys(ofDeno).filter((name) => !names.includes(name))
    .map((name) => `${name} does not exist`);
  for (const name of names) {
    const needsDeno = await reaches(new URL(name, tests), DENO);
    if (!needsDeno) portable.push(name);
    if (needsDeno && !Object.hasOwn(ofDeno, name)) {
      faults.push(`${name} needs Deno and is not listed`);
    }
    if (!needsDeno && Object.hasOwn(ofDeno, name)) {
      faults.push(`${name} is listed and needs no Deno`);
    }
  }
  if (faults.length > 0) {
    const list = "OF_DENO in scripts/portable.ts is not what the files say";
    throw new Error(`Cannot list the tests: ${list}: ${faults.join("; ")}`);
  }
  return portable;
}
