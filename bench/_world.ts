/**
 * Processes of one cluster on a virtual network, an origin that counts its loads,
 * and callers.
 *
 * @module
 */

import {
  dnsPeers,
  type Group,
  type GroupOptions,
  HTTPPool,
  type HTTPPoolOptions,
} from "../mod.ts";
import { type Chance, chances, originsOf, zipf } from "./_chance.ts";
import { SILENT } from "./_measure.ts";
import { type Failure, VirtualClock, VirtualNetwork } from "./_virtual.ts";

/** What a {@linkcode World} is made of. */
export interface WorldOptions {
  seed: number;
  /** How many processes there are at first. */
  nodes: number;
  /** How many may join; one, if nothing is said. */
  newcomers?: number;
  keys: number;
  pool?: HTTPPoolOptions;
  group?: Omit<GroupOptions, "peers">;
  /** Called with each pool before anything uses it. */
  onPool?: (pool: HTTPPool) => void;
}

/** One process of the cluster. */
export interface Node {
  readonly origin: string;
  readonly pool: HTTPPool;
  readonly group: Group;
  /** Whether it has ended. */
  gone: boolean;
}

/** One `getMany()` at one process. */
export interface Call {
  /** When, in milliseconds from now. */
  at: number;
  node: Node;
  keys: readonly string[];
}

/** A load takes 5 ms, and up to this many more. */
const LOAD_SPREAD_MS = 15;
/** A call that takes longer is counted as slow. */
const SLOW_MS = 1_000;

/** A cluster, its network, its origin and its callers. */
export class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly keys: readonly string[];
  readonly nodes: Node[];
  /** The workload's chance. */
  readonly chance: Chance;
  /** Draws a key; some keys are drawn much more often than others. */
  readonly draw: () => string;
  /** How often each key was loaded since {@linkcode World.loaded} was called. */
  loads: Map<string, number> = new Map();
  /** How long keys live that expire; all others live for ever. */
  readonly ttls: Map<string, number> = new Map();
  /** Calls that took longer than a second. */
  slow = 0;
  /** How many keys callers got no value for, or a wrong one. */
  failed = 0;
  readonly #options: WorldOptions;
  readonly #network: VirtualNetwork;
  readonly #loadChance: Chance;
  readonly #jitter: Chance;
  readonly #pollChance: Chance;
  readonly #origins: string[];

  constructor(options: WorldOptions) {
    const chanceOf = chances(options.seed);
    this.#options = options;
    this.chance = chanceOf();
    this.#loadChance = chanceOf();
    this.#jitter = chanceOf();
    this.#network = new VirtualNetwork(this.clock, chanceOf());
    this.keys = Array.from({ length: options.keys }, (_, i) => `user:${i}`);
    this.draw = zipf(this.keys, chanceOf());
    const originChance = chanceOf();
    this.#pollChance = chanceOf();
    // One more than there are at first: the newcomer.
    const { nodes, newcomers = 1 } = options;
    this.#origins = originsOf(nodes + newcomers, originChance);
    const origins = this.#origins.slice(0, nodes);
    this.nodes = origins.map((one) => this.#start(one));
    for (const { pool } of this.nodes) pool.setPeers(origins);
  }

  /** The origin of the next process that may join. */
  get newcomer(): string {
    return this.#origins[this.nodes.length]!;
  }

  /** How many requests were sent. */
  get requests(): number {
    return this.#network.requests;
  }

  /** Starts the newcomer and tells it the list at once; the others are told later. */
  start(origins: readonly string[]): void {
    const node = this.#start(this.newcomer);
    node.pool.setPeers(origins);
    this.nodes.push(node);
  }

  /** Starts the newcomer, which follows a name that has all processes, itself included. */
  startFollowing(): Node {
    const node = this.#start(this.newcomer);
    this.nodes.push(node);
    const lookup = () =>
      Promise.resolve(this.nodes.map(({ origin }) => ({
        address: new URL(origin).hostname,
      })));
    const { clock } = this;
    node.pool.follow(dnsPeers(
      { hostname: "cluster", port: 8080 },
      { lookup, clock, random: this.#pollChance },
    ));
    return node;
  }

  /** Ends a process without telling the others. */
  async end(node: Node, failure: Failure): Promise<void> {
    node.gone = true;
    this.#network.fail(node.origin, failure);
    await node.pool.close();
  }

  /** Tells every process the list, each at its own moment within `ms`. */
  tell(origins: readonly string[], ms: number): void {
    for (const node of this.nodes) {
      this.clock.after(this.chance() * ms, () => {
        // A closed pool takes no list.
        if (!node.gone) node.pool.setPeers(origins);
      });
    }
  }

  /** The keys that a process owns, as another process sees it. */
  keysOf({ origin, pool }: Node): string[] {
    const other = this.nodes.find((node) => node.pool !== pool && !node.gone)!;
    return this.keys.filter((key) =>
      (other.pool.pickPeer(key) as { id?: string } | undefined)?.id === origin
    );
  }

  /** Whether any process has the key in memory. */
  isHeld(key: string): boolean {
    return this.nodes.some(({ gone, group }) =>
      !gone && group.peek(key) !== undefined
    );
  }

  /** Makes the calls and lets `ms` pass. */
  async run(calls: Iterable<Call>, ms: number): Promise<void> {
    for (const { at, node, keys } of calls) {
      this.clock.after(at, () => this.#call(node, keys));
    }
    await this.clock.advance(ms);
  }

  /** How often each key was loaded since the last call of this method. */
  loaded(): Map<string, number> {
    const { loads } = this;
    this.loads = new Map();
    return loads;
  }

  async close(): Promise<void> {
    for (const node of this.nodes) {
      node.gone = true;
      await node.pool.close();
    }
  }

  #start(origin: string): Node {
    const { pool: options, group: groupOptions, onPool } = this.#options;
    const pool = new HTTPPool(origin, {
      fetch: this.#network.fetch,
      clock: this.clock,
      random: this.#jitter,
      logger: SILENT,
      ...options,
    });
    onPool?.(pool);
    const group = pool.group("users", async (key) => {
      this.loads.set(key, (this.loads.get(key) ?? 0) + 1);
      await this.clock.pause(5 + this.#loadChance() * LOAD_SPREAD_MS);
      const ttlMs = this.ttls.get(key);
      return ttlMs === undefined ? `<${key}>` : { value: `<${key}>`, ttlMs };
    }, groupOptions);
    this.#network.join(origin, pool.handler);
    return { origin, pool, group, gone: false };
  }

  async #call(node: Node, keys: readonly string[]): Promise<void> {
    if (node.gone) return;
    const begin = this.clock.now();
    const values = await node.group.getMany(keys);
    // Nobody waits any more for the calls of a process that has ended.
    if (node.gone) return;
    if (this.clock.now() - begin > SLOW_MS) this.slow++;
    for (const [key, value] of values) {
      const isRight = !(value instanceof Error) && value.text() === `<${key}>`;
      if (!isRight) this.failed++;
    }
  }
}
