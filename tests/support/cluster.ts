/** Several pools on one network in memory, and what tests ask of them. */

import {
  type BatchGetter,
  type ByteView,
  type Getter,
  type Group,
  type GroupOptions,
  HTTPPool,
  type HTTPPoolOptions,
  type Peer,
  type PeerStats,
} from "../../mod.ts";
import { assert, assertEquals } from "./assert.ts";
import { SILENT } from "./logger.ts";
import { FakeNetwork } from "./network.ts";
import { type FakeClock, gate, settle } from "./time.ts";

export interface Node {
  readonly origin: string;
  readonly pool: HTTPPool;
  readonly group: Group;
  /** The keys that this node loaded, in order. */
  readonly loads: string[];
}

export interface ClusterOptions {
  pool?: HTTPPoolOptions;
  group?: Omit<GroupOptions, "peers">;
  /** What a node's getter answers; default: the key in angle brackets. */
  getter?: (node: string) => Getter | BatchGetter;
}

/** Pools that know each other, each with a group "g". */
export class Cluster {
  readonly network: FakeNetwork = new FakeNetwork();
  readonly nodes: Node[] = [];
  readonly #options: ClusterOptions;
  /** It is not itself one of the nodes. Made when first needed. */
  #client: HTTPPool | undefined;

  constructor(size: number, options: ClusterOptions = {}) {
    this.#options = options;
    const origins = Array.from({ length: size }, (_, i) => `http://n${i}`);
    for (const origin of origins) this.start(origin);
    for (const { pool } of this.nodes) pool.setPeers(origins);
  }

  /** Starts one more node, which the others have not been told of. */
  start(origin: string): Node {
    const { network } = this;
    const options = this.#options;
    const loads: string[] = [];
    const load = options.getter?.(origin) ?? ((key) => `<${key}>`);
    const pool = new HTTPPool(origin, {
      fetch: network.fetchFrom(origin),
      clock: network.clock,
      random: () => 0,
      // No node owned anything before, so there is nothing to hand over.
      handoverMs: 0,
      logger: SILENT,
      ...options.pool,
    });
    const getter: Getter | BatchGetter = typeof load === "function"
      ? (key, context) => {
        loads.push(key);
        return load(key, context);
      }
      : {
        ...load,
        loadMany: (keys, context) => {
          loads.push(...keys);
          return load.loadMany(keys, context);
        },
      };
    const group = pool.group("g", getter, options.group);
    network.join(origin, pool.handler);
    const node = { origin, pool, group, loads };
    this.nodes.push(node);
    this.#client = undefined;
    return node;
  }

  get clock(): FakeClock {
    return this.network.clock;
  }

  /** The loads of all nodes. */
  get loads(): string[] {
    return this.nodes.flatMap((node) => node.loads);
  }

  /** The node that owns `key`, according to the nodes' own rings. */
  ownerOf(key: string): Node {
    const owner = this.nodes.find(({ pool }) =>
      pool.pickPeer(key) === undefined
    );
    if (owner === undefined) throw new Error(`no node owns ${key}`);
    return owner;
  }

  /** The owner of `key`, and all others in ring order. */
  inOrder(key: string): Node[] {
    const owner = this.ownerOf(key);
    const failed = new Set<ReturnType<HTTPPool["pickPeer"]> & object>();
    const order = [owner];
    const client = this.#client ??= this.#newClient();
    for (;;) {
      const peer = client.pickPeer(key, failed);
      if (peer === undefined) return order;
      failed.add(peer);
      const node = this.nodes.find(({ origin }) => origin === peer.id)!;
      if (node !== owner) order.push(node);
    }
  }

  #newClient(): HTTPPool {
    const client = new HTTPPool("http://client.invalid");
    client.setPeers(this.nodes.map((node) => node.origin));
    return client;
  }

  async close(): Promise<void> {
    for (const { pool } of this.nodes) await pool.close();
  }
}

/** Runs a cluster, closes it, and checks that it left no timer. */
export async function withCluster(
  size: number,
  run: (cluster: Cluster) => Promise<void>,
  options?: ClusterOptions,
): Promise<void> {
  const cluster = new Cluster(size, options);
  try {
    await run(cluster);
  } finally {
    await cluster.close();
  }
  await settle();
  const { pending } = cluster.clock;
  if (pending !== 0) throw new Error(`${pending} timers are left`);
}

/** Options with which every process keeps a copy of each value that it asked for. */
export const MIRROR_ALL: ClusterOptions = {
  group: { shouldMirror: () => true },
};

