/**
 * Whatever happens to the lists and the network of a cluster: no process serves a
 * value that a write removed, and the cluster comes to rest.
 */

import fc from "fast-check";
import { assert, assertEquals } from "../support/assert.ts";
import { settle } from "../support/time.ts";
import { detached, type LinksMeanwhile } from "../support/network.ts";
import { type Cluster, type Node, withCluster } from "../support/cluster.ts";

const SIZE = 4;
const KEYS = ["a", "b", "c", "d"];
const HANDOVER_MS = 30_000;
const MIRROR_TTL_MS = 60_000;

/**
 * What happens to requests; `lost`: they arrive, and their answers do not; `late`: writes
 * arrive when their senders have given them up; `twice`: writes arrive again later.
 */
type Way = "open" | "refused" | "silent" | "lost" | "late" | "twice";

type Event =
  | { what: "get"; node: number; key: number }
  | { what: "all get all" }
  | { what: "all open links" }
  | {
    what: "remove" | "set" | "clear";
    node: number;
    key: number;
    /** Whether nothing else happens meanwhile. */
    alone: boolean;
  }
  | { what: "late set"; node: number; key: number }
  | { what: "way"; from: number; to: number; way: Way }
  | { what: "all ways are open" }
  | { what: "cut"; node: number }
  | { what: "slow"; node: number; ms: number }
  | {
    what: "list";
    /** A bit for each node. */
    members: number;
    order: number[];
    /** How long it takes from one node to the next. */
    skewMs: number;
    /** Whether nodes that are not in the list know. */
    tellsOthers: boolean;
  }
  | { what: "wait"; ms: number };

const index = fc.nat(SIZE - 1);
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ what: fc.constant("get"), node: index, key: index }),
  },
  { weight: 4, arbitrary: fc.constant({ what: "all get all" }) },
  { weight: 4, arbitrary: fc.constant({ what: "all open links" }) },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constantFrom("remove", "remove", "set", "clear"),
      node: index,
      key: index,
      alone: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant("late set"),
      node: index,
      key: index,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant("way"),
      from: index,
      to: index,
      way: fc.constantFrom<Way>(
        ...["open", "refused", "silent", "lost", "late", "twice"] as Way[],
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ what: "all ways are open" }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant("cut"), node: index }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant("slow"),
      node: index,
      ms: fc.constantFrom(0, 30, 400, 2_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant("list"),
      members: fc.integer({ min: 1, max: 2 ** SIZE - 1 }),
      order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: SIZE }),
      skewMs: fc.constantFrom(0, 100, 3_000),
      tellsOthers: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant("wait"),
      ms: fc.constantFrom(0, 60, 600, 3_000, 20_000, 70_000),
    }),
  },
) as fc.Arbitrary<Event>;

/** After how long a write that is held up arrives. */
const LATE_MS = [6_000, 100, 25_000, 1_000, 70_000];

function isWrite({ method, headers }: Request): boolean {
  const meant = headers.get("Geecache-Method") ?? method;
  return meant === "PUT" || meant === "DELETE";
}

/** A cluster over a database of versions, and the versions that may not be served any more. */
class Model {
  readonly #cluster: Cluster;
  readonly #versions: Map<string, number>;
  readonly #origins: string[];
  readonly #ways = new Map<string, Way>();
  readonly #delays = new Map<string, number>();
  readonly #underWay: Promise<unknown>[] = [];
  #members: string[];
  #writesUnderWay = 0;
  #late = 0;
  /** The list changed during a write: a copy may come from a node that had not been told. */
  #mayHaveCopies = false;

