import * as discovery from "../discovery.ts";
import * as front from "../front.ts";
import * as group from "../group.ts";
import * as http from "../http.ts";
import * as lru from "../lru.ts";
import * as mod from "../mod.ts";
import * as otel from "../otel.ts";
import { assertEquals } from "./support/assert.ts";

Deno.test("mod.ts exports these names and no others", () => {
  assertEquals(Object.keys(mod).sort(), [
    "BusyError",
    "ByteView",
    "ConsistentHash",
    "Group",
    "HTTPPool",
    "LRU",
    "LoadError",
    "NotFoundError",
    "PeerError",
    "RendezvousHash",
    "SingleFlight",
    "crc32",
    "dnsPeers",
    "entryResponse",
    "errorResponse",
    "filePeers",
  ]);
});

Deno.test("Every export of the files that can be imported alone is also in mod.ts, but those of otel.ts", () => {
  const ofGroup = [
    "BusyError",
    "ByteView",
    "Group",
    "LoadError",
    "NotFoundError",
    "PeerError",
  ];
  assertEquals(Object.keys(lru), ["LRU"]);
  assertEquals(Object.keys(group).sort(), ofGroup);
  assertEquals(Object.keys(http).sort(), [...ofGroup, "HTTPPool"].sort());
  assertEquals(Object.keys(front).sort(), [
    "BusyError",
    "ByteView",
    "NotFoundError",
    "PeerError",
    "entryResponse",
    "errorResponse",
  ]);
  assertEquals(Object.keys(discovery).sort(), ["dnsPeers", "filePeers"]);
  assertEquals({
    ...{ ...mod, ...lru, ...group, ...front, ...http, ...discovery },
  }, { ...mod });
  // What few programs need is not loaded by those that do not.
  assertEquals(Object.keys(otel), ["instrument"]);
});
