/** The limits of SECURITY.md behind `node:http`, on real sockets. */

import { createServer, type Server, type ServerOptions } from "node:http";
import { HTTPPool } from "../../mod.ts";
import { toNodeHandler } from "../../node.ts";
import { assertMatch } from "../support/assert.ts";
import { testLimits } from "../support/limits.ts";
import { Client, end, portOf, withServer } from "../support/node_server.ts";

testLimits({
  name: "node:http",
  serve: (handler, run) => withServer(toNodeHandler(handler), run),
  maxHeadBytes: 16 * 1024,
  tooLarge: 431,
  malformed: 400,
});

/** A server whose patience ends soon. */
async function withImpatient(
  options: ServerOptions,
  run: (port: number, server: Server) => Promise<void>,
): Promise<void> {
  const pool = new HTTPPool("http://h");
  const large = new Uint8Array(32 * 1024 * 1024);
  pool.group("g", (key) => key === "large" ? large : `<${key}>`);
  const server = createServer(
    { connectionsCheckingInterval: 20, ...options },
    toNodeHandler(pool.handler),
  );
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    await run(portOf(server), server);
    await answers(portOf(server));
  } finally {
    await end(server);
    await pool.close();
  }
}

async function answers(port: number): Promise<void> {
  const client = new Client(port);
  await client.get("/_geecache/g/Tom").until(/ 200 [^]*<Tom>$/);
  await client.close();
}

Deno.test("node:http: a head that does not end within headersTimeout is cut off", () =>
  withImpatient(
    { headersTimeout: 100, requestTimeout: 100 },
    async (port) => {
      const client = new Client(port);
      client.send("GET /_geecache/g/k HTTP/1.1\r\nHost: h\r\nX: ");
      // Bun says nothing.
      assertMatch(await client.whole(), /^(HTTP\/1.1 408 [^]*)?$/);
    },
  ));

Deno.test("node:http: a client that reads nothing is cut off by setTimeout()", () =>
  withImpatient({}, async (port, server) => {
    server.setTimeout(100);
    const cut = new Promise<void>((resolve) =>
      server.on("connection", (socket) => socket.on("close", () => resolve()))
    );
    const client = new Client(port);
    client.socket.pause();
    client.get("/_geecache/g/large");
    await cut;
    await client.close();
  }));
