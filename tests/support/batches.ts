/** Helpers for tests of questions: a cluster of two whose requests and questions are recorded. */

import type { ByteView, Peer } from "../../mod.ts";
import {
  type Cluster,
  type ClusterOptions,
  keysOwnedBy,
  type Node,
  textOf,
  withCluster,
} from "./cluster.ts";
import type { LinksMeanwhile } from "./network.ts";
import { type FakeClock, settle } from "./time.ts";

/** A request as its receiver saw it, or questions that left together on a link. */
export interface Seen {
  readonly at: number;
  /** `"LINK"`: they came over a link. */
  readonly method: string;
  /** The keys of the questions, or the one key of a request. */
  readonly keys: string[];
  /** Those of the request, or of the one that opened the link. */
  readonly headers: Headers;
  readonly body: Uint8Array;
  /** A link ends only as a whole; without one. */
  readonly signal?: AbortSignal;
}

/** What answers a request in a node's place, or lets it pass. */
export type Answer = (
  seen: Seen,
  next: () => Promise<Response>,
) => Promise<Response> | Response;

export interface Pair {
  readonly cluster: Cluster;
  readonly clock: FakeClock;
  readonly owner: Node;
  readonly asker: Node;
  /** The peer through which the asker asks the owner. */
  readonly peer: Peer;
  /** All requests and questions that reached the owner since it showed that it takes links. */
  readonly seen: Seen[];
  /** Keys that the owner owns. */
  keys(count: number, prefix?: string): string[];
  /**
   * Puts an answer before the owner; without one, takes it away. By default the owner
   * has no links as long as there is one.
   */
  answer(answer?: Answer, links?: LinksMeanwhile): void;
}

/** How the keys begin that `slowGetter` never answers. */
export const SLOW = "slow";

/** A getter that never answers keys that begin with `SLOW`. */
export const slowGetter: ClusterOptions = {
  getter: () => (key) =>
    key.startsWith(SLOW) ? new Promise<string>(() => {}) : `<${key}>`,
};

/** Records in `seen` what reaches a node, and puts `answer` before it. */
export function watch(
  cluster: Cluster,
  node: Node,
  seen: Seen[],
  answer?: Answer,
  links: LinksMeanwhile = answer === undefined ? "pass" : "refuse",
): void {
  const { network, clock } = cluster;
  network.listen(node.origin, ({ keys, headers, bytes: body }) => {
    seen.push({ at: clock.now(), method: "LINK", keys, headers, body });
  });
  network.fault(node.origin, async (request, next) => {
    const { method, url, headers, signal } = request;
    const isLink = headers.has("Geecache-Link");
    const body = isLink
      ? new Uint8Array()
      : new Uint8Array(await request.clone().arrayBuffer());
    const key = decodeURIComponent(new URL(url).pathname.split("/").pop()!);
    const keys = [key];
    const one = { at: clock.now(), method, keys, headers, body, signal };
    seen.push(one);
    return await (answer?.(one, next) ?? next());
  }, links);
}

/** Runs a cluster of two: an owner that has shown that it takes links, and an idle asker. */
export function withPair(
  run: (pair: Pair) => Promise<void>,
  options?: ClusterOptions,
): Promise<void> {
  return withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const [shown] = keysOwnedBy(cluster, owner, 1, "shown") as [string];
    await asker.group.get(shown);
    owner.loads.length = 0;
    const seen: Seen[] = [];
    const answer = (answer?: Answer, links?: LinksMeanwhile) =>
      watch(cluster, owner, seen, answer, links);
    answer();
    await run({
      cluster,
      clock: cluster.clock,
      owner,
      asker,
      peer: asker.pool.pickPeer(shown)!,
      seen,
      keys: (count, prefix) => keysOwnedBy(cluster, owner, count, prefix),
      answer,
    });
  }, options);
}

/** What a promise has come to so far. */
export function fateOf<T>(promise: Promise<T>): { value?: T; error?: unknown } {
  const fate: { value?: T; error?: unknown } = {};
  promise.then((value) => fate.value = value, (error) => fate.error = error);
  return fate;
}

/** Gets a key; if that fails and the test does not look, nothing is unhandled. */
export function ask(
  { group }: Node,
  key: string,
  signal?: AbortSignal,
): Promise<ByteView> {
  const get = group.get(key, signal && { signal });
  get.catch(() => {});
  return get;
}

export function textsOf(gets: Promise<ByteView>[]): Promise<string[]> {
  return Promise.all(gets.map(textOf));
}

/** What the getter answers for `keys`, unless the test says otherwise. */
export function valuesOf(keys: readonly string[]): string[] {
  return keys.map((key) => `<${key}>`);
}

export function methodsOf(seen: Seen[]): string[] {
  return seen.map(({ method }) => method);
}

/**
 * Asks for keys one after the other, of a peer that does not answer yet, until
 * one has to wait for its turn.
 */
export async function fillSlots(
  { asker, seen, keys }: Pair,
): Promise<{ asked: string[]; gets: Promise<ByteView>[] }> {
  const asked: string[] = [];
  const gets: Promise<ByteView>[] = [];
  for (const key of keys(40, "fill")) {
    const { length } = seen;
    gets.push(ask(asker, key));
    asked.push(key);
    await settle();
    if (seen.length === length) return { asked, gets };
  }
  throw new Error("40 requests are under way, and still no key waits");
}