  constructor(cluster: Cluster, versions: Map<string, number>) {
    this.#cluster = cluster;
    this.#versions = versions;
    this.#origins = cluster.nodes.map(({ origin }) => origin);
    this.#members = this.#origins;
    const { network, clock } = cluster;
    for (const to of this.#origins) {
      network.fault(to, async (request, next) => {
        const from = request.headers.get("Geecache-Peer")!;
        const way = this.#ways.get(`${from} ${to}`);
        if (way === "refused") throw new TypeError("refused");
        if (way === "silent") return await new Promise(() => {});
        const ms = this.#delays.get(to) ?? 0;
        if (ms > 0) await new Promise<void>((go) => clock.after(ms, go));
        if ((way === "late" || way === "twice") && isWrite(request)) {
          const copy = await detached(request);
          const again = copy.clone();
          const ms = LATE_MS[this.#late++ % LATE_MS.length]!;
          clock.after(ms, () => void next(again));
          if (way === "late") return await new Promise(() => {});
          return await next(copy);
        }
        const response = await next();
        if (way === "lost") throw new TypeError("lost");
        return response;
      });
    }
    this.#turnLinks();
  }

  /** Links go the ways that requests go. */
  #turnLinks(): void {
    for (const to of this.#origins) {
      this.#cluster.network.links(to, (from): LinksMeanwhile => {
        const way = this.#ways.get(`${from} ${to}`);
        if (way === "silent") return "silent";
        return way === "refused" || way === "lost" ? "refuse" : "pass";
      });
    }
  }

  async play(event: Event): Promise<void> {
    const { nodes, clock, network } = this.#cluster;
    switch (event.what) {
      case "get": {
        const { group } = nodes[event.node]!;
        this.#underWay.push(group.get(KEYS[event.key]!).catch(() => {}));
        return await settle();
      }
      case "all get all":
        for (const { group } of nodes) {
          this.#underWay.push(group.getMany(KEYS));
        }
        return await settle();
      case "all open links":
        // Whoever asks soon after another question asks over a link.
        for (let i = 0; i < 2; i++) {
          for (const { pool } of nodes) {
            for (const key of KEYS) {
              pool.pickPeer(key)?.get("g", key).catch(() => {});
            }
          }
          await settle();
        }
        return;
      case "remove":
      case "set":
      case "clear":
        return await this.#write(event.what, event);
      case "late set": {
        // It rejects now, and arrives some time later.
        const before = new Map(this.#ways);
        for (const to of this.#origins) {
          this.#ways.set(`${this.#origins[event.node]} ${to}`, "late");
        }
        this.#turnLinks();
        await this.#write("set", { ...event, alone: false });
        await clock.advance(5_500);
        this.#ways.clear();
        for (const [way, how] of before) this.#ways.set(way, how);
        return this.#turnLinks();
      }
      case "way": {
        const [from, to] = [event.from, event.to].map((i) => this.#origins[i]);
        this.#ways.set(`${from} ${to}`, event.way);
        return this.#turnLinks();
      }
      case "all ways are open":
        this.#ways.clear();
        return this.#turnLinks();
      case "cut":
        return network.cutLinks(this.#origins[event.node]!);
      case "slow":
        this.#delays.set(this.#origins[event.node]!, event.ms);
        network.slowLinks(this.#origins[event.node]!, event.ms);
        return;
      case "list":
        if (this.#writesUnderWay > 0) this.#mayHaveCopies = true;
        this.#members = this.#origins.filter((_, i) =>
          event.members & (1 << i)
        );
        for (const node of event.order.map((i) => nodes[i]!)) {
          if (!event.tellsOthers && !this.#isMember(node)) continue;
          node.pool.setPeers(this.#members);
          if (event.skewMs > 0) await clock.advance(event.skewMs);
        }
        return;
      case "wait":
        return await clock.advance(event.ms);
    }
  }

  /** All is well again: every node is told of what it missed, and then nothing is sent any more. */
  async end(): Promise<void> {
    const { nodes, clock, network } = this.#cluster;
    this.#ways.clear();
    this.#turnLinks();
    this.#delays.clear();
    for (const origin of this.#origins) network.slowLinks(origin, 0);
    for (const { pool } of nodes) pool.setPeers(this.#origins);
    await clock.advance(25_000);
    // Copies would still be alive: they must have been dropped.
    if (this.#owed() === 0 && !this.#mayHaveCopies) {
      await this.#expectNothingOld(KEYS, nodes);
    }
    await clock.advance(2 * MIRROR_TTL_MS);
    assertEquals(this.#owed(), 0);
    await this.#expectNothingOld(KEYS, nodes);
    await Promise.all(this.#underWay);
    await clock.advance(HANDOVER_MS);
    network.sent.length = 0;
    await clock.advance(600_000);
    assertEquals([network.sent, this.#origins.map((o) => network.linksTo(o))], [
      [],
      [0, 0, 0, 0],
    ]);
  }

  async #write(
    what: "remove" | "set" | "clear",
    { node, key, alone }: { node: number; key: number; alone: boolean },
  ): Promise<void> {
    const { nodes, clock } = this.#cluster;
    const writer = nodes[node]!;
    const keys = what === "clear" ? KEYS : [KEYS[key]!];
    for (const key of keys) {
      this.#versions.set(key, this.#versions.get(key)! + 1);
    }
    const { group } = writer;
    const name = keys[0]!;
    const isDone =
      (what === "clear"
        ? group.clear()
        : what === "remove"
        ? group.remove(name)
        : group.set(name, `${this.#versions.get(name)}`))
        .then(() => true, () => false);
    this.#underWay.push(isDone);
    this.#writesUnderWay++;
    isDone.then(() => this.#writesUnderWay--);
    // When two values are set at once, either may stay.
    if (!alone && what !== "set") return;
    const reached = await this.#inTime(isDone);
    if (what === "set") await clock.advance(2_000);
    if (!reached || !this.#isMember(writer)) return;
    await this.#expectNothingOld(
      keys,
      nodes.filter((node) => this.#isMember(node)),
    );
  }

  async #expectNothingOld(
    keys: readonly string[],
    nodes: readonly Node[],
  ): Promise<void> {
    await this.#inTime(Promise.all(nodes.map(async ({ origin, group }) => {
      for (const key of keys) {
        const least = this.#versions.get(key)!;
        const version = Number((await group.get(key)).text());
        assert(
          version >= least,
          `${origin} has version ${version} of ${key}, not ${least}`,
        );
      }
    })));
  }

  /** Lets time pass until the result is there. */
  async #inTime<T>(result: Promise<T>): Promise<T> {
    let isThere = false;
    const end = (): void => void (isThere = true);
    result.then(end, end);
    await settle();
    while (!isThere) await this.#cluster.clock.advance(500);
    return await result;
  }

  #isMember({ origin }: Node): boolean {
    return this.#members.includes(origin);
  }

  #owed(): number {
    return this.#cluster.nodes
      .flatMap(({ pool }) => pool.stats().peers)
      .reduce((sum, { owed }) => sum + owed, 0);
  }
}

Deno.test("No process serves a value that a write removed, whatever happens to lists and network, and all come to rest", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 5, maxLength: 30 }),
      async (events) => {
        const versions = new Map(KEYS.map((key) => [key, 0]));
        await withCluster(SIZE, async (cluster) => {
          const model = new Model(cluster, versions);
          for (const event of events) await model.play(event);
          await model.end();
        }, {
          pool: { handoverMs: HANDOVER_MS },
          group: { mirrorTtlMs: MIRROR_TTL_MS, shouldMirror: () => true },
          getter: () => (key) => `${versions.get(key)}`,
        });
      },
    ),
    { seed: 8, numRuns: 200 },
  );
});
