/**
 * The database of the demo: the scores of a few people in a SQLite file, which
 * several nodes may share.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { Exit, messageOf } from "../exit.ts";

export interface Scores {
  /** The score of `name`; `undefined` if the database has none. */
  scoreOf(name: string): string | undefined;
  close(): void;
}

/**
 * Opens the database. The first node to open a new file creates the table and
 * fills it.
 *
 * @throws {Exit} if the file cannot be opened or is not a database
 */
export function openScores(file: string): Scores {
  try {
    const db = new DatabaseSync(file);
    db.exec("PRAGMA busy_timeout = 5000");
    // Several nodes may start at once on a new file. This lets one of them write
    // while the others wait.
    db.exec("BEGIN IMMEDIATE");
    const table = db.prepare(
      "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'scores'",
    );
    if (table.get() === undefined) {
      db.exec(`
        CREATE TABLE scores (name TEXT PRIMARY KEY, score TEXT NOT NULL);
        INSERT INTO scores VALUES ('Tom', '630'), ('Jack', '589'), ('Sam', '567');
      `);
    }
    db.exec("COMMIT");
    const select = db.prepare("SELECT score FROM scores WHERE name = ?");
    return {
      scoreOf: (name) => select.get(name)?.score?.toString(),
      close: () => db.close(),
    };
  } catch (error) {
    throw new Exit(`Cannot open database ${file}: ${messageOf(error)}`);
  }
}
