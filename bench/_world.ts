/**
 * Processes of one cluster on a virtual network, an origin that counts what is
 * loaded of it, and callers.
 *
 * @module
 */

import {
  type Group,
  type GroupOptions,
  HTTPPool,
  type HTTPPoolOptions,
} from "../mod.ts";
import { type Chance, chances, originsOf, zipf } from "./_chance.ts";
import { type Failure, VirtualClock, VirtualNetwork } from "./_virtual.ts";

/** What a {@linkcode World} is made of. */
export interface WorldOptions {
  seed: number;
  /** How many processes there are at first. */
  nodes: number;
  keys: number;
  pool?: HTTPPoolOptions;
  group?: Omit<GroupOptions, "peers">;
  /** Is given each pool before anybody uses it. */
  onPool?: (pool: HTTPPool) => void;
}

/** A process. */
export interface Node {
  readonly origin: string;
  readonly pool: HTTPPool;
  readonly group: Group;
  /** Whether it calls nobody any more. */
  gone: boolean;
}

/** Somebody asks at a process for some keys. */
export interface Call {
  /** When, in milliseconds from now. */
  at: number;
  node: Node;
  keys: readonly string[];
}

/** A load takes 5 ms, and up to so many more. */
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
  /** Draws keys; some are asked for much more often than others. */
  readonly draw: () => string;
  /** What the origin was asked for since {@linkcode World.loaded} was called. */
  loads: Map<string, number> = new Map();
  /** Keys that expire, and when; all others live for ever. */
  readonly ttls: Map<string, number> = new Map();
  /** Calls that took longer than a second. */
  slow = 0;
  /** Keys that callers got no value for, or a wrong one. */
  failed = 0;
  readonly #options: WorldOptions;
  readonly #network: VirtualNetwork;
  readonly #loadChance: Chance;
  readonly #jitter: Chance;
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
    // One more than there are at first: it may join.
    this.#origins = originsOf(options.nodes + 1, chanceOf());
    this.nodes = this.#origins.slice(0, -1).map((one) => this.#start(one));
    const origins = this.nodes.map(({ origin }) => origin);
    for (const { pool } of this.nodes) pool.setPeers(origins);
  }

  /** The origin of a process that has not been started. */
  get newcomer(): string {
    return this.#origins.at(-1)!;
  }

  /** How many requests were sent. */
  get requests(): number {
    return this.#network.requests;
  }

  /** Starts the newcomer, which is told at once who is there; the others are told later. */
  start(origins: readonly string[]): void {
    const node = this.#start(this.newcomer);
    node.pool.setPeers(origins);
    this.nodes.push(node);
  }

  /** The process goes, and nobody is told. */
  async end(node: Node, failure: Failure): Promise<void> {
    node.gone = true;
    this.#network.fail(node.origin, failure);
    await node.pool.close();
  }

  /** Tells every process who is there, each at a moment of its own within `ms`. */
  tell(origins: readonly string[], ms: number): void {
    for (const node of this.nodes) {
      this.clock.after(this.chance() * ms, () => {
        // One that is closed takes no list.
        if (!node.gone) node.pool.setPeers(origins);
      });
    }
  }

  /** The keys that a process owns, as another one sees it. */
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

  /** Makes calls, and lets `ms` pass. */
  async run(calls: Iterable<Call>, ms: number): Promise<void> {
    for (const { at, node, keys } of calls) {
      this.clock.after(at, () => this.#call(node, keys));
    }
    await this.clock.advance(ms);
  }

  /** What the origin was asked for since the last time, and how often. */
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
    // What a process that has gone had asked for is nobody's any more.
    if (node.gone) return;
    if (this.clock.now() - begin > SLOW_MS) this.slow++;
    for (const [key, value] of values) {
      const isRight = !(value instanceof Error) && value.text() === `<${key}>`;
      if (!isRight) this.failed++;
    }
  }
}
