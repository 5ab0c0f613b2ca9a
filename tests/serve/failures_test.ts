/** What the log is told of loads that fail. */

import { failureLog } from "../../serve/failures.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("A source that is down writes one line a second for each group", () => {
  let time = 0;
  const lines: string[] = [];
  const failed = failureLog((line) => lines.push(line), () => time);
  failed("items", new Error("it answered 503"));
  for (let i = 0; i < 7; i++) failed("items", new Error("it answered 503"));
  failed("people", "no database");
  time = 1_000;
  failed("items", new Error("it answered 500"));
  time = 2_000;
  failed("items", new Error("it answered 502"));
  assertEquals(lines, [
    "[items] it answered 503",
    "[people] no database",
    "[items] it answered 500 (7 more since the last line)",
    "[items] it answered 502",
  ]);
});
