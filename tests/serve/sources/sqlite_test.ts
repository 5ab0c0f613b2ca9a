/** Values from a SQLite database that is only read. */

import { DatabaseSync } from "node:sqlite";
import { Exit } from "../../../serve/exit.ts";
import { openSqlite } from "../../../serve/sources/sqlite.ts";
import { assert, assertEquals, assertThrows } from "../../support/assert.ts";

async function withDatabase(
  run: (file: string) => void,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/a.db`;
  const db = new DatabaseSync(file);
  db.exec(`
    CREATE TABLE t (k TEXT PRIMARY KEY, v, other);
    INSERT INTO t VALUES ('text', 'é', 1), ('blob', x'00ff', 1), ('null', NULL, 1),
      ('large', 9007199254740993, 1), ('real', 1.5, 1), ('empty', '', 1);
  `);
  db.close();
  try {
    run(file);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("The first column of the first row is the value: a text, bytes or a number", () =>
  withDatabase((file) => {
    const { valueOf, close } = openSqlite(
      file,
      "SELECT v, other FROM t WHERE k = ?",
    );
    assertEquals(
      ["text", "large", "real", "empty", "null", "none"].map(valueOf),
      ["é", "9007199254740993", "1.5", "", undefined, undefined],
    );
    assertEquals([...valueOf("blob") as Uint8Array], [0, 255]);
    // A key is a parameter, and never a part of the query.
    assertEquals(valueOf("' OR 1 = 1 --"), undefined);
    close();
  }));

Deno.test("A query that does not fit is refused at the start", () =>
  withDatabase((file) => {
    for (
      const [query, fault] of [
        ["SELECT v FROM t", "it must have one parameter, such as key = ?"],
        [
          "SELECT v FROM t WHERE k = ? AND v = ?",
          "it must have one parameter, such as key = ?",
        ],
        ["DELETE FROM t WHERE k = ?", "it selects nothing"],
        [
          "SELECT v FROM t WHERE k = ?; DELETE FROM t",
          "it must be one statement",
        ],
        ["SELECT w FROM t WHERE k = ?", "no such column: w"],
        ["FROM t", 'near "FROM": syntax error'],
      ] as const
    ) {
      const { message } = assertThrows(() => openSqlite(file, query), Exit);
      const start = `Cannot load values from ${file} with ${query}: `;
      assertEquals(message, start + fault);
    }
    const none = `${file}.none`;
    const { message } = assertThrows(() => openSqlite(none, "SELECT ?"), Exit);
    assert(message.startsWith(`Cannot load values from ${none} with SELECT ?`));
  }));

Deno.test("The database is never written", () =>
  withDatabase((file) => {
    const change = "INSERT INTO t VALUES (?, 1, 1) RETURNING v";
    const { message } = assertThrows(() => openSqlite(file, change), Exit);
    assert(message.endsWith("attempt to write a readonly database"), message);
  }));
