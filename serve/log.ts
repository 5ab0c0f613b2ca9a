/**
 * The log of the program: one line for each message, whatever the message
 * contains.
 *
 * @module
 */

import type { Logger } from "../mod.ts";
import { oneLine } from "./lines.ts";

/** How long to wait for `@std/log` to load. */
const IMPORT_TIMEOUT_MS = 500;

/**
 * Opens the log. It goes through `@std/log` if that loads in time, and otherwise
 * prints the same lines through `console`.
 */
export async function openLog(
  verbose: boolean,
  form: "text" | "json",
): Promise<Logger> {
  const level = verbose ? "DEBUG" : "INFO";
  const format = form === "json" ? jsonOf : lineOf;
  // With a variable, Deno does not look for the package until this line runs.
  const specifier = "@std/log";
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const std = await Promise.race([
      import(specifier),
      new Promise<never>((_, reject) => {
        timer = setTimeout(reject, IMPORT_TIMEOUT_MS);
      }),
    ]);
    std.setup({
      handlers: {
        default: new std.ConsoleHandler(level, {
          useColors: false,
          formatter: (record: { levelName: string; msg: string }) =>
            format(record.levelName, record.msg),
        }),
      },
      loggers: { default: { level, handlers: ["default"] } },
    });
    return std.getLogger();
  } catch {
    const write = (level: string) => (message: string): void =>
      console.log(format(level, message));
    return {
      debug: verbose ? write("DEBUG") : () => {},
      info: write("INFO"),
      warn: write("WARN"),
      error: write("ERROR"),
    };
  } finally {
    clearTimeout(timer);
  }
}

/** One line of the log, whatever the message has in it. */
function lineOf(level: string, message: string): string {
  return `${new Date().toISOString()} ${level} ${oneLine(message)}`;
}

/** One line of the log, as a JSON object. */
function jsonOf(level: string, message: string): string {
  const time = new Date().toISOString();
  return JSON.stringify({ time, level: level.toLowerCase(), message });
}
