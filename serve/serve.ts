/**
 * The program behind `deno task serve`: one node, with a front door for clients. Without
 * flags it runs over a real embedded database. It stops cleanly on SIGINT and SIGTERM.
 *
 * @module
 */

import { readSettings } from "./config.ts";
import { Exit } from "./exit.ts";
import { USAGE } from "./help.ts";
import { openLog } from "./log.ts";
import { startProgram } from "./program.ts";
import { signalReader } from "./stop.ts";

/** Their numbers on Unix. A process that one of them ends has 128 more as its code. */
const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

/** Resolves when the program is told to stop. If it is told again, it ends at once. */
function stopSignal(): Promise<void> {
  const read = signalReader(() => performance.now());
  return new Promise((resolve) => {
    for (const [signal, number] of Object.entries(SIGNALS)) {
      // Windows has no such signal.
      if (signal === "SIGTERM" && Deno.build.os === "windows") continue;
      Deno.addSignalListener(signal as Deno.Signal, () => {
        const meaning = read();
        if (meaning === "stop") resolve();
        if (meaning === "exit") Deno.exit(128 + number);
      });
    }
  });
}

/** The variables, if they may be read. */
function variables(): Record<string, string> {
  const { state } = Deno.permissions.querySync({ name: "env" });
  return state === "granted" ? Deno.env.toObject() : {};
}

async function main(): Promise<void> {
  // Errors send to it, so it is there whatever else is wrong.
  if (Deno.args.includes("--help")) return console.log(USAGE);
  const read = (file: string): string => Deno.readTextFileSync(file);
  const settings = await readSettings(Deno.args, variables(), read);
  const stopped = stopSignal();
  const log = await openLog(settings.verbose, settings.log);
  const program = await startProgram(settings, log);
  await stopped;
  await program.stop();
}

if (import.meta.main) {
  try {
    await main();
    // Without this call, a client that has sent half a request would keep the
    // process alive, and so would an import of `@std/log` that never settles.
    Deno.exit(0);
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    console.error(error.message);
    Deno.exit(error.code);
  }
}
