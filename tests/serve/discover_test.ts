/** Where the list of nodes comes from. */

import { discovery, listsOf } from "../../serve/discover.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("A place is a name in DNS with a port, a name of records, or a file", () => {
  const dns = (family: 0 | 4 | 6) =>
    ({ kind: "dns", hostname: "cache.shop", port: 9999, family }) as const;
  for (
    const [text, place] of [
      ["dns:cache.shop:9999", dns(0)],
      ["dns4:cache.shop:9999", dns(4)],
      ["dns6:cache.shop:9999", dns(6)],
      ["srv:_http._tcp.cache", { kind: "srv", name: "_http._tcp.cache" }],
      ["file:/etc/peers:1", { kind: "file", path: "/etc/peers:1" }],
      ["dns:cache", undefined],
      ["dns:cache:70000", undefined],
      ["dns5:cache:1", undefined],
      ["file:", undefined],
      ["http://a:1", undefined],
      ["", undefined],
    ] as const
  ) assertEquals(discovery.parse(text), place, text);
});

Deno.test("The nodes of a name in DNS are reached as this one is", async () => {
  const place = discovery.parse("dns4:localhost:1")!;
  const lists = listsOf(place, { protocol: "https", everyMs: 1_000 });
  for await (const list of lists) {
    assertEquals(list, ["https://127.0.0.1:1"]);
    break;
  }
});
