/** Holds the table of rooms: who may import whom, and what no library file may name. */
import { readdir, readFile } from "node:fs/promises";
import { withoutComments } from "../scripts/portable.ts";
import { assert, assertEquals } from "./_assert.ts";

/** Every library file, in the order in which one may import another: only from above. */
const ROOMS = [
  "byte_view.ts",
  "clock.ts",
  "lru.ts",
  "cache.ts",
  "singleflight.ts",
  "consistent_hash.ts",
  "errors.ts",
  "names.ts",
  "options.ts",
  "limiter.ts",
  "fence.ts",
  "peers.ts",
  "loaded.ts",
  "local_group.ts",
  "writes.ts",
  "group_options.ts",
  "group.ts",
  "wire.ts",
  "frames.ts",
  "protobuf.ts",
  "protocols.ts",
  "watch.ts",
  "breaker.ts",
  "owed.ts",
  "secret.ts",
  "http_client.ts",
  "http_batch.ts",
  "http_link.ts",
  "http_writes.ts",
  "http_peer.ts",
  "http_members.ts",
  "http_waits.ts",
  "http_answers.ts",
  "http_bodies.ts",
  "http_doors.ts",
  "http_many.ts",
  "http_handler.ts",
  "http_options.ts",
  "http.ts",
  "mod.ts",
];
/**
 * The rooms of the entry point `node.ts`, in that order, too. They alone name
 * `node:`, and no room above knows of them.
 */
const NODE_ROOMS = [
  "node_lazy.ts",
  "node_body.ts",
  "node_request.ts",
  "node_handler.ts",
  "node_fetch.ts",
  "node.ts",
];
/** Programs at the top level; the library knows nothing of them. */
const PROGRAMS = ["serve.ts"];

const root = new URL("../", import.meta.url);
const read = (name: string) => readFile(new URL(name, root), "utf8");

Deno.test("Every file at the top level is a room or a program", async () => {
  const found = (await readdir(root)).filter((name) => name.endsWith(".ts"));
  assertEquals(found.sort(), [...ROOMS, ...NODE_ROOMS, ...PROGRAMS].sort());
});

Deno.test("A room imports only from rooms above it, by ./x.ts", async () => {
  for (const [place, room] of ROOMS.entries()) {
    const code = withoutComments(await read(room));
    const statements = code.match(/^(import|export)\b[^;]*?\bfrom\b[^;]*;/gm);
    const specifiers = [...code.matchAll(/\bfrom\s+"([^"]+)"/g)].map((m) =>
      m[1]!
    );
    assertEquals(specifiers.length, statements?.length ?? 0, room);
    for (const specifier of specifiers) {
      const from = ROOMS.indexOf(specifier.replace("./", ""));
      assert(
        specifier.startsWith("./") && from >= 0 && from < place,
        `${room} imports ${specifier}`,
      );
    }
    assert(!/\bimport\s*\(|^import\s+"/m.test(code), `${room}: bare import`);
  }
});

Deno.test("No room names a runtime", async () => {
  for (const room of ROOMS) {
    const code = withoutComments(await read(room));
    assert(!/\bDeno\b|\bnode:|\bBun\b|\bprocess\./.test(code), room);
  }
});

Deno.test("The rooms behind node.ts name node: and each other, and nothing else", async () => {
  for (const [place, room] of NODE_ROOMS.entries()) {
    const code = withoutComments(await read(room));
    for (const [, specifier] of code.matchAll(/\bfrom\s+"([^"]+)"/g)) {
      const from = NODE_ROOMS.indexOf(specifier!.replace("./", ""));
      assert(
        specifier!.startsWith("node:") || from >= 0 && from < place,
        `${room} imports ${specifier}`,
      );
    }
    assert(!/\bimport\s*\(|^import\s+"/m.test(code), `${room}: bare import`);
    assert(!/\bDeno\b|\bBun\b|\bprocess\./.test(code), room);
  }
});

Deno.test("mod.ts loads nothing of node.ts", async () => {
  const reached = new Set<string>();
  const follow = async (room: string): Promise<void> => {
    if (reached.has(room)) return;
    reached.add(room);
    const code = withoutComments(await read(room));
    for (const [, specifier] of code.matchAll(/"([^"\n]+)"/g)) {
      assert(!specifier!.startsWith("node:"), `${room} names ${specifier}`);
      if (/^\.\/\w+\.ts$/.test(specifier!)) await follow(specifier!.slice(2));
    }
  };
  await follow("mod.ts");
  assertEquals([...reached].sort(), [...ROOMS].sort());
});

Deno.test("Rooms are of 35 to 350 lines", async () => {
  for (const room of [...ROOMS, ...NODE_ROOMS]) {
    const lines = (await read(room)).split("\n").length - 1;
    assert(lines >= 35 && lines <= 350, `${room} has ${lines} lines`);
  }
});
