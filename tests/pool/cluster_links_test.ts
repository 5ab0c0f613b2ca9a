/** Links that break, end, grow old or cannot be had: no get fails for that, and no key is loaded twice. */

import fc from "fast-check";
import type { ByteView, Getter } from "../../mod.ts";
import { ANSWER, ASK } from "../../protocol/link.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
} from "../support/assert.ts";
import {
  askedOf,
  type Cluster,
  type ClusterOptions,
  holdLoads,
  keysOwnedBy,
  linkOf,
  type Node,
  numberedKeys,
  openLink,
  ownerAndAsker,
  stateOf,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { settle } from "../support/time.ts";

const MINUTE_MS = 60_000;

/** A cluster of two with an open link, and what the tests ask about it. */
interface Linked {
  cluster: Cluster;
  owner: Node;
  asker: Node;
  /** Keys that the owner owns. */
  keys(count: number, prefix?: string): string[];
}

/** Runs a cluster of two: an owner, and an asker that has a link to it. */
function withLink(
  run: (linked: Linked) => Promise<void>,
  options?: ClusterOptions,
): Promise<void> {
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    await openLink(cluster, asker, owner);
    await run({
      cluster,
      owner,
      asker,
      keys: (count, prefix) => keysOwnedBy(cluster, owner, count, prefix),
    });
  }, options);
}

/** What the asker's pool says of the owner. */
function peerOf({ asker }: Linked) {
  return asker.pool.stats().peers[0]!;
}

/** How many links the asker opened, or tried to. */
function openingsOf({ cluster, asker }: Linked): number {
  return cluster.network.openings
    .filter(({ from }) => from === asker.origin).length;
}

/** How many frames of a kind went over links to the owner, or came from it. */
function framesOf(
  { cluster, owner }: Linked,
  way: "ask" | "answer",
  kind: number,
): number {
  return cluster.network.frames.filter((frame) =>
    frame.to === owner.origin && frame.way === way && frame.kind === kind
  ).length;
}

function valuesOf(keys: readonly string[]): string[] {
  return keys.map((key) => `<${key}>`);
}

function textsOf(gets: Promise<ByteView>[]): Promise<string[]> {
  return Promise.all(gets.map(textOf));
}

/** Asks the owner for a key that it has every 500 ms, for so long. */
async function askFor(
  linked: Linked,
  ms: number,
  onAnswer: () => void = () => {},
): Promise<void> {
  const { cluster: { clock }, owner, asker } = linked;
  const [key] = linked.keys(1, "often") as [string];
  await owner.group.set(key, "v");
  // Not through the group, which would keep a copy of a key that is asked for so often.
  const peer = asker.pool.pickPeer(key)!;
  for (let i = 0; i < ms; i += 500) {
    assertEquals((await peer.get("g", key)).value.text(), "v");
    await clock.advance(500);
    onAnswer();
  }
}

for (
  const [times, first] of [
    [1, "server"],
    [1, "asker"],
    [2, "server"],
    [5, "asker"],
  ] as const
) {
  Deno.test(`A link that is cut ${times} times, as the ${first} sees first, while loads are under way costs no get, and loads no key twice`, () => {
    const { begun, end, options } = holdLoads({});
    return withLink(async ({ cluster, owner, asker, keys }) => {
      const asked = keys(20);
      const gets = asked.map((key) => asker.group.get(key));
      await settle();
      for (let i = 0; i < times; i++) {
        cluster.network.cutLinks(undefined, first);
        await settle();
      }
      assertEquals(begun.toSorted(), asked.toSorted());
      for (const key of asked) end(key);
      assertEquals(await textsOf(gets), valuesOf(asked));
      assertEquals([asker.loads, asker.group.stats().peerErrors], [[], 0]);
      assertEquals(stateOf(asker, owner), "closed");
    }, options);
  });
}

Deno.test("A value that was loaded while its link was cut is not loaded again", () => {
  const { begun, end, options } = holdLoads({});
  return withLink(
    async ({ cluster: { network, clock }, owner, asker, keys }) => {
      const asked = keys(5);
      const gets = asked.map((key) => asker.group.get(key));
      await settle();
      // Nothing of the asker's arrives for a while.
      network.delay(owner.origin, 2_000);
      for (const key of asked) end(key);
      await clock.advance(1_000);
      network.cutLinks();
      await clock.advance(10_000);
      assertEquals(await textsOf(gets), valuesOf(asked));
      assertEquals(begun, asked);
      assertEquals([owner.loads, asker.loads], [asked, []]);
    },
    options,
  );
});

