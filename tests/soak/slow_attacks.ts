/**
 * Clients that take their time: they say nothing, send drop by drop, or read nothing.
 *
 * @module
 */

import { delay } from "../chaos/origin.ts";
import { type Attack, head, oneOf, peerHeaders } from "./attack.ts";
import { Connection } from "./connection.ts";
import { LARGE_KEYS } from "./values.ts";

const MINUTE_MS = 60_000;
/** So many answers of `large` are more than any socket holds. */
const UNREAD = 50;

/** Connections that say nothing until the server closes them. */
export function idle(count: number): Attack {
  return {
    name: "idle connections",
    clients: count,
    pauseMs: 1_000,
    run: ({ port }) =>
      Connection.within(
        60 * MINUTE_MS,
        port,
        (connection) => connection.drop(),
      ),
  };
}

export const SLOW_ATTACKS: readonly Attack[] = [{
  name: "slow heads",
  clients: 60,
  pauseMs: 500,
  run: ({ port }) =>
    Connection.within(MINUTE_MS, port, async (connection) => {
      await connection.send(
        "GET /api/plain?key=plain:1 HTTP/1.1\r\nHost: h\r\n",
      );
      await connection.drip("X-Slow: 1\r\n", 60, 700);
    }),
}, {
  name: "slow bodies",
  clients: 60,
  pauseMs: 500,
  run: (target) =>
    Connection.within(MINUTE_MS, target.port, async (connection) => {
      const [header, part] = oneOf([
        ["Content-Length: 200000", "x"],
        ["Content-Length: 1000000", "x"],
        ["Transfer-Encoding: chunked", "1\r\nx\r\n"],
      ]);
      const peer = Math.random() < 0.8 ? peerHeaders(target) : [];
      const request = oneOf([
        head("PUT /_geecache/plain/hostile", [...peer, header!]),
        head("POST /_geecache/plain", [...peer, header!]),
        head("POST /api/plain?key=plain:1", [header!]),
      ]);
      await connection.send(request);
      const read = connection.drop();
      await connection.drip(part!, 60, oneOf([300, 700, 6_000]));
      connection.close();
      await read;
    }),
}, {
  name: "clients that never read",
  clients: 40,
  pauseMs: 1_000,
  run: ({ port }) =>
    Connection.within(15_000, port, async (connection) => {
      const key = Math.floor(LARGE_KEYS * Math.random());
      await connection.send(
        head(`GET /api/large?key=large:${key}`).repeat(UNREAD),
      );
      await delay(14_000);
    }),
}];
