/** A network of handlers, for pools to reach each other through, that a test can break. */

import {
  type Getter,
  type Group,
  type GroupOptions,
  HTTPPool,
  type HTTPPoolOptions,
  type Logger,
} from "../../mod.ts";
import { FakeClock, settle } from "./gate.ts";

type Handler = (request: Request) => Promise<Response> | Response;

/** What a test puts in front of a node: it may pass a request on, or not. */
export type Fault = (
  request: Request,
  next: () => Promise<Response>,
) => Promise<Response> | Response;

export interface Sent {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  readonly path: string;
  /** Whether only what is in memory was asked for. */
  readonly peeks: boolean;
}

export class FakeNetwork {
  readonly clock: FakeClock = new FakeClock();
  /** Every request that was sent, in order. */
  readonly sent: Sent[] = [];
  readonly #handlers = new Map<string, Handler>();
  readonly #faults = new Map<string, Fault>();
  #cut: (from: string, to: string) => boolean = () => false;

  /** Puts a node on the network, or replaces it. */
  join(origin: string, handler: Handler): void {
    this.#handlers.set(origin, handler);
  }

  /** How the node at `from` reaches others. */
  fetchFrom(from: string): (request: Request) => Promise<Response> {
    return async (request) => {
      const { origin: to, pathname, search } = new URL(request.url);
      const { method, signal, headers } = request;
      const peeks = headers.has("Geecache-Peek");
      this.sent.push({ from, to, method, path: pathname + search, peeks });
      const handler = this.#handlers.get(to);
      if (handler === undefined || this.#cut(from, to)) {
        throw new TypeError("connection refused");
      }
      const next = async (): Promise<Response> => await handler(request);
      const fault = this.#faults.get(to);
      const answer = (async () => await (fault?.(request, next) ?? next()))();
      answer.catch(() => {});
      const aborted = new Promise<never>((_, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener("abort", () => reject(signal.reason), {
          once: true,
        });
      });
      return await Promise.race([answer, aborted]);
    };
  }

  /** Requests that match. */
  count(which: Partial<Sent>): number {
    const fields = Object.entries(which) as [keyof Sent, unknown][];
    return this.sent.filter((one) =>
      fields.every(([field, value]) => one[field] === value)
    ).length;
  }

  /** Puts a fault before a node; without one, takes it away. */
  fault(origin: string, fault?: Fault): void {
    if (fault === undefined) this.#faults.delete(origin);
    else this.#faults.set(origin, fault);
  }

  /** The node refuses connections. */
  kill(origin: string): void {
    this.#handlers.delete(origin);
  }

  /** The node takes requests and never answers. */
  silence(origin: string): void {
    this.fault(origin, () => new Promise(() => {}));
  }

  /** Every answer of the node takes `ms` longer. */
  delay(origin: string, ms: number): void {
    this.fault(origin, async (_request, next) => {
      const response = await next();
      await new Promise<void>((resolve) => this.clock.after(ms, resolve));
      return response;
    });
  }

  /** The node's bodies break off after so many bytes. */
  cut(origin: string, bytes: number): void {
    this.fault(origin, async (_request, next) => {
      const response = await next();
      const whole = new Uint8Array(await response.arrayBuffer());
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(whole.slice(0, bytes));
          controller.error(new TypeError("connection reset"));
        },
      });
      return new Response(body, response);
    });
  }

  /** No request crosses from one side to the other; without sides, all do. */
  partition(...sides: string[][]): void {
    const sideOf = (o: string) => sides.findIndex((side) => side.includes(o));
    this.#cut = (from, to) => sideOf(from) !== sideOf(to);
  }
}

/** A logger that notes all but details. */
export function noteIn(lines: string[]): Logger {
  const note = (line: string): void => void lines.push(line);
  return { debug: () => {}, info: note, warn: note, error: note };
}

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
  getter?: (node: string) => Getter;
}

/** Pools that know each other, each with a group "g". */
export class Cluster {
  readonly network: FakeNetwork = new FakeNetwork();
  readonly nodes: Node[] = [];
  readonly #options: ClusterOptions;

  constructor(size: number, options: ClusterOptions = {}) {
    this.#options = options;
    const origins = Array.from({ length: size }, (_, i) => `http://n${i}`);
    for (const origin of origins) this.start(origin);
    for (const { pool } of this.nodes) pool.setPeers(origins);
  }

  /** One more node, which nobody has been told of. */
  start(origin: string): Node {
    const { network } = this;
    const options = this.#options;
    const loads: string[] = [];
    const load = options.getter?.(origin) ?? ((key) => `<${key}>`);
    const pool = new HTTPPool(origin, {
      fetch: network.fetchFrom(origin),
      clock: network.clock,
      random: () => 0,
      // Nobody owned anything before: there is nothing to hand over.
      handoverMs: 0,
      ...options.pool,
    });
    const group = pool.group("g", (key, context) => {
      loads.push(key);
      return load(key, context);
    }, options.group);
    network.join(origin, pool.handler);
    const node = { origin, pool, group, loads };
    this.nodes.push(node);
    return node;
  }

  get clock(): FakeClock {
    return this.network.clock;
  }

  /** The loads of all nodes. */
  get loads(): string[] {
    return this.nodes.flatMap((node) => node.loads);
  }

  /** The node that owns `key`, by the rings of the nodes themselves. */
  ownerOf(key: string): Node {
    const owner = this.nodes.find(({ pool }) =>
      pool.pickPeer(key) === undefined
    );
    if (owner === undefined) throw new Error(`nobody owns ${key}`);
    return owner;
  }

  /** The owner of `key`, and all others in ring order. */
  inOrder(key: string): Node[] {
    const owner = this.ownerOf(key);
    const failed = new Set<ReturnType<HTTPPool["pickPeer"]> & object>();
    const order = [owner];
    // Asked by a node that is not among those looked for: a client of the pool.
    const client = new HTTPPool("http://client");
    client.setPeers(this.nodes.map((node) => node.origin));
    for (;;) {
      const peer = client.pickPeer(key, failed);
      if (peer === undefined) return order;
      failed.add(peer);
      const node = this.nodes.find(({ origin }) => origin === peer.id)!;
      if (node !== owner) order.push(node);
    }
  }

  async close(): Promise<void> {
    for (const { pool } of this.nodes) await pool.close();
  }
}

/** Runs a cluster; afterwards it is closed and has left no timer behind. */
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
