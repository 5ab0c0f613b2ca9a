/** Links over real sockets to a server that answers whatever a test says, also nonsense. */

import { createServer, type Socket } from "node:net";
import { HTTPPool } from "../../mod.ts";
import { ByteView } from "../../base/byte_view.ts";
import { ANSWER } from "../../protocol/link.ts";
import { markOf } from "../../protocol/wire.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { framesBy } from "../support/links.ts";
import { SILENT } from "../support/logger.ts";

const HEAD = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" +
  `Geecache-Result: link\r\nGeecache-Link: 1\r\nGeecache-Target: ${
    markOf("")
  }\r\n`;

/** Bytes as one chunk of a body. */
function chunkOf(bytes: Uint8Array): string {
  const text = String.fromCharCode(...bytes);
  return `${bytes.length.toString(16)}\r\n${text}\r\n`;
}

/** The answers to the two pings that open a link. */
const HELLO = chunkOf(framesBy((to) => {
  to.head(ANSWER.pong, 0);
  to.head(ANSWER.pong, 1);
}));

/**
 * Runs a pool that asks a server. That answers GETs as a peer does, and gives the request
 * for a link, once its first chunk has come, to `onLink`.
 */
async function withSockets(
  onLink: (socket: Socket) => void,
  run: (pool: HTTPPool) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    let text = "";
    let isLink = false;
    socket.on("data", (bytes: Uint8Array) => {
      if (isLink) return;
      text += String.fromCharCode(...bytes);
      if (text.startsWith("POST ")) {
        if (!/\r\n\r\n[^]+/.test(text)) return;
        isLink = true;
        return onLink(socket);
      }
      const [, path] = /^GET \/_geecache\/(\S+) /.exec(text) ?? [];
      if (path === undefined || !text.includes("\r\n\r\n")) return;
      text = "";
      socket.write(
        "HTTP/1.1 200 OK\r\nGeecache-Result: value\r\nGeecache-Link: 1\r\n" +
          `Geecache-Target: ${markOf(path)}\r\nContent-Length: 1\r\n\r\nv`,
      );
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  const pool = new HTTPPool("http://127.0.0.1:1", { logger: SILENT });
  pool.setPeers([`http://127.0.0.1:${port}`]);
  try {
    await run(pool);
  } finally {
    await pool.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => server.close(done));
  }
}

/** Asks until the state of the link is no more that of the begin. */
async function decided(pool: HTTPPool): Promise<string> {
  const group = pool.group("g", () => "own");
  for (let i = 0;; i++) {
    assertEquals((await group.get(`k${i}`)).text(), "v");
    const { link } = pool.stats().peers[0]!;
    if (link === "open" || link === "unavailable") return link;
  }
}

const bytes = (text: string) =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));

Deno.test("Whatever a server answers to the request for a link, keys are asked for without one", async () => {
  const answers: [string, string | ((socket: Socket) => void)][] = [
    ["no HTTP", "hello, who are you?\r\n\r\n"],
    ["nothing, and an end", (socket) => socket.end()],
    ["a reset", (socket) => socket.destroy()],
    ["half a head", (socket) => socket.end("HTTP/1.1 200 OK\r\nGeecache-Re")],
    ["a page", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\npage"],
    [
      "a redirect",
      "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    ],
    [
      "another protocol",
      "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
    ["only a word before", "HTTP/1.1 100 Continue\r\n\r\n"],
    ["a name that is none", `${HEAD}bad name: 1\r\n\r\n${HELLO}`],
    ["no chunks", `${HEAD}\r\nnonsense\r\n`],
    ["a whole answer", `${HEAD}\r\n0\r\n\r\n`],
    ["a large head", `${HEAD}X: ${"x".repeat(100_000)}\r\n\r\n`],
    ["malformed frames", `${HEAD}\r\n${chunkOf(new Uint8Array(9).fill(255))}`],
    [
      "half a frame",
      (socket) => socket.end(`${HEAD}\r\n4\r\n\0\0\0\0\r\n0\r\n\r\n`),
    ],
  ];
  for (const [name, answer] of answers) {
    await withSockets((socket) => {
      if (typeof answer === "string") socket.write(bytes(answer));
      else answer(socket);
    }, async (pool) => {
      const state = await decided(pool);
      const { linkError, errors, state: breaker } = pool.stats().peers[0]!;
      assertEquals(state, "unavailable", name);
      assert(linkError !== undefined && linkError !== "", name);
      assertEquals([errors, breaker], [0, "closed"], `${name}: ${linkError}`);
    });
  }
});

Deno.test("A head with bytes that are no ASCII is no fault of a link", async () => {
  for (const value of ["\xff\xfe", "\xe6\x97\xa5", "\xc3"]) {
    await withSockets(
      (socket) => socket.write(bytes(`${HEAD}X-Odd: ${value}\r\n\r\n${HELLO}`)),
      async (pool) => {
        assertEquals(await decided(pool), "open");
      },
    );
  }
});

Deno.test("A link over sockets whose bytes come one by one is one, and its end is noticed", async () => {
  let socket!: Socket;
  const heads = `${HEAD}\r\n${HELLO}`;
  await withSockets((given) => {
    socket = given;
    let at = 0;
    const next = (): void => {
      if (at < heads.length) socket.write(bytes(heads[at++]!), next);
    };
    next();
  }, async (pool) => {
    assertEquals(await decided(pool), "open");
    const group = pool.getGroup("g")!;
    const value = ByteView.from("over the link");
    const first = group.get("first");
    socket.write(
      bytes(chunkOf(framesBy((to) => to.value(ANSWER.value, 1, value)))),
    );
    assertEquals((await first).text(), "over the link");
    const second = group.get("second");
    // The end of the answer: the key is asked for again, in a request.
    socket.write("0\r\n\r\n");
    assertEquals((await second).text(), "v");
    assertEquals(pool.stats().peers[0]!.errors, 0);
  });
});
