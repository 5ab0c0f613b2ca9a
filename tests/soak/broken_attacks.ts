/**
 * Clients that do not speak HTTP as it should be: garbage, heads without an end, and
 * connections that end in the middle.
 *
 * @module
 */

import {
  type Attack,
  head,
  oneOf,
  peerHeaders,
  randomBytes,
  randomText,
} from "./attack.ts";
import { Connection } from "./connection.ts";

const PATIENCE_MS = 10_000;
const MIB = 2 ** 20;

/** What no server should take for a request. */
const NO_REQUESTS: readonly string[] = [
  "\r\n\r\n\r\n\r\n",
  "GET\r\n\r\n",
  "GET / HTTP/9.9\r\n\r\n",
  "GET /api/plain?key=plain:1\r\n",
  "\0\0\0\0\0\0\0\0\r\n\r\n",
  "GET /api/plain?key=%zz HTTP/1.1\r\nHost: h\r\n\r\n",
  "GET /_geecache/plain/%ff%fe HTTP/1.1\r\nHost: h\r\n\r\n",
  "GET //../..//api HTTP/1.1\r\nHost: \r\n\r\n",
  "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
  "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
  "GET http://[::1 HTTP/1.1\r\nHost: h\r\n\r\n",
  "GET / HTTP/1.1\r\nNo colon\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
  // The begin of HTTP/2.
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/** Lengths and chunks that contradict each other. */
const NO_BODIES: readonly (readonly [headers: string[], body: string])[] = [
  [["Content-Length: -1"], "abc"],
  [["Content-Length: 1x"], "abc"],
  [["Content-Length: 2", "Content-Length: 3"], "abc"],
  [["Content-Length: 3", "Transfer-Encoding: chunked"], "abc"],
  [["Content-Length: 99999999999999999999"], "abc"],
  [["Transfer-Encoding: chunked"], "zz\r\nabc\r\n"],
  [["Transfer-Encoding: chunked"], "-1\r\nabc\r\n"],
  [["Transfer-Encoding: chunked"], "fffffffffffffffff\r\nabc\r\n"],
  [["Transfer-Encoding: chunked"], "3\r\nabcdef\r\n"],
  [["Transfer-Encoding: chunked"], `3;${"x".repeat(20_000)}\r\nabc\r\n`],
  [["Transfer-Encoding: chunked, chunked"], "3\r\nabc\r\n0\r\n\r\n"],
  [["Transfer-Encoding: gzip"], "abc"],
];

export const BROKEN_ATTACKS: readonly Attack[] = [{
  name: "garbage",
  clients: 4,
  pauseMs: 100,
  run: ({ port }) =>
    Connection.within(PATIENCE_MS, port, async (connection) => {
      const begin = oneOf([
        ...NO_REQUESTS,
        "GET / HTTP/1.1\r\n",
        "",
        "\x16\x03\x01",
      ]);
      await connection.send(begin);
      await connection.send(randomBytes(oneOf([1, 100, 10_000, 60_000])));
      await connection.sendEnd();
      await connection.drop();
    }),
}, {
  name: "broken requests",
  clients: 4,
  pauseMs: 100,
  run: ({ port }) =>
    Connection.within(PATIENCE_MS, port, async (connection) => {
      await connection.send(oneOf(NO_REQUESTS));
      await connection.sendEnd();
      await connection.drop();
    }),
}, {
  name: "broken bodies",
  clients: 4,
  pauseMs: 100,
  run: (target) =>
    Connection.within(PATIENCE_MS, target.port, async (connection) => {
      const [headers, body] = oneOf(NO_BODIES);
      const line = oneOf([
        "PUT /_geecache/plain/hostile",
        "POST /_geecache/plain",
      ]);
      await connection.send(
        head(line, [...peerHeaders(target), ...headers]) + body,
      );
      if (Math.random() < 0.5) await connection.sendEnd();
      await connection.drop(1);
    }),
}, {
  name: "huge heads",
  clients: 2,
  pauseMs: 250,
  run: ({ port }) =>
    Connection.within(PATIENCE_MS, port, async (connection) => {
      const much = "x".repeat(oneOf([15_000, 60_000, MIB]));
      const many = Array.from({ length: 2_000 }, (_, i) => `X-${i}: ${i}`);
      const read = connection.drop();
      await connection.send(oneOf([
        head(`GET /api/plain?key=${much}`),
        head("GET /api/plain?key=plain:1", [`X-Much: ${much}`]),
        head("GET /api/plain?key=plain:1", many),
      ]));
      await connection.sendEnd();
      await read;
    }),
}, {
  name: "half-closed connections",
  clients: 8,
  pauseMs: 100,
  run: (target) =>
    Connection.within(PATIENCE_MS, target.port, async (connection) => {
      const put = head("PUT /_geecache/plain/hostile", [
        ...peerHeaders(target),
        "Content-Length: 1000",
      ]);
      await connection.send(oneOf([
        "",
        "GET /api/pl",
        head("GET /api/large?key=large:1"),
        head("GET /api/plain?key=plain:1"),
        head(`GET /_geecache/plain/${randomText(20)}`, peerHeaders(target)),
        put,
        `${put}abc`,
      ]));
      await connection.sendEnd();
      await connection.drop();
    }),
}, {
  name: "clients that leave",
  clients: 8,
  pauseMs: 100,
  run: (target) =>
    Connection.within(PATIENCE_MS, target.port, async (connection) => {
      await connection.send(oneOf([
        head("GET /api/large?key=large:2"),
        head(`GET /api/plain?key=${randomText(20)}`),
        head("PUT /_geecache/plain/hostile", [
          ...peerHeaders(target),
          "Content-Length: 1000",
        ]),
      ]));
      // Some leave in the middle of an answer.
      if (Math.random() < 0.5) await connection.drop(1);
    }),
}];
