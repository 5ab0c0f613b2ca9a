/** What the program is told, by flags, variables and the configuration file. */

import { readSettings } from "../../serve/config.ts";
import { Exit } from "../../serve/exit.ts";
import {
  fieldOf,
  type Name,
  NAMES,
  settingOf,
  variableOf,
} from "../../serve/settings.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";

function read(
  { args = [], env = {}, file }: {
    args?: string[];
    env?: Record<string, string>;
    file?: unknown;
  },
) {
  const config = file === undefined ? [] : ["--config", "c.json"];
  return readSettings([...args, ...config], env, () => JSON.stringify(file));
}

/** The line that refuses it, with exit code 2. */
async function refused(told: Parameters<typeof read>[0]): Promise<string> {
  const { message, code } = await assertRejects(() => read(told), Exit);
  assertEquals(code, 2);
  return message;
}

Deno.test("Without anything, the settings are the seed's program", async () => {
  const { port, host, peers, groups, log, verbose } = await read({});
  assertEquals([port, host, peers], [9999, "127.0.0.1", undefined]);
  assertEquals([log, verbose], ["text", false]);
  assertEquals(groups, [{
    name: "scores",
    source: { kind: "scores", db: "scores.db" },
    maxBytes: 2048,
    ttlMs: Infinity,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: 0,
    negativeTtlMs: 0,
    loadTimeoutMs: 10_000,
    contentType: "application/octet-stream",
  }]);
});

Deno.test("A flag comes before its variable, that before the file, and that before the default", async () => {
  const args = ["--port", "1"];
  const env = { GEECACHE_PORT: "2" };
  const file = { port: 3 };
  assertEquals((await read({ args, env, file })).port, 1);
  assertEquals((await read({ env, file })).port, 2);
  assertEquals((await read({ file })).port, 3);
  assertEquals((await read({})).port, 9999);
});

Deno.test("A switch is off only if its flag says so, so that a variable may turn it on", async () => {
  const env = { GEECACHE_VERBOSE: "true" };
  assertEquals((await read({ env })).verbose, true);
  assertEquals((await read({ env, args: ["--verbose=false"] })).verbose, false);
  assertEquals((await read({ args: ["--verbose"] })).verbose, true);
  assertEquals((await read({ file: { verbose: true } })).verbose, true);
});

Deno.test("The variable that names the configuration file gives way to the flag", async () => {
  const asked: string[] = [];
  const readFile = (name: string) => {
    asked.push(name);
    return "{}";
  };
  await readSettings([], { GEECACHE_CONFIG: "a" }, readFile);
  await readSettings(["--config", "b"], { GEECACHE_CONFIG: "a" }, readFile);
  assertEquals(asked, ["a", "b"]);
});

/** A value of each kind of setting, as text and as JSON, and what it means. */
const EXAMPLES: Partial<Record<string, [string, unknown, unknown]>> = {
  PORT: ["80", 80, 80],
  COUNT: ["2", 2, 2],
  SIZE: ["1.5KiB", "1.5KiB", 1536],
  TIME: ["1.5s", "1.5s", 1500],
  "URL,URL": ["http://a,http://b", ["http://a", "http://b"], [
    "http://a",
    "http://b",
  ]],
  "text|json": ["json", "json", "json"],
  "PLACE": ["srv:a.b", "srv:a.b", { kind: "srv", name: "a.b" }],
  "TYPE": ["a/b", "a/b", "a/b"],
  "": ["true", true, true],
};

/** Settings that say which groups there are: those are told elsewhere. */
const OF_GROUPS: Name[] = ["origin", "db", "query", "group", "config"];

Deno.test("Each setting is read from its flag, its variable and its field alike", async () => {
  for (const name of NAMES) {
    if (OF_GROUPS.includes(name)) continue;
    const example = EXAMPLES[settingOf(name).kind.placeholder] ??
      ["text", "text", "text"];
    const [text, json, value] = example;
    for (
      const told of [
        { args: [`--${name}=${text}`] },
        { env: { [variableOf(name)]: text } },
        { file: { [fieldOf(name)!]: json } },
      ]
    ) assertEquals((await read(told))[name as "port"], value as number, name);
  }
});

Deno.test("Times and sizes have units, and a size may be a number of bytes", async () => {
  const ttl = async (text: string) =>
    (await read({ args: ["--ttl", text] })).ttl;
  assertEquals(
    await Promise.all(
      ["0", "250ms", "60s", "5m", "2h", "1d", "forever"].map(ttl),
    ),
    [0, 250, 60_000, 300_000, 7_200_000, 86_400_000, Infinity],
  );
  const size = async (maxBytes: unknown) =>
    (await read({ file: { maxBytes } }))["max-bytes"];
  assertEquals(
    await Promise.all(
      [2048, "2048", "512KiB", "64mib", "1 GiB", "7B"].map(size),
    ),
    [2048, 2048, 512 * 1024, 64 * 1024 * 1024, 1024 ** 3, 7],
  );
});

