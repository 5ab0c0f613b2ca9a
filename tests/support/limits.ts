/** The limits of SECURITY.md, tested on each kind of server: requests that are too large, too slow, or cut off. */

import { type Group, HTTPPool, type HTTPPoolOptions } from "../../mod.ts";
import { encodeKeys } from "../../protocol/key_lists.ts";
import { ASK } from "../../protocol/link.ts";
import { assert, assertEquals, assertMatch } from "./assert.ts";
import { framesBy } from "./links.ts";
import { gate } from "./time.ts";
import { Client, exchanges } from "./node_server.ts";

type Handler = (request: Request) => Promise<Response> | Response;

/** One kind of server. */
export interface ServerKind {
  name: string;
  /** Serves until `run` has ended. */
  serve(handler: Handler, run: (port: number) => Promise<void>): Promise<void>;
  /** How large a head may be. */
  maxHeadBytes: number;
  /** The status for a head that is too large or malformed, if the client gets an answer. */
  tooLarge: number;
  malformed: number;
}

/** A pool behind a server. */
export interface Served {
  port: number;
  pool: HTTPPool;
  group: Group;
  /** How many requests reached the handler. */
  begun(): number;
  /** Resolves when no request is with the handler. */
  idle(): Promise<void>;
}

const PEER = "Geecache-Peer: http://p";
const CLOSE = "Connection: close";
const MIB = 1024 * 1024;
/** Bodies that are longer than the part that is sent, each with its header. */
const BEGUN_BODIES = [
  ["Content-Length: 10", "abc"],
  ["Content-Length: 300000", "abc"],
  ["Transfer-Encoding: chunked", "3\r\nabc\r\n"],
] as const;
/** A wait whose end no test should reach. */
const NEVER_MS = 600_000;

/** Serves a pool for `run`, and checks that a normal request is answered afterwards and nothing is under way. */
export async function withPool(
  server: ServerKind,
  options: HTTPPoolOptions,
  run: (served: Served) => Promise<void>,
): Promise<void> {
  const pool = new HTTPPool("http://h", options);
  const group = pool.group("g", (key, { signal }) => {
    if (!key.startsWith("slow")) return `<${key}>`;
    return new Promise<string>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  });
  let begun = 0;
  let underWay = 0;
  let onIdle = (): void => {};
  const handler = async (request: Request): Promise<Response> => {
    begun++;
    underWay++;
    try {
      return await pool.handler(request);
    } finally {
      underWay--;
      if (underWay === 0) onIdle();
    }
  };
  const idle = async (): Promise<void> => {
    while (underWay > 0) {
      await new Promise<void>((resolve) => onIdle = resolve);
    }
  };
  try {
    await server.serve(handler, async (port) => {
      await run({ port, pool, group, begun: () => begun, idle });
      await idle();
      assertMatch(
        await ask(port, "GET /_geecache/g/normal", [CLOSE]),
        /^HTTP\/1.1 200 [^]*<normal>$/,
      );
      assertEquals(pool.stats().serving, 0);
    });
  } finally {
    await pool.close();
  }
}

/** The head of a request. */
function head(line: string, headers: readonly string[]): string {
  return [`${line} HTTP/1.1`, "Host: h", ...headers, "", ""].join("\r\n");
}

/** Everything that comes back for one request, until the server closes the connection. */
async function ask(
  port: number,
  line: string,
  headers: readonly string[],
  body: string | Uint8Array = "",
): Promise<string> {
  const client = new Client(port);
  client.send(head(line, headers));
  if (body.length > 0) client.socket.write(body);
  return await client.whole();
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1.1 (\d{3}) /.exec(answer)?.[1]);
}

