import * as front from "../front.ts";
import * as group from "../group.ts";
import * as http from "../http.ts";
import * as lru from "../lru.ts";
import * as metrics from "../metrics.ts";
import * as mod from "../mod.ts";
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
    "METRICS_TYPE",
    "NotFoundError",
    "PeerError",
    "RendezvousHash",
    "SingleFlight",
    "crc32",
    "entryResponse",
    "errorResponse",
    "metrics",
  ]);
});

Deno.test("Every export of the files that can be imported alone is also in mod.ts", () => {
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
  assertEquals(Object.keys(metrics).sort(), ["METRICS_TYPE", "metrics"]);
  assertEquals(
    { ...mod, ...lru, ...group, ...front, ...http, ...metrics },
    { ...mod },
  );
});
