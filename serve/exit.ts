/**
 * The error that ends the program with one line on standard error instead of a
 * stack trace.
 *
 * @module
 */

import { oneLine } from "./lines.ts";

/** Ends the program: prints its message and exits with `code`. */
export class Exit extends Error {
  readonly code: number;
  constructor(message: string, code = 1) {
    super(oneLine(message));
    this.code = code;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