/** The two ways to say how long a body is. */
function framed(body: string): [header: string, text: string][] {
  return [
    [`Content-Length: ${body.length}`, body],
    [
      "Transfer-Encoding: chunked",
      `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    ],
  ];
}

function keysOf(count: number): Uint8Array {
  return encodeKeys(Array.from({ length: count }, (_, i) => `k${i}`));
}

/** The tests that every server passes. */
export function testLimits(server: ServerKind): void {
  const test = (
    name: string,
    options: HTTPPoolOptions,
    run: (served: Served) => Promise<void>,
  ): void => {
    Deno.test(`${server.name}: ${name}`, () => withPool(server, options, run));
  };

  test("a head that is too large never reaches the pool", {}, async ({
    port,
    begun,
  }) => {
    const much = "x".repeat(MIB);
    for (
      const [line, ...headers] of [
        [`GET /_geecache/g/${much}`],
        ["GET /_geecache/g/k", `X-Much: ${much}`],
        ["GET /_geecache/g/k", ...much.match(/x{100}/g)!.map((x) => `X: ${x}`)],
      ] as [string, ...string[]][]
    ) {
      const answer = await ask(port, line, [CLOSE, ...headers]);
      // A client that is still sending may be cut off before it gets an answer.
      if (answer !== "") assertEquals(statusOf(answer), server.tooLarge);
    }
    assertEquals(begun(), 0);
  });

  test(
    "a path is accepted unless it makes the head too large",
    {},
    async ({
      port,
    }) => {
      const { maxHeadBytes, tooLarge } = server;
      for (const length of [4096, maxHeadBytes - 1000, maxHeadBytes + 1000]) {
        const key = "x".repeat(length - "/_geecache/g/".length);
        const answer = await ask(port, `GET /_geecache/g/${key}`, [CLOSE]);
        if (length > maxHeadBytes) {
          if (answer !== "") assertEquals(statusOf(answer), tooLarge);
        } else {assert(
            answer.endsWith(`\r\n\r\n<${key}>`),
            answer.slice(0, 200),
          );}
      }
    },
  );

  test(
    "keys and values are accepted up to maxBodyBytes, and refused with 413 beyond it",
    { maxBodyBytes: 300_000 },
    async ({ port, group }) => {
      for (
        const [line, key] of [["PUT /_geecache/g/k", "k"], [
          "POST /_geecache/g",
        ]]
      ) {
        for (const size of [300_000, 300_001]) {
          for (const [header, text] of framed("x".repeat(size))) {
            await group.remove("k");
            const answer = await ask(port, line!, [PEER, CLOSE, header], text);
            const fits = size === 300_000;
            const good = key === undefined ? 200 : 204;
            assertEquals(statusOf(answer), fits ? good : 413);
            const stored = group.peek("k")?.byteLength;
            assertEquals(stored, fits && key !== undefined ? size : undefined);
          }
        }
      }
    },
  );

  test("a small maxBodyBytes is kept to", { maxBodyBytes: 10 }, async ({
    port,
    group,
  }) => {
    for (const size of [0, 10, 11]) {
      for (const [header, text] of framed("x".repeat(size))) {
        if (size === 0 && header.startsWith("Transfer")) continue;
        const headers = [PEER, CLOSE, header];
        const answer = await ask(port, "PUT /_geecache/g/k", headers, text);
        assertEquals(statusOf(answer), size > 10 ? 413 : 204);
      }
    }
    assertEquals(group.peek("k")?.byteLength, 10);
  });

  test(
    "4,096 questions on a link are all answered, and what is malformed ends it",
    {},
    async ({
      port,
      pool,
      group,
    }) => {
      const keys = Array.from({ length: 4_096 }, (_, i) => `k${i}`);
      await group.getMany(keys);
      const questions = framesBy((to) => {
        to.text(ASK.group, 0, "g");
        for (const [i, key] of keys.entries()) {
          to.question(ASK.get, i, 0, 0, key);
        }
      });
      const headers = [PEER, "Geecache-Link: 1", "Transfer-Encoding: chunked"];
      for (const end of ["0\r\n\r\n", "9\r\n\0\0\0\0\x63\0\0\0\0\r\n"]) {
        const client = new Client(port);
        client.send(head("POST /_geecache/", [CLOSE, ...headers]));
        client.send(`${questions.length.toString(16)}\r\n`);
        client.socket.write(questions);
        client.send("\r\n");
        // It is answered while the body goes on.
        await client.until(/^HTTP\/1.1 200 [^]*<k4095>/);
        assertEquals(pool.stats().links, 1);
        client.send(end);
        await client.whole();
        for (const key of keys) assert(client.text.includes(`<${key}>`), key);
        assertEquals(pool.stats().links, 0);
      }
    },
  );

  test("a client that leaves ends its link", {}, async ({ port, pool }) => {
    const client = new Client(port);
    client.send(head("POST /_geecache/", [
      ...[PEER, "Geecache-Link: 1", "Transfer-Encoding: chunked"],
    ]));
    client.send("9\r\n\0\0\0\0\x05\0\0\0\0\r\n");
    await client.until(/^HTTP\/1.1 200 /);
    assertEquals(pool.stats().links, 1);
    await client.close();
    while (pool.stats().links > 0) await exchanges(port, "/_geecache/g/k");
  });

  test("150,000 keys may be removed at once, and no more", {}, async ({
    port,
    group,
  }) => {
    for (const [count, status] of [[150_001, 400], [150_000, 204]] as const) {
      await group.set("k149999", "v");
      const body = keysOf(count);
      const answer = await ask(port, "POST /_geecache/g", [
        PEER,
        CLOSE,
        "Geecache-Method: DELETE",
        `Content-Length: ${body.length}`,
      ], body);
      assertEquals(statusOf(answer), status);
      assertEquals(group.peek("k149999") === undefined, status === 204);
    }
  });

  test("a body that stops coming gets a 408", { timeoutMs: 100 }, async ({
    port,
    group,
  }) => {
    for (
      const [header, part] of [
        ["Content-Length: 10", ""],
        // The length is wrong: no more bytes follow.
        ["Content-Length: 10", "abc"],
        ["Content-Length: 300000", "abc"],
        ["Transfer-Encoding: chunked", ""],
        ["Transfer-Encoding: chunked", "3\r\nabc\r\n"],
      ] as const
    ) {
      const client = new Client(port);
      client.send(head("PUT /_geecache/g/k", [PEER, header]) + part);
      const answer = await client.until(/(silent for|longer than) 100 ms/);
      assertEquals(statusOf(answer), 408);
      await client.close();
    }
    assertEquals(group.peek("k"), undefined);
  });

  test(
    "a body that comes in drops gets a 408 in the end",
    { timeoutMs: 100 },
    async ({
      port,
      group,
    }) => {
      for (
        const [header, part] of [
          ["Content-Length: 200000", "x"],
          ["Content-Length: 300000", "x"],
          ["Transfer-Encoding: chunked", "1\r\nx\r\n"],
        ] as const
      ) {
        const client = new Client(port);
        client.send(head("PUT /_geecache/g/k", [PEER, header]));
        const drip = setInterval(() => client.send(part), 10);
        try {
          // It looks silent if the machine stands still for long.
          const answer = await client.until(/took longer than|was silent/);
          assertEquals(statusOf(answer), 408);
        } finally {
          clearInterval(drip);
          await client.close();
        }
      }
      assertEquals(group.peek("k"), undefined);
    },
  );

  test(
    "a body that is longer than its stated length ends at that length",
    {},
    async ({
      port,
      group,
    }) => {
      const lie = "Content-Length: 2";
      const answer = await ask(
        port,
        "PUT /_geecache/g/k",
        [PEER, lie],
        "abcdef\r\n\r\n",
      );
      // The rest is no request, and its refusal may be the first answer.
      assert([204, server.malformed].includes(statusOf(answer)), answer);
      const stored = group.peek("k")?.text();
      assert(stored === undefined || stored === "ab", stored);
    },
  );

  test("a request with a malformed length never reaches the pool", {}, async ({
    port,
    begun,
  }) => {
    for (
      const headers of [
        ["Content-Length: -1"],
        ["Content-Length: 1x"],
        ["Content-Length: 2", "Content-Length: 3"],
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
      ]
    ) {
      const all = [PEER, CLOSE, ...headers];
      const answer = await ask(port, "PUT /_geecache/g/k", all, "abc");
      assertEquals(statusOf(answer), server.malformed, headers.join());
    }
    assertEquals(begun(), 0);
  });

  test(
    "a client that half-closes is answered if the value is there, and otherwise counts as gone",
    { timeoutMs: NEVER_MS },
    async ({ port, pool, group, idle }) => {
      await group.set("held", "v");
      const quick = new Client(port);
      quick.send(head("GET /_geecache/g/held", [])).socket.end();
      assertMatch(await quick.whole(), /^HTTP\/1.1 200 [^]*v$/);
      const slow = new Client(port);
      slow.send(head("GET /_geecache/g/slow", [])).socket.end();
      assertEquals(await slow.whole(), "");
      await idle();
      assertEquals(pool.stats().serving, 0);
    },
  );

  test(
    "a client that half-closes within its body is not waited for",
    { timeoutMs: NEVER_MS },
    async ({ port, group, idle }) => {
      for (const [header, part] of BEGUN_BODIES) {
        const client = new Client(port);
        client.send(head("PUT /_geecache/g/k", [PEER, header]) + part);
        client.socket.end();
        const answer = await client.whole();
        if (answer !== "") assertEquals(statusOf(answer), 400, header);
        await idle();
      }
      assertEquals(group.peek("k"), undefined);
    },
  );

  test(
    "a client that leaves within its body is not waited for",
    { timeoutMs: NEVER_MS },
    async ({ port, group, begun, idle }) => {
      for (const [header, part] of BEGUN_BODIES) {
        const before = begun();
        const client = new Client(port);
        client.send(head("PUT /_geecache/g/k", [PEER, header]) + part);
        while (begun() === before) await exchanges(port, "/elsewhere");
        await client.close();
        await idle();
      }
      assertEquals(group.peek("k"), undefined);
    },
  );

  Deno.test(`${server.name}: a client that leaves ends the load`, async () => {
    const begun = gate();
    const aborted = gate();
    const pool = new HTTPPool("http://h");
    pool.group("g", (_, { signal }) => {
      signal.addEventListener("abort", () => aborted.open());
      begun.open();
      return new Promise<string>(() => {});
    });
    await server.serve(pool.handler, async (port) => {
      const client = new Client(port);
      client.send(head("GET /_geecache/g/k", []));
      await begun.opened;
      await client.close();
      await aborted.opened;
    });
    await pool.close();
  });

  test(
    "a client that keeps asking and reads nothing gets only as many answers as its connection holds",
    {},
    async ({ port, group, begun }) => {
      await group.set("large", new Uint8Array(4 * MIB));
      const client = new Client(port);
      client.socket.pause();
      const count = 500;
      client.send(head("GET /_geecache/g/large", []).repeat(count));
      let before = -1;
      // The requests to /elsewhere are counted, too.
      for (let elsewhere = 0; begun() - elsewhere !== before; elsewhere += 20) {
        before = begun() - elsewhere;
        await exchanges(port, "/elsewhere");
      }
      assert(before >= 1 && before < 20, `${before} of ${count}`);
      await client.close();
    },
  );

  test("a head that never ends keeps no other client waiting", {}, async ({
    port,
    begun,
  }) => {
    const clients = Array.from({ length: 50 }, () => new Client(port));
    for (const client of clients) {
      client.send("GET /_geecache/g/k HTTP/1.1\r\nHost: h\r\nX: ");
    }
    await exchanges(port, "/elsewhere");
    assertEquals(begun(), 20);
    for (const client of clients) await client.close();
    assertEquals(begun(), 20);
  });
}