Deno.test("A flag or a variable that is unknown, empty or wrong is named with what came", async () => {
  for (
    const [told, line] of [
      [{ args: ["--prot", "1"] }, "Unknown argument --prot: see --help"],
      // Behind it, a parser takes all as it is.
      [{ args: ["--", "--port", "1"] }, "Unknown argument --: see --help"],
      [{ args: ["--port"] }, "--port needs a value"],
      [
        { args: ["--admin=no"] },
        "--admin must be true or false: received no",
      ],
      [{ args: ["--admin="] }, "--admin needs a value"],
      [
        { args: ["--port", "1\n\x1b[31m"] },
        "--port must be a number from 0 to 65535: received 1\\n\\u001b[31m",
      ],
      [
        { args: ["--content-type", "text/plain\nx: y"] },
        "--content-type must be a media type such as text/plain; charset=utf-8: received text/plain\\nx: y",
      ],
      [
        { args: ["--port", "x"] },
        "--port must be a number from 0 to 65535: received x",
      ],
      [
        { env: { GEECACHE_PROT: "1" } },
        "Unknown variable GEECACHE_PROT: see --help",
      ],
      [{ env: { GEECACHE_TTL: "" } }, "GEECACHE_TTL needs a value"],
      [
        { env: { GEECACHE_TTL: "5" } },
        "GEECACHE_TTL must be a time such as 500ms, 60s, 5m, 2h or 1d, or 0, or forever: received 5",
      ],
      [
        { args: ["--log", "xml"] },
        "--log must be text or json: received xml",
      ],
    ] as const
  ) assertEquals(await refused(told as Parameters<typeof read>[0]), line);
});

Deno.test("The variables of a Service named geecache are told from ours", async () => {
  const service = /Kubernetes sets it for a Service named geecache/;
  for (
    const env of [
      { GEECACHE_SERVICE_HOST: "10.0.0.1" },
      { GEECACHE_PORT_9999_TCP: "tcp://10.0.0.1:9999" },
      { GEECACHE_PORT: "tcp://10.0.0.1:9999" },
    ]
  ) assert(service.test(await refused({ env: env as Record<string, string> })));
});

Deno.test("An error of the configuration file has the field's path, the rule and the value", async () => {
  const time = "a time such as 500ms, 60s, 5m, 2h or 1d, or 0, or forever";
  for (
    const [file, fault] of [
      [{ port: "x" }, '/port must be a number from 0 to 65535: received "x"'],
      [
        { port: 70_000 },
        "/port must be a number from 0 to 65535: received 70000",
      ],
      [
        { maxBytes: -1 },
        "/maxBytes must be a size such as 2048, 512KiB or 64MiB: received -1",
      ],
      [{ prot: 1 }, '/ has no field "prot": see docs/program.md'],
      [{ config: "x" }, '/ has no field "config": see docs/program.md'],
      [{ peers: ["a", 1] }, "/peers/1 must be string: received 1"],
      [[], "/ must be object: received []"],
      [
        { groups: { items: { origin: "http://a/{key}", ttl: 5 } } },
        `/groups/items/ttl must be ${time}: received 5`,
      ],
      [
        { groups: { items: { origin: "http://a/{key}", tll: "5s" } } },
        '/groups/items has no field "tll": see docs/program.md',
      ],
      [
        { groups: { items: { db: "x.db" } } },
        '/groups/items must have an origin, or a db and a query: received {"db":"x.db"}',
      ],
      [
        { groups: { items: { origin: "http://a/{key}", db: "x.db" } } },
        '/groups/items must have an origin, or a db and a query: received {"origin":"http://a/{key}","db":"x.db"}',
      ],
      [
        { port: "x".repeat(1_000) },
        `/port must be a number from 0 to 65535: received "${"x".repeat(199)}…`,
      ],
    ] as const
  ) assertEquals(await refused({ file }), `Cannot read c.json: ${fault}`);
  const noJson = await assertRejects(
    () => readSettings(["--config", "c.json"], {}, () => "{"),
    Exit,
  );
  assert(noJson.message.startsWith("Cannot read c.json: it is no JSON: "));
  const missing = await assertRejects(
    () =>
      readSettings(["--config", "c.json"], {}, () => {
        throw new Error("not there");
      }),
    Exit,
  );
  assertEquals(missing.message, "Cannot read c.json: not there");
});

Deno.test("A configuration file may begin with a mark of its encoding", async () => {
  const args = ["--config", "c.json"];
  const { port } = await readSettings(args, {}, () => '\ufeff{ "port": 1 }');
  assertEquals(port, 1);
});

Deno.test("A configuration file may name its schema", async () => {
  assertEquals((await read({ file: { $schema: "x.json", port: 1 } })).port, 1);
});
