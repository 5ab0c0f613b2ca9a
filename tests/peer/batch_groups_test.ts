/** What a peer keeps of groups that come and go. */

import { Observer } from "../../base/observer.ts";
import { Batcher, Slots, type Way } from "../../peer/batch.ts";
import { Link } from "../../peer/link.ts";
import { Transport } from "../../peer/transport.ts";
import { settingsOf } from "../../pool/pool_options.ts";
import { assertEquals } from "../support/assert.ts";
import { FakeClock, settle } from "../support/time.ts";

Deno.test("Nothing is kept at a peer for groups that ask for nothing any more", async () => {
  const clock = new FakeClock();
  const transport = new Transport(settingsOf("http://a", {
    clock,
    fetch: () => Promise.reject(new TypeError("connection refused")),
  }));
  const options = { transport, random: () => 0, observer: new Observer() };
  const link = new Link("http://b", options, () => Promise.resolve());
  const way: Way = {
    headers: {},
    slots: new Slots(),
    batchers: new Map(),
    alone: () => Promise.reject(new Error("not answered")),
  };
  const controller = new AbortController();
  const gets = Array.from({ length: 1_000 }, (_, i) => {
    const batcher = new Batcher(`g${i}`, link, way);
    const end = batcher.begin();
    const get = batcher.get("k", i % 2 === 0 ? controller.signal : undefined);
    end();
    return get;
  });
  assertEquals(way.batchers.size, 1_000);
  controller.abort(new Error("enough"));
  await Promise.allSettled(gets);
  await settle();
  assertEquals(way.batchers.size, 0);
  link.close();
});
