/**
 * Where the list of peers comes from: DNS, or a file.
 *
 * Each gives lists for `HTTPPool.follow`, which says who joins and who leaves.
 *
 * @example A cluster that DNS knows
 * ```ts
 * import { HTTPPool } from "@geecache/geecache";
 * import { dnsPeers } from "@geecache/geecache/discovery";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands in for DNS. Without it, the runtime's own lookup is used.
 * const lookup = () => Promise.resolve([{ address: "10.0.0.1" }, { address: "10.0.0.2" }]);
 *
 * const pool = new HTTPPool("http://10.0.0.1:8080");
 * pool.follow(dnsPeers({ hostname: "geecache", port: 8080 }, { lookup }));
 *
 * while (pool.stats().nodes.length === 0) await new Promise((done) => setTimeout(done));
 * assertEquals(pool.stats().nodes, ["http://10.0.0.1:8080", "http://10.0.0.2:8080"]);
 * await pool.close(); // ends the questions, too
 * ```
 *
 * @module
 */

export type { Clock } from "./base/clock.ts";
export {
  type DnsHost,
  dnsPeers,
  type DnsPeersOptions,
  type DnsService,
} from "./discovery/dns.ts";
export { filePeers, type FilePeersOptions } from "./discovery/file.ts";
export type { PeerLists, PollOptions } from "./discovery/polling.ts";
