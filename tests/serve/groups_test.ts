/** Which groups the program has, and where their values come from. */

import { readSettings } from "../../serve/config.ts";
import { Exit } from "../../serve/exit.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";

const groupsOf = async (args: string[], file: unknown = {}, env = {}) =>
  (await readSettings(
    [...args, "--config", "c.json"],
    env,
    () => JSON.stringify(file),
  )).groups;

const refused = async (args: string[], file?: unknown) =>
  (await assertRejects(() => groupsOf(args, file), Exit)).message;

const URL = "https://api.example.com/items/{key}";
const SQL = "select v from t where k = ?";

Deno.test("--origin is the group items, which is fresh for a minute where its source says nothing", async () => {
  const [group] = await groupsOf(["--origin", URL]);
  assertEquals(group!.name, "items");
  assertEquals(group!.source, { kind: "http", url: URL });
  assertEquals([group!.ttlMs, group!.maxBytes], [60_000, 64 * 1024 * 1024]);
  // It is at hand for a while after that, to be asked for with its tag.
  assertEquals(group!.staleIfErrorMs, 300_000);
  const [none] = await groupsOf(["--origin", URL, "--stale-if-error", "0"]);
  assertEquals(none!.staleIfErrorMs, 0);
});

Deno.test("--query is the group scores over a database that is only read", async () => {
  const [group] = await groupsOf(["--db", "a.db", "--query", SQL]);
  assertEquals(group!.name, "scores");
  assertEquals(group!.source, { kind: "sqlite", db: "a.db", query: SQL });
  assertEquals([group!.ttlMs, group!.maxBytes], [Infinity, 64 * 1024 * 1024]);
});

Deno.test("--demo adds the group demo behind those that are there", async () => {
  const names = async (...args: string[]) =>
    (await groupsOf(args)).map(({ name }) => name);
  assertEquals(await names(), ["scores"]);
  assertEquals(await names("--demo"), ["scores", "demo"]);
  assertEquals(await names("--origin", URL, "--demo"), ["items", "demo"]);
  const [, demo] = await groupsOf(["--demo"]);
  assertEquals([demo!.source, demo!.maxBytes], [{ kind: "demo" }, 256 * 1024]);
});

Deno.test("--group names groups of both kinds, and a flag is for all of them", async () => {
  const groups = await groupsOf([
    ...["--group", `items=${URL}`, "--group", `people=a.db#${SQL} and a = '#'`],
    ...["--ttl", "5s", "--max-bytes", "1MiB"],
  ]);
  assertEquals(
    groups.map(({ name, source, ttlMs, maxBytes }) => ({
      name,
      source,
      ttlMs,
      maxBytes,
    })),
    [
      {
        name: "items",
        source: { kind: "http", url: URL },
        ttlMs: 5_000,
        maxBytes: 1 << 20,
      },
      {
        name: "people",
        source: { kind: "sqlite", db: "a.db", query: `${SQL} and a = '#'` },
        ttlMs: 5_000,
        maxBytes: 1 << 20,
      },
    ],
  );
});

Deno.test("GEECACHE_GROUP has a group in each line", async () => {
  const groups = await groupsOf([], {}, {
    GEECACHE_GROUP: `\na=${URL}\n  b=b.db#${SQL}\n`,
  });
  assertEquals(groups.map(({ name }) => name), ["a", "b"]);
});

Deno.test("A group of the file has its own options before those of all groups", async () => {
  const file = {
    ttl: "1h",
    staleIfError: "1d",
    groups: {
      items: { origin: URL, ttl: "5s", contentType: "text/plain" },
      people: { db: "a.db", query: SQL, negativeTtl: "1s" },
    },
  };
  const [items, people] = await groupsOf([], file);
  assertEquals([items!.ttlMs, items!.contentType], [5_000, "text/plain"]);
  assertEquals([people!.ttlMs, people!.negativeTtlMs], [3_600_000, 1_000]);
  assertEquals(people!.staleIfErrorMs, 86_400_000);
  // A flag is for all that do not say it themselves.
  assertEquals((await groupsOf(["--ttl", "2h"], file))[1]!.ttlMs, 7_200_000);
  // Flags that name groups take the place of the file's.
  const flags = await groupsOf(["--group", `a=${URL}`], file);
  assertEquals(flags.map(({ name }) => name), ["a"]);
});

Deno.test("Groups that are told in two ways, or badly, are refused", async () => {
  const key = "{key} must be in the path or the query, without a # behind it";
  for (
    const [args, line] of [
      [
        ["--origin", URL, "--db", "a.db"],
        "Give the groups in one way: received --origin and --db",
      ],
      [
        ["--origin", URL, "--group", `a=${URL}`],
        "Give the groups in one way: received --group and --origin",
      ],
      [
        ["--group", "a"],
        "--group must be NAME=URL or NAME=FILE#SQL: received a",
      ],
      [
        ["--group", "a=b.db"],
        "--group must be NAME=URL or NAME=FILE#SQL: received a=b.db",
      ],
      [
        ["--group", `a=${URL}`, "--group", `a=${URL}`],
        `--group must name each group once: received a=${URL},a=${URL}`,
      ],
      [
        ["--origin", "https://a/b"],
        "Cannot load values from https://a/b: there is no {key} in it",
      ],
      [
        ["--origin", "ftp://a/{key}"],
        "Cannot load values from ftp://a/{key}: it is no http or https URL",
      ],
      ...["https:///{key}/a", "https:\\\\{key}/a"].map(
        (url) => [["--origin", url], `Cannot load values from ${url}: ${key}`],
      ),
      [
        ["--origin", "https://u:p@a/{key}"],
        "Cannot load values from https://u:p@a/{key}: a URL may not have a user or a password",
      ],
      [
        ["--origin", "https://{key}.example.com/"],
        `Cannot load values from https://{key}.example.com/: ${key}`,
      ],
      [
        ["--origin", "https://a/#{key}"],
        `Cannot load values from https://a/#{key}: ${key}`,
      ],
    ] as [string[], string][]
  ) assertEquals(await refused(args), line);
  assertEquals(
    await refused(["--origin", URL], { groups: { a: { origin: URL } } }),
    "Give the groups in one way: received --group and --origin",
  );
});