Deno.test("A link that is cut at once each time is not opened again and again: keys go in GETs, and it is tried again later", () =>
  withLink(async (linked) => {
    const { cluster: { network, clock }, owner, asker, keys } = linked;
    const before = openingsOf(linked);
    for (const key of keys(100)) {
      network.cutLinks();
      await settle();
      assertEquals(await textOf(asker.group.get(key)), `<${key}>`);
      await clock.advance(10);
    }
    assert(openingsOf(linked) - before <= 2);
    const { link, linkError } = peerOf(linked);
    assertEquals(link, "unavailable");
    assertEquals(linkError, "connection reset");
    await clock.advance(5_000);
    await askFor(linked, 1_500);
    assertEquals([linkOf(asker, owner), peerOf(linked).linkError], [
      "open",
      undefined,
    ]);
  }));

Deno.test("A caller that leaves ends only its own wait, and the owner's load ends with the last one", () => {
  const signals: AbortSignal[] = [];
  const getter = (): Getter => (key, { signal }) => {
    if (key.startsWith("opens")) return key;
    signals.push(signal);
    return new Promise(() => {});
  };
  return withLink(async ({ owner, asker, keys }) => {
    const [one, two] = keys(2) as [string, string];
    const leave = [1, 2, 3].map(() => new AbortController());
    const gets = [one, one, two].map((key, i) =>
      asker.group.get(key, { signal: leave[i]!.signal })
    );
    await settle();
    assertEquals(owner.pool.stats().serving, 2);
    for (
      const [i, ended] of [[false, false], [true, false], [true, true]]
        .entries()
    ) {
      leave[i]!.abort(new Error(`${i} left`));
      await assertRejects(() => gets[i]!, Error, `${i} left`);
      await settle();
      assertEquals(signals.map(({ aborted }) => aborted), ended);
    }
    assertEquals(owner.pool.stats().serving, 0);
    assertEquals(linkOf(asker, owner), "open");
  }, { getter });
});

Deno.test("An asker whose link was cut and whose callers have left holds no load up for more than five seconds", () => {
  let signal: AbortSignal | undefined;
  const getter = (): Getter => (key, context) => {
    if (key.startsWith("opens")) return key;
    signal = context.signal;
    return new Promise(() => {});
  };
  return withLink(
    async ({ cluster: { network, clock }, owner, asker, keys }) => {
      const leave = new AbortController();
      const get = asker.group.get(keys(1)[0]!, leave);
      await settle();
      network.kill(owner.origin);
      leave.abort(new Error("enough"));
      await assertRejects(() => get, Error, "enough");
      await clock.advance(4_900);
      assertEquals(signal?.aborted, false);
      await clock.advance(200);
      assertEquals(signal?.aborted, true);
    },
    { getter },
  );
});

Deno.test("A link that grows old is replaced, and no get is lost with it", () => {
  const { end, options } = holdLoads({});
  return withLink(async (linked) => {
    const { cluster: { network }, owner, asker, keys } = linked;
    const [slow] = keys(1) as [string];
    const before = openingsOf(linked);
    const open = new Set<number>();
    const count = () => void open.add(owner.pool.stats().links);
    await askFor(linked, 5 * MINUTE_MS, count);
    assertEquals(openingsOf(linked) - before, 1);
    // A load that is under way when its link grows old is answered there.
    const get = asker.group.get(slow);
    await settle();
    await askFor(linked, 4 * MINUTE_MS - 10_000, count);
    assertEquals(openingsOf(linked) - before, 2);
    end(slow);
    assertEquals(await textOf(get), `<${slow}>`);
    await settle();
    assertEquals([...open].sort(), [1, 2]);
    assertEquals([owner.pool.stats().links, network.linksTo(owner.origin)], [
      1,
      1,
    ]);
    assertEquals(owner.loads, [slow]);
    assertEquals(peerOf(linked).errors, 0);
  }, options);
});

