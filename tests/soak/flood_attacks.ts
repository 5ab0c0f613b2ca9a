/**
 * Clients that send well-formed requests that are of no use: for groups that do not
 * exist, for keys that are long or do not exist, and without the secret.
 *
 * @module
 */

import { type Attack, head, oneOf, peerHeaders, randomText } from "./attack.ts";
import { Connection } from "./connection.ts";

const PATIENCE_MS = 15_000;
/** So many requests are sent on one connection, each at once behind the one before it. */
const BATCH = 20;
const CLOSE = "Connection: close";

/** Sends them all, and reads until the server closes the connection. */
function flood(
  port: number,
  requestOf: (headers: string[]) => string,
): Promise<void> {
  return Connection.within(PATIENCE_MS, port, async (connection) => {
    const read = connection.drop();
    for (let i = 1; i <= BATCH; i++) {
      await connection.send(requestOf(i === BATCH ? [CLOSE] : []));
    }
    await read;
  });
}

export const FLOOD_ATTACKS: readonly Attack[] = [{
  name: "unknown groups",
  clients: 3,
  pauseMs: 400,
  run: (target) =>
    flood(target.port, (headers) => {
      const group = randomText(oneOf([10, 1_000]));
      return oneOf([
        head(`GET /api/${group}?key=k`, headers),
        head(`GET /_geecache/${group}/k`, headers),
        head(`GET /_geecache/${group}/k`, [...peerHeaders(target), ...headers]),
        head(`DELETE /_geecache/${group}/k`, [
          ...peerHeaders(target),
          ...headers,
        ]),
      ]);
    }),
}, {
  name: "long and unknown keys",
  clients: 3,
  pauseMs: 400,
  run: (target) =>
    flood(target.port, (headers) => {
      const key = randomText(oneOf([10, 500, 4_000, 12_000]));
      const body = randomText(oneOf([5_000, 100_000]));
      return oneOf([
        head(`GET /api/plain?key=${key}`, headers),
        head(`GET /api/absent?key=${key}`, headers),
        head(`GET /_geecache/absent/${key}`, [
          ...peerHeaders(target),
          ...headers,
        ]),
        head("POST /_geecache/absent", [
          ...peerHeaders(target),
          `Content-Length: ${body.length}`,
          ...headers,
        ]) + body,
      ]);
    }),
}, {
  name: "requests without the secret",
  clients: 2,
  pauseMs: 400,
  run: ({ port }) =>
    flood(port, (headers) =>
      oneOf([
        head("GET /_geecache/plain/plain:1", headers),
        head("GET /_geecache/plain/plain:1", [
          "Geecache-Secret: 0123456789abcdef",
          ...headers,
        ]),
        head("DELETE /_geecache/plain?clear", [
          "Geecache-Peer: http://127.0.0.1:1",
          ...headers,
        ]),
        head("GET /_geecache/plain/plain:1", [
          "Origin: http://evil",
          ...headers,
        ]),
      ])),
}];
