/**
 * Values from a SQLite database, which is read and never written.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Exit, messageOf } from "../exit.ts";

/** How long a load waits for a program that writes, in milliseconds. */
const BUSY_MS = 1_000;

/** A value by its key, and an end. */
export interface SqliteSource {
  /**
   * What the first column of the first row has: a text, bytes, or a number as text;
   * `undefined` if there is no row, or NULL in it.
   */
  valueOf(key: string): string | Uint8Array | undefined;
  close(): void;
}

/**
 * Opens a database and checks the query: its one parameter is the key.
 *
 * @throws {Exit} if the file is no database, or the query does not fit it
 */
export function openSqlite(file: string, query: string): SqliteSource {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { readOnly: true });
    db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    const select = db.prepare(query);
    check(select, query);
    // A number that is larger than 2^53 is not rounded.
    select.setReadBigInts(true);
    const open = db;
    return {
      valueOf: (key) => textOf(Object.values(select.get(key) ?? {})[0]),
      close: () => open.close(),
    };
  } catch (error) {
    db?.close();
    throw new Exit(
      `Cannot load values from ${file} with ${query}: ${messageOf(error)}`,
    );
  }
}

/** What may stand behind a statement: comments, and ends of nothing. */
const NOTHING = /^(\s|;|--[^\n]*(\n|$))*$/;

/** @throws {Error} If it is not one statement that gives a column for one parameter. */
function check(select: StatementSync, query: string): void {
  // SQLite prepares the first one, and leaves the rest.
  if (!NOTHING.test(query.slice(select.sourceSQL.length))) {
    throw new Error("it must be one statement");
  }
  if (select.columns().length === 0) throw new Error("it selects nothing");
  if (!takes(select, 1) || takes(select, 2)) {
    throw new Error("it must have one parameter, such as key = ?");
  }
}

/** Whether a statement has that many parameters or more. */
function takes(select: StatementSync, count: number): boolean {
  try {
    select.get(...Array<string>(count).fill(""));
    return true;
  } catch (error) {
    if (messageOf(error).includes("out of range")) return false;
    throw error;
  }
}

function textOf(value: unknown): string | Uint8Array | undefined {
  if (value === null || value === undefined) return undefined;
  return value instanceof Uint8Array ? value : String(value);
}
