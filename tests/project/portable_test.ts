/** The list of the tests that only Deno runs matches the files. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  DENO_ONLY,
  portableTests,
  readsTheRepository,
} from "../../scripts/portable.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";

/** Test files in which Deno's names are split, so that this file does not use them itself. */
const FILES: Readonly<Record<string, string>> = {
  "plain_test.ts": `// Deno${".serve"} in a comment\nDeno.test("a", () => {});`,
  "direct_test.ts": `Deno.test("b", () => Deno${".exit"}());`,
  "indirect_test.ts": `import { go } from "./_one.ts";`,
  "_one.ts": `export * from "./_two.ts";`,
  "text_test.ts": `import a from "./a.css" with { ${'type: "text"'} };`,
  "_two.ts": `import "./_one.ts";\nexport const go = Deno${".serve"};`,
};
const ALL = {
  "direct_test.ts": "exits",
  "indirect_test.ts": "listens",
  "text_test.ts": "imports text",
};

async function withFiles(run: (tests: URL) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "geecache-"));
  try {
    for (const [name, code] of Object.entries(FILES)) {
      await writeFile(join(folder, name), code);
    }
    await run(pathToFileURL(`${folder}/`));
  } finally {
    await rm(folder, { recursive: true });
  }
}

Deno.test("Every test file runs on every runtime or is listed with the reason", async () => {
  const portable = await portableTests();
  assert(portable.includes("lru_test.ts"));
  for (const [name, why] of Object.entries(DENO_ONLY)) {
    assert(!portable.includes(name) && why.length > 10, name);
  }
});

Deno.test("A test file needs Deno if it, or a file that it imports, names more than Deno.test or imports text", async () => {
  await withFiles(async (tests) => {
    assertEquals(await portableTests(tests, ALL), ["plain_test.ts"]);
  });
});

Deno.test("A list of Deno's tests that does not match the files is refused", async () => {
  await withFiles(async (tests) => {
    const refused = (ofDeno: Record<string, string>, fault: string) =>
      assertRejects(() => portableTests(tests, ofDeno), Error, fault);
    const { "direct_test.ts": exits, ...rest } = ALL;
    await refused(rest, "direct_test.ts needs Deno and is not listed");
    await refused(
      { "direct_test.ts": exits },
      "indirect_test.ts needs Deno and is not listed",
    );
    await refused(
      { ...ALL, "plain_test.ts": "for fun" },
      "plain_test.ts is listed and needs no Deno",
    );
    await refused({ ...ALL, "gone_test.ts": "" }, "gone_test.ts does not");
  });
});

Deno.test("A test file reads the repository if it, or a file that it imports, uses import.meta", async () => {
  assert(await readsTheRepository("project/papers_test.ts"));
  assert(await readsTheRepository("project/portable_test.ts"));
  assert(!await readsTheRepository("lru_test.ts"));
});
