/**
 * A read-through cache that lives inside your processes.
 *
 * Give a group a name and a getter. Every process that runs the same groups joins
 * one pool over HTTP, and together they are one cache.
 *
 * @example One process
 * ```ts
 * import { HTTPPool } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const db = new Map([["Tom", "630"], ["Jack", "589"], ["Sam", "567"]]);
 * const pool = new HTTPPool("http://localhost:9999");
 * const scores = pool.group("scores", (name) => db.get(name), { maxBytes: 2 << 10 });
 *
 * assertEquals((await scores.get("Tom")).text(), "630");
 * await pool.close();
 * ```
 *
 * @module
 */

export { type BytesLike, ByteView } from "./base/byte_view.ts";
export type { CacheStats } from "./cache.ts";
export type { BreakerState } from "./peer/breaker.ts";
export type { LinkState } from "./peer/questions.ts";
export type { Clock } from "./base/clock.ts";
export {
  ConsistentHash,
  type ConsistentHashOptions,
  crc32,
  type HashFunction,
  RendezvousHash,
  type Ring,
} from "./protocol/consistent_hash.ts";
export {
  BusyError,
  LoadError,
  NotFoundError,
  PeerError,
} from "./base/errors.ts";
export {
  type GetOptions,
  Group,
  type GroupOptions,
  type GroupStats,
  type SetOptions,
  type Unreachable,
  type WriteOptions,
} from "./group.ts";
export {
  entryResponse,
  type EntryResponseOptions,
  errorResponse,
  type ErrorResponseOptions,
  type FrontEntry,
  type HeadersLike,
} from "./front.ts";
export {
  type DnsHost,
  dnsPeers,
  type DnsPeersOptions,
  type DnsService,
  filePeers,
  type FilePeersOptions,
  type PeerLists,
  type PollOptions,
} from "./discovery.ts";
export {
  type DrainOptions,
  type FollowOptions,
  HTTPPool,
  type HTTPPoolOptions,
  type Logger,
  type PoolStats,
} from "./http.ts";
export type { PeerStats } from "./peer/http_peer.ts";
export type {
  BatchContext,
  BatchGetter,
  Getter,
  GetterContext,
  Loaded,
} from "./group/getter.ts";
export type { Life } from "./group/life.ts";
export type { About, Entry, Origin } from "./group/entry.ts";
export type { GroupCounts } from "./group/counts.ts";
export type { ProtocolName } from "./protocol/protocols.ts";
export { type EvictionReason, LRU, type LRUOptions } from "./lru.ts";
export type {
  Peer,
  PeerPicker,
  PeerRequestOptions,
  PeerValue,
} from "./base/peers.ts";
export { type Flight, SingleFlight } from "./group/singleflight.ts";
export type {
  Eviction,
  GetStart,
  LoadStart,
  PeerStart,
  PoolObserver,
  ServeStart,
  WorkEnd,
  WorkObserver,
  WorkResult,
} from "./base/watchers.ts";