Deno.test("An old link that cannot be replaced goes on, and another one is tried less and less often", () =>
  withLink(async (linked) => {
    const { cluster: { network }, owner, asker } = linked;
    network.fault(owner.origin, (request, next) => {
      const isLink = request.headers.has("Geecache-Link");
      return isLink ? new Response("no", { status: 411 }) : next();
    }, "fault");
    const before = openingsOf(linked);
    await askFor(linked, 10 * MINUTE_MS);
    const tried = openingsOf(linked) - before;
    assert(tried >= 5 && tried <= 12, `${tried}`);
    assertEquals([linkOf(asker, owner), network.linksTo(owner.origin)], [
      "open",
      1,
    ]);
    network.fault(owner.origin);
    await askFor(linked, 2 * MINUTE_MS);
    assertEquals(openingsOf(linked) - before, tried + 1);
    assertEquals(peerOf(linked).linkError, undefined);
  }));

Deno.test("A load that outlasts an old link goes on over the next one, and runs once", () => {
  const { end, options } = holdLoads({});
  return withLink(async (linked) => {
    const { cluster: { clock }, owner, asker, keys } = linked;
    const [slow] = keys(1) as [string];
    const get = asker.group.get(slow);
    await clock.advance(15 * MINUTE_MS);
    assert(owner.pool.stats().links <= 2);
    end(slow);
    await clock.advance(5_000);
    assertEquals(await textOf(get), `<${slow}>`);
    assertEquals([owner.loads, asker.loads, peerOf(linked).errors], [
      [slow],
      [],
      0,
    ]);
  }, options);
});

Deno.test("A link of which nothing was asked for a second ends on both sides, and the next keys open another", () =>
  withLink(async (linked) => {
    const { cluster: { clock, network }, owner, asker, keys } = linked;
    await clock.advance(900);
    assertEquals([linkOf(asker, owner), owner.pool.stats().links], ["open", 1]);
    await clock.advance(200);
    assertEquals([linkOf(asker, owner), owner.pool.stats().links], ["idle", 0]);
    assertEquals([network.linksTo(owner.origin), clock.pending], [0, 0]);
    await asker.group.getMany(keys(5));
    await asker.group.getMany(keys(5, "more"));
    assertEquals(linkOf(asker, owner), "open");
  }));

Deno.test("A peer that is asked now and then is asked in GETs, without a link", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    for (const key of keysOwnedBy(cluster, owner, 20)) {
      await asker.group.get(key);
      await cluster.clock.advance(1_100);
    }
    assertEquals(cluster.network.openings, []);
    assertEquals(askedOf(cluster, asker, owner), 20);
  }));

