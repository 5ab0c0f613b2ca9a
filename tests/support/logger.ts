/** A logger that a test can read. */

import type { Logger } from "../../mod.ts";

/** Puts every message into `lines`, except those of `debug()`. */
export function noteIn(lines: string[]): Logger {
  const note = (line: string): void => void lines.push(line);
  return { debug: () => {}, info: note, warn: note, error: note };
}

/** A logger that drops every message, for tests that are not about the log. */
export const SILENT: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
