import * as mod from "../mod.ts";
import { assertEquals } from "./_assert.ts";

Deno.test("mod.ts exports these names and no others", () => {
  assertEquals(Object.keys(mod).sort(), [
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
  ]);
});