Deno.test("A process that drains tells its askers over their links at once; they ask the next node, and peeks go on", () =>
  withCluster(3, async (cluster) => {
    const [leaver, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    const keys = numberedKeys(300).filter((key) =>
      cluster.ownerOf(key) === leaver && cluster.inOrder(key)[1] === next
    );
    const [held, fresh] = [keys.slice(0, 5), keys.slice(5, 10)];
    await leaver.group.getMany(held);
    await openLink(cluster, asker, leaver);
    await openLink(cluster, next, leaver);
    const drain = leaver.pool.drain({ timeoutMs: 10_000 });
    await settle();
    assertEquals([asker, next].map((node) => stateOf(node, leaver)), [
      "draining",
      "draining",
    ]);
    const asked = askedOf(cluster, asker, leaver);
    assertEquals(
      await textsOf([...held, ...fresh].map((key) => asker.group.get(key))),
      valuesOf([...held, ...fresh]),
    );
    // It is asked for nothing but copies, by the next node, on the link.
    assertEquals(askedOf(cluster, asker, leaver), asked);
    assertEquals(next.group.stats().inherited, 5);
    assertEquals([leaver.loads, next.loads, asker.loads], [held, fresh, []]);
    const peeks = cluster.network.frames.filter(({ kind, way }) =>
      way === "ask" && kind === ASK.peek
    );
    assertEquals(peeks.length, 10);
    await cluster.clock.advance(10_000);
    await drain;
    assertEquals(cluster.network.linksTo(leaver.origin), 0);
  }, { pool: { handoverMs: 30_000 } }));

Deno.test("Keys that are loading for others when a process begins to drain are answered there", () => {
  const { end, options } = holdLoads({});
  return withLink(async ({ cluster: { clock }, owner, asker, keys }) => {
    const asked = keys(3);
    const gets = asked.map((key) => asker.group.get(key));
    await settle();
    const drain = owner.pool.drain({ timeoutMs: 1_000 });
    await settle();
    for (const key of asked) end(key);
    assertEquals(await textsOf(gets), valuesOf(asked));
    assertEquals(asker.loads, []);
    await clock.advance(1_000);
    await drain;
  }, options);
});

Deno.test("A list that changes is told over the links that are open", () =>
  withLink(async (linked) => {
    const { owner, asker, keys } = linked;
    const differs = () => owner.pool.stats().peers[0]!.ringDiffers;
    const all = keys(9);
    const ask = async () => {
      const peer = asker.pool.pickPeer(all[0]!)!;
      await Promise.all(all.splice(0, 3).map((key) => peer.get("g", key)));
      await settle();
    };
    await ask();
    assert(!differs());
    const list = [owner.origin, asker.origin];
    asker.pool.setPeers([...list, "http://other"]);
    await ask();
    assert(differs());
    asker.pool.setPeers(list);
    await ask();
    assert(!differs());
    assertEquals(framesOf(linked, "ask", ASK.list), 2);
  }));

for (const whose of ["owner", "asker"] as const) {
  Deno.test(`A pool that closes at the side of the ${whose} ends its links, and leaves no timer`, () => {
    const { end, options } = holdLoads({});
    return withLink(async (linked) => {
      const { cluster: { clock, network }, owner, asker, keys } = linked;
      const [key] = keys(1) as [string];
      const get = asker.group.get(key);
      get.catch(() => {});
      await settle();
      await linked[whose].pool.close();
      await settle();
      assertEquals(network.linksTo(owner.origin), 0);
      if (whose === "asker") {
        await assertRejects(() => get, Error, "closed");
        await clock.advance(5_000);
        assertEquals(clock.pending, 0);
      } else {
        // The asker loads it for itself, as if it had asked in a GET.
        assertEquals(asker.loads, [key]);
        end(key);
        assertEquals(await textOf(get), `<${key}>`);
      }
    }, options);
  });
}

for (
  const [how, meanwhile, why] of [
    ["refuses links", "refuse", /^404 without Geecache-Result/],
    [
      "waits for the end of bodies",
      "hold",
      /^it said no hello within 1000 ms$/,
    ],
  ] as const
) {
  Deno.test(`A peer behind something that ${how} is asked in GETs, and for a link again later`, () =>
    withCluster(2, async (cluster) => {
      const { owner, asker } = ownerAndAsker(cluster);
      const { network, clock } = cluster;
      const linked: Linked = {
        cluster,
        owner,
        asker,
        keys: (count, prefix) => keysOwnedBy(cluster, owner, count, prefix),
      };
      network.links(owner.origin, meanwhile);
      const asked = linked.keys(100);
      const many = asker.group.getMany(asked);
      await clock.advance(1_000);
      const values = await many;
      assertEquals(
        [...values.values()].map((value) => (value as ByteView).text()),
        valuesOf(asked),
      );
      const { link, linkError, state, errors } = peerOf(linked);
      assertEquals([link, state, errors], ["unavailable", "closed", 0]);
      assertMatch(`${linkError}`, why);
      await askFor(linked, 10 * MINUTE_MS);
      // Less and less often, once a minute in the end.
      const tried = openingsOf(linked);
      assert(tried >= 10 && tried <= 17, `${tried}`);
      network.links(owner.origin, "pass");
      await askFor(linked, 2 * MINUTE_MS);
      const { link: now, linkError: nothing } = peerOf(linked);
      assertEquals([now, nothing], ["open", undefined]);
      assertEquals(network.linksTo(owner.origin), 1);
      assertEquals([owner.loads.length, asker.loads], [100, []]);
    }));
}

for (const [delayMs, state] of [[90, "open"], [110, "unavailable"]] as const) {
  Deno.test(`A link on which answers take ${delayMs} ms longer than GETs is ${state}`, () =>
    withCluster(2, async (cluster) => {
      const { owner, asker } = ownerAndAsker(cluster);
      const { network, clock } = cluster;
      const keys = keysOwnedBy(cluster, owner, 100);
      network.slowLinks(owner.origin, delayMs);
      const many = asker.group.getMany(keys);
      await clock.advance(state === "open" ? 900 : 1_000);
      await many;
      const { link, linkError } = asker.pool.stats().peers[0]!;
      assertEquals([link, linkError === undefined], [state, state === "open"]);
      if (state === "open") return;
      assertEquals(
        linkError,
        `something on the way delays it: a ping took ${delayMs} ms`,
      );
      network.slowLinks(owner.origin, 0);
      await clock.advance(2_000);
      await asker.group.getMany(keys);
      await settle();
      const { link: now } = asker.pool.stats().peers[0]!;
      assertEquals([now, owner.loads.length], ["open", keys.length]);
    }));
}

Deno.test("How long a link is not tried again starts from a second after one that lived", () =>
  withLink(async (linked) => {
    const { cluster: { network, clock }, owner, asker } = linked;
    network.links(owner.origin, "refuse");
    await askFor(linked, 5 * MINUTE_MS);
    network.links(owner.origin, "pass");
    await askFor(linked, 2 * MINUTE_MS);
    // This link was old enough: there may be another one at once, which is cut, too.
    network.cutLinks();
    await openLink(linked.cluster, asker, owner);
    network.cutLinks();
    await settle();
    assertEquals(linkOf(asker, owner), "unavailable");
    await clock.advance(1_000);
    await askFor(linked, 4_000);
    assertEquals(linkOf(asker, owner), "open");
  }));

Deno.test("A process that was blocked for longer than timeoutMs takes no link for dead", async () => {
  for (const blockedMs of [5_001, 6_000, 60_000]) {
    const { end, options } = holdLoads({});
    await withLink(async (linked) => {
      const { cluster: { clock, network }, owner, asker, keys } = linked;
      const [key] = keys(1) as [string];
      const get = asker.group.get(key);
      await settle();
      end(key);
      clock.block(blockedMs);
      await clock.advance(100);
      assertEquals(await textOf(get), `<${key}>`);
      assertEquals([peerOf(linked).errors, asker.loads], [0, []]);
      assertEquals([linkOf(asker, owner), network.linksTo(owner.origin)], [
        "open",
        1,
      ]);
    }, options);
  }
});

Deno.test("A process that was blocked while a load went on takes no link for dead", () => {
  const { end, options } = holdLoads({});
  return withLink(async (linked) => {
    const { cluster: { clock }, owner, asker, keys } = linked;
    const [key] = keys(1) as [string];
    const get = asker.group.get(key);
    await clock.advance(3_000);
    for (let i = 0; i < 5; i++) {
      clock.block(20_000);
      await clock.advance(1_000);
    }
    assertEquals([linkOf(asker, owner), peerOf(linked).errors], ["open", 0]);
    end(key);
    assertEquals(await textOf(get), `<${key}>`);
    assertEquals([owner.loads, asker.loads], [[key], []]);
  }, options);
});

Deno.test("A load that takes longer than timeoutMs is silence on a link that is pinged", () => {
  const { end, options } = holdLoads({});
  return withLink(async (linked) => {
    const { cluster: { clock, network }, owner, asker, keys } = linked;
    const asked = keys(10);
    network.frames.length = 0;
    const gets = asked.map((key) => asker.group.get(key));
    await clock.advance(30_000);
    assertEquals(framesOf(linked, "ask", ASK.get), 10);
    const pings = framesOf(linked, "ask", ASK.ping);
    assert(pings >= 6 && pings <= 12, `${pings}`);
    assertEquals(framesOf(linked, "answer", ANSWER.pong), pings);
    assertEquals(network.frames.length, 10 + 2 * pings);
    for (const key of asked) end(key);
    assertEquals(await textsOf(gets), valuesOf(asked));
    assertEquals([owner.loads, asker.loads], [asked, []]);
  }, options);
});

Deno.test("A link that is silent fails all its keys after timeoutMs, once for the breaker, and other nodes are asked", () =>
  withCluster(3, async (cluster) => {
    const [owner, , asker] = cluster.inOrder("k") as [Node, Node, Node];
    const { network, clock } = cluster;
    await openLink(cluster, asker, owner);
    network.silence(owner.origin);
    const asked = keysOwnedBy(cluster, owner, 100);
    const gets = asked.map((key) => asker.group.get(key));
    await clock.advance(4_900);
    assertEquals(cluster.loads, []);
    await clock.advance(1_200);
    assertEquals(await textsOf(gets), valuesOf(asked));
    assertEquals(cluster.loads.toSorted(), asked.toSorted());
    const { errors, lastError, state } = asker.pool.stats().peers
      .find(({ id }) => id === owner.origin)!;
    assertEquals([errors, state], [1, "closed"]);
    assertEquals(lastError, "it was silent for 5000 ms");
  }));

Deno.test("A link that is silent for a while delivers what was asked and answered meanwhile", () => {
  const { end, options } = holdLoads({});
  return withLink(async (linked) => {
    const { cluster: { clock, network }, owner, asker, keys } = linked;
    const [early, late] = keys(2) as [string, string];
    const gets = [asker.group.get(early)];
    await settle();
    network.silence(owner.origin);
    gets.push(asker.group.get(late));
    end(early);
    await clock.advance(4_000);
    network.fault(owner.origin);
    await settle();
    end(late);
    assertEquals(await textsOf(gets), valuesOf([early, late]));
    assertEquals([peerOf(linked).errors, asker.loads], [0, []]);
  }, options);
});

Deno.test("10,000 keys of getMany() travel on links, each asked for and loaded once", () =>
  withCluster(3, async (cluster) => {
    const [asker, ...others] = cluster.nodes as [Node, Node, Node];
    const keys = numberedKeys(10_000);
    const many = asker.group.getMany(keys);
    await cluster.clock.advance(100);
    const values = await many;
    assertEquals(values.size, keys.length);
    for (const [key, value] of values) {
      assertEquals((value as ByteView).text(), `<${key}>`);
    }
    assertEquals(cluster.loads.length, keys.length);
    for (const other of others) {
      const asked = askedOf(cluster, asker, other);
      assertEquals([asked, linkOf(asker, other)], [other.loads.length, "open"]);
    }
    assertEquals(cluster.network.openings.length, 2);
  }));

Deno.test("A value that is too large for a link comes by a GET, and is loaded once", () =>
  withLink(async (linked) => {
    const { owner, asker, keys } = linked;
    const [large, small] = keys(2) as [string, string];
    const size = 256 * 1024 + 1;
    const [value, other] = await Promise.all(
      [large, small].map((key) => asker.group.get(key)),
    );
    assertEquals([value!.byteLength, other!.byteLength], [size, size - 1]);
    assertEquals([owner.loads, asker.loads], [[large, small], []]);
    assertEquals(framesOf(linked, "answer", ANSWER.alone), 1);
  }, {
    getter: () => {
      let bytes = 256 * 1024 + 1;
      return (key) => key.startsWith("opens") ? key : "x".repeat(bytes--);
    },
  }));

/** What happens at random while keys are asked for over links that break. */
type Event =
  | { what: "get"; node: number; keys: number[]; leaves: boolean }
  | { what: "remove"; node: number; key: number }
  | { what: "open" | "cut" | "leave" | "load" }
  | { what: "wait"; ms: number };

const index = fc.nat(2);
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      what: fc.constant("get" as const),
      node: index,
      keys: fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }),
      leaves: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant("remove" as const),
      node: index,
      key: fc.nat(5),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ what: "open" as const }) },
  { weight: 3, arbitrary: fc.constant({ what: "cut" as const }) },
  { weight: 1, arbitrary: fc.constant({ what: "leave" as const }) },
  { weight: 3, arbitrary: fc.constant({ what: "load" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant("wait" as const),
      ms: fc.constantFrom(0, 40, 300, 900, 3_000),
    }),
  },
);

