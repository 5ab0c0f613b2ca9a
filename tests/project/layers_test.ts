/**
 * Holds the plan of the house: which rooms there are, who may import whom, and
 * what no library file may name.
 */
import { readdir, readFile } from "node:fs/promises";
import config from "../../deno.json" with { type: "json" };
import { FOLDERS, libraryFiles } from "../../scripts/library.ts";
import { withoutComments } from "../../scripts/portable.ts";
import { assert, assertEquals } from "../support/assert.ts";

/** Every library file, in an order in which each imports only from those before it. */
const ROOMS = [
  "base/byte_view.ts",
  "base/builtins.ts",
  "base/clock.ts",
  "base/context.ts",
  "base/errors.ts",
  "base/logger.ts",
  "base/observer.ts",
  "base/traceparent.ts",
  "base/watchers.ts",
  "base/names.ts",
  "base/checks.ts",
  "base/keys.ts",
  "base/peers.ts",
  "base/watchdog.ts",
  "base/duplex.ts",
  "lru.ts",
  "memory/hash.ts",
  "memory/index.ts",
  "memory/ghost.ts",
  "memory/segments.ts",
  "memory/entries.ts",
  "memory/logs.ts",
  "memory/arena.ts",
  "memory/front.ts",
  "memory/source.ts",
  "memory/changes.ts",
  "memory/lives.ts",
  "memory/store.ts",
  "cache.ts",
  "group/flights.ts",
  "group/singleflight.ts",
  "group/limiter.ts",
  "group/recent_writes.ts",
  "group/write_order.ts",
  "group/popularity.ts",
  "group/copies.ts",
  "group/life.ts",
  "group/entry.ts",
  "group/counts.ts",
  "group/getter.ts",
  "group/time_limit.ts",
  "group/absent_keys.ts",
  "group/refreshes.ts",
  "group/batch_loader.ts",
  "group/loader.ts",
  "group/placement.ts",
  "group/keeping.ts",
  "group/loads.ts",
  "group/local_group.ts",
  "group/writes.ts",
  "group/group_options.ts",
  "group/asking.ts",
  "group/many.ts",
  "group.ts",
  "front/etags.ts",
  "front/ranges.ts",
  "front/caching.ts",
  "front.ts",
  "protocol/consistent_hash.ts",
  "protocol/wire.ts",
  "protocol/key_lists.ts",
  "protocol/link.ts",
  "protocol/protobuf.ts",
  "protocol/protocols.ts",
  "protocol/secret.ts",
  "peer/breaker.ts",
  "peer/missed_removes.ts",
  "peer/advice.ts",
  "peer/transport.ts",
  "peer/requests.ts",
  "peer/question.ts",
  "peer/single_gets.ts",
  "peer/unanswered.ts",
  "peer/group_numbers.ts",
  "peer/silence.ts",
  "peer/link.ts",
  "peer/questions.ts",
  "peer/peer_writes.ts",
  "peer/http_peer.ts",
  "pool/members.ts",
  "pool/direct_fetch.ts",
  "pool/streams.ts",
  "pool/log.ts",
  "handler/waits.ts",
  "handler/answers.ts",
  "handler/bodies.ts",
  "handler/admission.ts",
  "handler/links.ts",
  "handler/handler.ts",
  "pool/pool_options.ts",
  "pool/pool_stats.ts",
  "pool/proxies.ts",
  "pool/following.ts",
  "http.ts",
  "discovery/polling.ts",
  "discovery/dns.ts",
  "discovery/file.ts",
  "discovery.ts",
  "metrics/text.ts",
  "metrics/histogram.ts",
  "metrics/recorder.ts",
  "metrics/families.ts",
  "metrics.ts",
  "mod.ts",
];

/** The rooms behind `otel.ts`, in such an order. */
const OTEL_ROOMS = [
  "otel/api.ts",
  "otel/words.ts",
  "otel/waiting.ts",
  "otel/spans.ts",
  "otel/instruments.ts",
  "otel.ts",
];

/** The rooms behind `node.ts`, in such an order. They alone name `node:`. */
const NODE_ROOMS = [
  "node/lazy.ts",
  "node/body.ts",
  "node/request.ts",
  "node/handler.ts",
  "node/fetch.ts",
  "node.ts",
];

/** All rooms that are to run anywhere. */
const PORTABLE_ROOMS = [...ROOMS, ...OTEL_ROOMS];

const ALL_ROOMS = [...PORTABLE_ROOMS, ...NODE_ROOMS];

