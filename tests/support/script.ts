/** Runs a script that uses the library, on the runtime that runs the tests. */

import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** How long a script may take. Only one that hangs takes so long. */
const PATIENCE_MS = 20_000;

/** How a script ended. */
export interface Ended {
  /** Its exit code; `null` if it hung and was killed. */
  readonly code: number | null;
  /** Standard output, and standard error after it. */
  readonly output: string;
}

/** Runs the file `name` beside this one until it ends. */
export function runScript(name: string): Promise<Ended> {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const { versions, execPath } = process;
  const args = "deno" in versions
    ? ["run", "--quiet", "--allow-all", file]
    : [file];
  const child = spawn(execPath, args, {
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: PATIENCE_MS,
    killSignal: "SIGKILL",
  });
  const outputs = [child.stdout!, child.stderr!].map(async (stream) => {
    let text = "";
    for await (const chunk of stream) text += new TextDecoder().decode(chunk);
    return text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", async (code) => {
      resolve({ code, output: (await Promise.all(outputs)).join("") });
    });
  });
}
