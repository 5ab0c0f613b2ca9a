/** A script that never closes its pool, while one peer is down and another has left. */

import { filePeers, HTTPPool } from "../../mod.ts";
import { SILENT } from "./logger.ts";

const self = "http://127.0.0.1:9001";
const down = "http://127.0.0.1:9002";
const gone = "http://127.0.0.1:9003";
const pool = new HTTPPool(self, {
  handoverMs: 600_000,
  logger: SILENT,
  fetch: () => Promise.reject(new TypeError("connection refused")),
});
pool.setPeers([self, down, gone]);
const group = pool.group("g", (key) => key);
for (let i = 0; i < 30; i++) await group.get(`${i}`);
await group.remove("removed").catch(() => {});

// For `handoverMs` the one that leaves is asked for what it has.
pool.setPeers([self, down]);

// Nobody has written the list that it follows.
pool.follow(filePeers("no-such-file"));

// A peer asks, is told to ask again, and never does.
pool.group("slow", () => new Promise(() => {}));
const { status } = await pool.handler(
  new Request(`${self}/_geecache/slow/k`, {
    headers: { "Geecache-Peer": down, "Geecache-Wait": "0" },
  }),
);
console.log(status, pool.stats().peers.map(({ state }) => state).join());
