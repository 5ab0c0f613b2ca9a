/**
 * The program behind `deno task top`: a cluster in a terminal, as `top` shows processes.
 * It shows what the page of a node shows, from the same stream.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { Exit } from "../exit.ts";
import { readFlags, USAGE } from "./arguments.ts";
import { live } from "./live.ts";
import { paintOf } from "./paint.ts";
import { print } from "./print.ts";
import { Terminal } from "./terminal.ts";

/** How wide a snapshot is that goes to no terminal. */
const PLAIN_COLUMNS = 100;

/** Prints a line. Returns whether anybody reads it. */
function line(text: string): boolean {
  try {
    let bytes = new TextEncoder().encode(`${text}\n`);
    while (bytes.length > 0) {
      bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}

async function main(): Promise<number> {
  const { urls, once, json, color, help } = readFlags(Deno.args);
  if (help) {
    console.log(USAGE);
    return 0;
  }
  const shared = {
    urls,
    clock: systemClock,
    fetch: (request: Request) => fetch(request),
  };
  const isTerminal = Deno.stdout.isTerminal();
  if (json || once || !isTerminal) {
    await print({
      ...shared,
      json,
      once: once || !json,
      columns: isTerminal ? Deno.consoleSize().columns : PLAIN_COLUMNS,
      line,
      trouble: (reason) => json && console.error(`No news: ${reason}`),
    });
    return 0;
  }
  // Deno knows https://no-color.org.
  const paint = paintOf(color && !Deno.noColor);
  return await live({ ...shared, paint, open: (hears) => new Terminal(hears) });
}

try {
  Deno.exit(await main());
} catch (error) {
  if (!(error instanceof Exit)) throw error;
  console.error(error.message);
  Deno.exit(error.code);
}
