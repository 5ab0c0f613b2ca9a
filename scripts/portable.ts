/**
 * Lists the test files that run on every runtime, and says why the others do not.
 *
 * A file is portable if it and its imports use nothing of Deno but `Deno.test`, and
 * import no file as text.
 * Other runtimes get that one function from `test_preload.ts`.
 *
 * @module
 */

import { readdir, readFile } from "node:fs/promises";

/** The test files that only Deno can run, each with the reason. */
export const DENO_ONLY: Readonly<Record<string, string>> = {
  "examples/dockerfiles_test.ts": "it asks deno what the program imports",
  "examples/kubernetes_test.ts": "it uses schemas that only Deno installs",
  "examples/systemd_test.ts": "it starts systemd-analyze",
  "peer/links_serve_test.ts": "it tests sockets of Deno's own server",
  "project/build_npm_test.ts": "it starts the script behind deno task npm",
  "project/check_workflows_test.ts": "it tests a script that Deno runs",
  "project/examples_test.ts": "it starts the examples and deno task serve",
  "project/import_by_url_test.ts":
    "it imports the library by URL, which only Deno can do",
  "handler/limits_serve_test.ts": "it tests sockets of Deno's own server",
  "project/package_json_test.ts": "it tests a script that Deno runs",
  "project/readme_test.ts": "it starts the README's programs with deno",
  "project/runtimes_test.ts": "it tests a script that Deno runs",
  "serve/page/cluster_test.ts": "it starts deno task cluster",
  "serve/page/serve_test.ts": "it starts deno task serve",
  "serve/page/page_test.ts": "the page's files are imported as text",
  "serve/program_test.ts": "it starts deno task serve",
  "serve/serve_test.ts": "it starts deno task serve and deno task cluster",
  "serve/secrets_test.ts": "it starts deno task serve",
  "serve/top/top_test.ts": "it starts deno task top",
  "serve/sources/sqlite_test.ts": "it reads a database, which Node 20 cannot",
  "project/version_test.ts": "it tests a script that Deno runs",
};

const TESTS = new URL("../tests/", import.meta.url);
const DENO = /\bDeno\.(?!test\b)|\bwith \{ type: "text" \}/;
const IMPORT = /^(?:import|export)\b(?:[^;"]*\bfrom)?\s*"(\.[^"]+\.ts)"/gm;

/** `code` without its comments. Text in a string that looks like one goes, too. */
export function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

/** Whether the code of `file` or of any of its imports matches `pattern`. */
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

/**
 * Whether the test file `name` reads other files of the repository, or tests the
 * program. Such a test cannot go into a package, which has neither.
 */
export async function readsTheRepository(name: string): Promise<boolean> {
  return name.startsWith("serve/") ||
    await reaches(new URL(name, TESTS), /\bimport\.meta\b/);
}

/**
 * The names of the portable test files in the folder `tests`, sorted.
 *
 * @throws {Error} If `denoOnly` does not list exactly the files that need Deno
 */
export async function portableTests(
  tests: URL = TESTS,
  denoOnly: Readonly<Record<string, string>> = DENO_ONLY,
): Promise<string[]> {
  const names = (await readdir(tests, { recursive: true }))
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith("_test.ts")).sort();
  const portable: string[] = [];
  const faults = Object.keys(denoOnly).filter((name) => !names.includes(name))
    .map((name) => `${name} does not exist`);
  for (const name of names) {
    const needsDeno = await reaches(new URL(name, tests), DENO);
    if (!needsDeno) portable.push(name);
    if (needsDeno && !Object.hasOwn(denoOnly, name)) {
      faults.push(`${name} needs Deno and is not listed`);
    }
    if (!needsDeno && Object.hasOwn(denoOnly, name)) {
      faults.push(`${name} is listed and needs no Deno`);
    }
  }
  if (faults.length > 0) {
    const list = "DENO_ONLY in scripts/portable.ts does not match the files";
    throw new Error(`Cannot list the tests: ${list}: ${faults.join("; ")}`);
  }
  return portable;
}