/**
 * Which folders the rooms of a folder may import from, beside their own. A public
 * file at the root counts as a folder of its own name.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  lru: ["base"],
  memory: ["base"],
  cache: ["base", "memory"],
  // A group knows no wire: peers are an interface to it.
  group: ["base", "cache"],
  // An entry is an interface to it, so it knows no group.
  front: ["base"],
  protocol: ["base"],
  // The side that asks and the side that answers never meet. The first knows no group.
  peer: ["base", "protocol"],
  handler: ["base", "group", "protocol"],
  pool: ["base", "protocol", "peer"],
  http: ["base", "group", "protocol", "peer", "handler", "pool"],
  // It gives lists to whoever follows them, and knows no pool.
  discovery: ["base"],
  mod: [
    "base",
    "lru",
    "cache",
    "group",
    "front",
    "protocol",
    "peer",
    "http",
    "discovery",
    "metrics",
  ],
  // It hears what a pool tells its observers, and reads what groups count.
  otel: ["base", "group", "http"],
  // It asks a pool for what anybody may ask it.
  metrics: ["base", "group", "peer", "http"],
  node: [],
};

const root = new URL("../../", import.meta.url);
const read = (name: string) => readFile(new URL(name, root), "utf8");

/** `peer` for `peer/link.ts`, `lru` for `lru.ts`. */
const folderOf = (file: string) => file.replace(/(\/.*|\.ts)$/, "");

/** What a file imports or exports from, as it is written there. */
async function specifiersOf(file: string): Promise<string[]> {
  const code = withoutComments(await read(file));
  const statements = code.match(
    /^(import|export)\b[^;]*?\bfrom\s*["'`][^;]*;/gm,
  );
  const specifiers = [...code.matchAll(/\bfrom\s+"([^"]+)"/g)].map((m) =>
    m[1]!
  );
  assertEquals(specifiers.length, statements?.length ?? 0, file);
  assert(!/\bimport\s*\(|^import\s+"/m.test(code), `${file}: bare import`);
  return specifiers;
}

/** The file that a relative specifier in `file` means, from the project's root. */
function resolve(file: string, specifier: string): string {
  const url = new URL(specifier, new URL(file, "file:///root/"));
  return url.pathname.slice("/root/".length);
}

Deno.test("The root shows what is public and nothing else", async () => {
  const found = (await readdir(root)).filter((name) => name.endsWith(".ts"));
  const exported = Object.values(config.exports).map((path) => path.slice(2));
  // `cache.ts` is a part of a group; its types are exported by group.ts.
  assertEquals(found.sort(), [...exported, "cache.ts"].sort());
});

Deno.test("Every library file is a room of this plan", async () => {
  assertEquals(await libraryFiles(), [...ALL_ROOMS].sort());
  const folders = ALL_ROOMS.filter((room) => room.includes("/"))
    .map((room) => `${folderOf(room)}/`);
  assertEquals([...new Set(folders)].sort(), [...FOLDERS].sort());
});

Deno.test("A room imports only rooms before it, by relative paths", async () => {
  for (const [place, room] of PORTABLE_ROOMS.entries()) {
    for (const specifier of await specifiersOf(room)) {
      assert(/^\.\.?\/.*\.ts$/.test(specifier), `${room} imports ${specifier}`);
      const from = PORTABLE_ROOMS.indexOf(resolve(room, specifier));
      assert(from >= 0 && from < place, `${room} imports ${specifier}`);
    }
  }
});

Deno.test("A folder imports only from folders that it may know", async () => {
  for (const room of PORTABLE_ROOMS) {
    const own = folderOf(room);
    for (const specifier of await specifiersOf(room)) {
      const folder = folderOf(resolve(room, specifier));
      assert(
        folder === own || MAY_IMPORT[own]!.includes(folder),
        `${room} imports ${specifier}: ${own} must not know ${folder}`,
      );
    }
  }
});

Deno.test("No room names a runtime", async () => {
  for (const room of PORTABLE_ROOMS) {
    const code = withoutComments(await read(room));
    assert(!/\bDeno\b|\bnode:|\bBun\b|\bprocess\./.test(code), room);
  }
});

Deno.test("The rooms behind node.ts import node: and each other, and nothing of the library", async () => {
  for (const [place, room] of NODE_ROOMS.entries()) {
    for (const specifier of await specifiersOf(room)) {
      if (specifier.startsWith("node:")) continue;
      const from = NODE_ROOMS.indexOf(resolve(room, specifier));
      assert(from >= 0 && from < place, `${room} imports ${specifier}`);
    }
    const code = withoutComments(await read(room));
    assert(!/\bDeno\b|\bBun\b|\bprocess\./.test(code), room);
  }
});

Deno.test("mod.ts reaches every room but those of otel.ts and node.ts", async () => {
  const reached = new Set<string>();
  const follow = async (room: string): Promise<void> => {
    if (reached.has(room)) return;
    reached.add(room);
    for (const specifier of await specifiersOf(room)) {
      await follow(resolve(room, specifier));
    }
  };
  await follow("mod.ts");
  assertEquals([...reached].sort(), [...ROOMS].sort());
});

Deno.test("No library file has more than 500 lines", async () => {
  for (const room of ALL_ROOMS) {
    const lines = (await read(room)).split("\n").length - 1;
    assert(lines <= 500, `${room} has ${lines} lines: is a room missing?`);
  }
});