/** Three processes over a database of versions whose links break. */
class Broken {
  readonly #cluster: Cluster;
  readonly #keys = numberedKeys(6);
  readonly #database: Database;
  readonly #gets: Promise<void>[] = [];
  #leavers: AbortController[] = [];

  constructor(cluster: Cluster, database: Database) {
    this.#cluster = cluster;
    this.#database = database;
  }

  async play(event: Event): Promise<void> {
    const { nodes, network, clock } = this.#cluster;
    switch (event.what) {
      case "get": {
        const leaver = new AbortController();
        if (event.leaves) this.#leavers.push(leaver);
        for (const i of event.keys) {
          const get = this.#get(nodes[event.node]!, this.#keys[i]!, leaver);
          this.#gets.push(get);
        }
        return await settle();
      }
      case "remove": {
        const key = this.#keys[event.key]!;
        this.#database.change(key);
        await nodes[event.node]!.group.remove(key);
        for (const { group } of nodes) assertEquals(group.peek(key), undefined);
        return;
      }
      case "open":
        // Links that were cut when they were young are not tried again at once.
        await clock.advance(2_000);
        for (const from of nodes) {
          for (const to of nodes) {
            if (from !== to) await openLink(this.#cluster, from, to);
          }
        }
        return;
      case "cut":
        await clock.advance(1_000);
        network.cutLinks();
        return await settle();
      case "leave":
        for (const leaver of this.#leavers) leaver.abort(new Error("enough"));
        this.#leavers = [];
        return await settle();
      case "load":
        this.#database.answer();
        return await settle();
      case "wait":
        return await clock.advance(event.ms);
    }
  }

  /** All loads end, and with them all gets. */
  async end(): Promise<void> {
    const { nodes, clock } = this.#cluster;
    for (let i = 0; i < 20; i++) {
      this.#database.answer();
      await clock.advance(300);
    }
    await Promise.all(this.#gets);
    for (const { group, loads } of nodes) {
      assertEquals(group.stats().peerErrors, 0);
      for (const key of loads) {
        assertEquals(this.#cluster.ownerOf(key).loads, loads);
      }
    }
  }

  /** A get that gives no value older than when it began, and fails only if its caller leaves. */
  async #get(
    { group }: Node,
    key: string,
    { signal }: AbortController,
  ): Promise<void> {
    const least = this.#database.versionOf(key);
    const onEnd = this.#database.expect(key, signal);
    let value: ByteView;
    try {
      value = await group.get(key, { signal }).finally(onEnd);
    } catch (error) {
      assert(signal.aborted, `${key} failed: ${error}`);
      return;
    }
    const [name, version] = value.text().split(" ");
    assertEquals(name, key);
    assert(Number(version) >= least, `${value.text()}, not ${least}`);
  }
}

/** It answers when the test says so. No key is loaded twice at a time, or given up while somebody waits. */
class Database {
  /** What went wrong. */
  readonly errors: string[] = [];
  readonly #versions = new Map<string, number>();
  /** The signals of callers that wait, by the key and its version when they came. */
  readonly #waiting = new Map<string, Set<AbortSignal>>();
  /** The signals of loads under way whose keys were not changed since they began. */
  readonly #current = new Map<string, AbortSignal>();
  #answers: (() => void)[] = [];

  readonly getter = (): Getter => (key, { signal }) => {
    const version = this.versionOf(key);
    if (this.#current.has(key)) this.errors.push(`${key} is loaded twice`);
    this.#current.set(key, signal);
    signal.addEventListener("abort", () => {
      if (this.#current.get(key) !== signal) return;
      this.#current.delete(key);
      const waiting = [...this.#waiting.get(`${key} ${version}`) ?? []];
      if (waiting.every(({ aborted }) => aborted)) return;
      this.errors.push(`the load of ${key} was given up`);
    });
    return new Promise((resolve) => {
      this.#answers.push(() => {
        if (this.#current.get(key) === signal) this.#current.delete(key);
        resolve(`${key} ${version}`);
      });
    });
  };

  versionOf(key: string): number {
    return this.#versions.get(key) ?? 0;
  }

  /** Somebody waits for a key. Call what it returns at the end. */
  expect(key: string, signal: AbortSignal): () => void {
    const name = `${key} ${this.versionOf(key)}`;
    const waiting = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, waiting.add(signal));
    return () => waiting.delete(signal);
  }

  change(key: string): void {
    this.#versions.set(key, this.versionOf(key) + 1);
    this.#current.delete(key);
  }

  answer(): void {
    for (const answer of this.#answers) answer();
    this.#answers = [];
  }
}

Deno.test("In whatever order links are cut, keys are asked for and removed, and callers leave: every get has the right value, and no key is loaded twice", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 5, maxLength: 40 }),
      async (events) => {
        const database = new Database();
        await withCluster(3, async (cluster) => {
          const broken = new Broken(cluster, database);
          for (const event of events) await broken.play(event);
          await broken.end();
          assertEquals(database.errors, []);
        }, { getter: database.getter });
      },
    ),
    { seed: 3, numRuns: 200 },
  );
});
