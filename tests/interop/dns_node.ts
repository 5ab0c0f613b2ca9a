/**
 * A process that follows a name in DNS, on Deno or Node:
 * `dns_node.ts SELF DNS_PORT NAME`. A name that begins with `_` has SRV records.
 *
 * `/nodes` tells its list, `/get?key=` asks the whole ring, `/loads` tells how many keys
 * were loaded here. On SIGTERM it closes the pool and the server, and does nothing to end
 * itself: what the pool left behind would keep it alive.
 *
 * @module
 */

import { Resolver } from "node:dns/promises";
import { createServer } from "node:http";
import process from "node:process";
import { dnsPeers, type DnsPeersOptions, HTTPPool } from "../../mod.ts";
import { toNodeHandler } from "../../node.ts";

const [self, dnsPort, name] = process.argv.slice(2) as [string, string, string];
const { hostname, port } = new URL(self);

const resolver = new Resolver({ timeout: 300, tries: 1 });
resolver.setServers([`127.0.0.1:${dnsPort}`]);

/** All addresses of a name. One that has none of a kind is no failure of the other kind. */
const lookup: DnsPeersOptions["lookup"] = async (name) => {
  const found = await Promise.allSettled([
    resolver.resolve4(name),
    resolver.resolve6(name),
  ]);
  const addresses = found.flatMap((one) =>
    one.status === "fulfilled" ? one.value : []
  );
  const [failed] = found;
  if (addresses.length === 0 && failed.status === "rejected") {
    throw failed.reason;
  }
  return addresses.map((address) => ({ address }));
};

const print = (line: string): void => console.log(line);
const logger = { debug: () => {}, info: print, warn: print, error: print };
const pool = new HTTPPool(self, { logger });
let loads = 0;
const squares = pool.group("squares", (key) => {
  loads++;
  return String(Number(key) ** 2);
});

const everyMs = 50;
pool.follow(
  name.startsWith("_")
    ? dnsPeers({ srv: name }, {
      everyMs,
      resolveSrv: (name) => resolver.resolveSrv(name),
    })
    : dnsPeers({ hostname: name, port: Number(port) }, { everyMs, lookup }),
);

const server = createServer(toNodeHandler(async (request) => {
  const url = new URL(request.url);
  switch (url.pathname) {
    case "/nodes":
      return Response.json(pool.stats().nodes);
    case "/loads":
      return Response.json(loads);
    case "/get": {
      const value = await squares.get(url.searchParams.get("key")!);
      return new Response(value.bytes());
    }
  }
  return await pool.handler(request);
}));
server.listen(Number(port), hostname, () => console.log(`running at ${self}`));

process.once("SIGTERM", async () => {
  await pool.close();
  server.close();
  server.closeAllConnections();
});