/** A getter that ends when the test says so, and the keys that it began to load. */
export interface HeldLoads {
  readonly begun: string[];
  /** Ends the latest load of `key` with the key in angle brackets. */
  end(key: string): void;
  readonly options: ClusterOptions & { getter: () => Getter };
}

/** Options for a cluster whose loads end when the test says so. */
export function holdLoads(options: Omit<ClusterOptions, "getter">): HeldLoads {
  const begun: string[] = [];
  const gates = new Map<string, ReturnType<typeof gate<string>>>();
  const end = (key: string) => gates.get(key)!.open(`<${key}>`);
  const getter = () => (key: string) => {
    begun.push(key);
    const one = gate<string>();
    gates.set(key, one);
    return one.opened;
  };
  return { begun, end, options: { ...options, getter } };
}

/** The keys "key-0", "key-1" and so on. */
export function numberedKeys(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `key-${i}`);
}

/** Keys that `owner` owns: those of `prefix`-0, `prefix`-1 and so on. */
export function keysOwnedBy(
  cluster: Cluster,
  owner: Node,
  count: number,
  prefix = "key",
): string[] {
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) {
    const key = `${prefix}-${i}`;
    if (cluster.ownerOf(key) === owner) keys.push(key);
  }
  return keys;
}

/** In a cluster of two: the owner of "k", the other node, and the peer through which it asks. */
export function ownerAndAsker(
  cluster: Cluster,
): { owner: Node; asker: Node; peer: Peer } {
  const [owner, asker] = cluster.inOrder("k") as [Node, Node];
  return { owner, asker, peer: asker.pool.pickPeer("k")! };
}

export function originsOf({ nodes }: Cluster): string[] {
  return nodes.map(({ origin }) => origin);
}

export async function textOf(get: Promise<ByteView>): Promise<string> {
  return (await get).text();
}

/** What `node` says of its peer `other`. */
function statsOf({ pool }: Node, { origin }: Node) {
  return pool.stats().peers.find(({ id }) => id === origin)!;
}

/** The state of the breaker that `node` has for `other`. */
export function stateOf(node: Node, other: Node): string {
  return statsOf(node, other).state;
}

/** How `node` asks `other` for keys. */
export function linkOf(node: Node, other: Node): PeerStats["link"] {
  return statsOf(node, other).link;
}

/** Has `from` ask `to` for keys that it has, until there is a link. */
export async function openLink(
  cluster: Cluster,
  from: Node,
  to: Node,
): Promise<void> {
  for (const key of keysOwnedBy(cluster, to, 3, "opens")) {
    await to.group.set(key, key);
    await from.pool.pickPeer(key)!.get("g", key);
    await settle();
  }
  assertEquals(linkOf(from, to), "open");
}

/** How many missed removes `node` still has to tell `other`. */
export function owedTo(node: Node, other: Node): number {
  return statsOf(node, other).owed;
}

/** How many questions `from` sent to `to`, without probes and peeks. */
export function askedOf(
  { network }: Cluster,
  from: Node,
  to: Node,
): number {
  return network.sent.filter((one) =>
    one.from === from.origin && one.to === to.origin &&
    one.path !== "/_geecache/" && !one.peeks
  ).length;
}

/** The writes that were sent to a node, in order, without probes. */
export function writesTo({ network }: Cluster, { origin }: Node): string[] {
  return network.sent
    .filter(({ to, method, path }) =>
      to === origin && method !== "GET" && path !== "/_geecache/"
    )
    .map(({ method, path }) => `${method} ${path.replace("/_geecache", "")}`);
}

/** Gives every node a copy of `key`: the owner in main, the others in hot. */
export async function copyEverywhere(
  cluster: Cluster,
  key = "k",
): Promise<void> {
  for (const { group } of cluster.nodes) await group.get(key);
  for (const { group } of cluster.nodes) assert(group.peek(key) !== undefined);
}

/** Makes a node answer that it is busy; gives the moments at which it was asked. */
export function makeBusy(
  { network, clock }: Cluster,
  origin: string,
  retryAfter?: string,
): number[] {
  const asked: number[] = [];
  const headers: Record<string, string> = { "Geecache-Result": "busy" };
  if (retryAfter !== undefined) headers["Retry-After"] = retryAfter;
  network.fault(origin, () => {
    asked.push(clock.now());
    return new Response("", { status: 429, headers });
  });
  return asked;
}
