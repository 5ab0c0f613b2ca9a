/** The front door: entries and errors as responses to clients. */

import { createHash } from "node:crypto";
import fc from "fast-check";
import {
  BusyError,
  ByteView,
  entryResponse,
  type EntryResponseOptions,
  errorResponse,
  type ErrorResponseOptions,
  type FrontEntry,
  Group,
  LoadError,
  NotFoundError,
  PeerError,
} from "../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "./support/assert.ts";
import { keysOwnedBy, ownerAndAsker, withCluster } from "./support/cluster.ts";

const URL_OF_TOM = "http://localhost:8080/scores/Tom";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz";

function entryOf(value: string, more: Partial<FrontEntry> = {}): FrontEntry {
  return { value: ByteView.from(value), from: "main", ttlMs: 60_000, ...more };
}

interface Asked {
  value?: string;
  method?: string;
  headers?: Record<string, string>;
  entry?: Partial<FrontEntry>;
  options?: EntryResponseOptions;
}

function ask(
  { value = ALPHABET, method = "GET", headers = {}, entry, options }: Asked,
): Promise<Response> {
  const request = new Request(URL_OF_TOM, { method, headers });
  return entryResponse(request, entryOf(value, entry), options);
}

/** One header of the answer, with its body read. */
async function headerOf(name: string, asked: Asked): Promise<string | null> {
  const response = await ask(asked);
  await response.text();
  return response.headers.get(name);
}

/** The status and the body. */
async function answerOf(asked: Asked): Promise<[number, string]> {
  const response = await ask(asked);
  return [response.status, await response.text()];
}

async function tagOf(value: string): Promise<string> {
  return (await headerOf("ETag", { value }))!;
}

Deno.test("A response has the bytes, their length, and says that ranges work", async () => {
  const response = await ask({ value: "日本" });
  assertEquals(response.status, 200);
  assertEquals(await response.text(), "日本");
  const { headers } = response;
  assertEquals(headers.get("Content-Length"), "6");
  assertEquals(headers.get("Content-Type"), "application/octet-stream");
  assertEquals(headers.get("Accept-Ranges"), "bytes");
});

Deno.test("A HEAD has the headers of the GET and no body (RFC 9110, 9.3.2)", async () => {
  const get = await ask({});
  const head = await ask({ method: "HEAD" });
  assertEquals(await head.text(), "");
  assertEquals([...head.headers], [...get.headers]);
  assertEquals((await get.text()).length, 26);
});

Deno.test("Other methods are refused, and not kept (RFC 9110, 15.5.6)", async () => {
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const response = await ask({ method });
    assertEquals(
      [response.status, await response.text()],
      [405, "Method Not Allowed\n"],
    );
    assertEquals(response.headers.get("Allow"), "GET, HEAD");
    assertEquals(response.headers.get("Cache-Control"), "no-store");
  }
});

Deno.test("An ETag is strong, and the same for the same bytes alone (RFC 9110, 8.8.3)", async () => {
  const tag = await tagOf("630");
  const digest = createHash("sha256").update("630").digest();
  const packed = digest.subarray(0, 16).toString("base64").replace(/=/g, "");
  assertEquals(tag, `"${packed}"`);
  assertEquals(await tagOf("630"), tag);
  assert(await tagOf("631") !== tag);
  assert(await tagOf("") !== tag);
});

Deno.test("The bytes of a view are hashed once", async () => {
  const digest = crypto.subtle.digest;
  let calls = 0;
  crypto.subtle.digest = function (this: SubtleCrypto, ...args) {
    calls++;
    return digest.apply(this, args);
  };
  try {
    const entry = entryOf("630");
    const request = () => new Request(URL_OF_TOM);
    const answers = await Promise.all(
      Array.from({ length: 9 }, () => entryResponse(request(), entry)),
    );
    assertEquals(
      new Set(answers.map((one) => one.headers.get("ETag"))).size,
      1,
    );
    assertEquals(calls, 1);
    // One's own tag needs no hash.
    await ask({ options: { headers: { ETag: '"v1"' } } });
    assertEquals(calls, 1);
  } finally {
    crypto.subtle.digest = digest;
  }
});

Deno.test("If-None-Match compares weakly, in lists, and gets a 304 without a body (RFC 9110, 13.1.2)", async () => {
  const tag = await tagOf("630");
  for (
    const [given, status] of [
      [tag, 304],
      [`W/${tag}`, 304],
      [`"a", W/"b,c" ,${tag}`, 304],
      [" * ", 304],
      ['"a"', 200],
      ["", 200],
      [tag.slice(1, -1), 200],
      [`"${tag.slice(1, -1)}x"`, 200],
    ] as const
  ) {
    for (const method of ["GET", "HEAD"]) {
      const headers = { "If-None-Match": given };
      const response = await ask({ value: "630", method, headers });
      assertEquals(response.status, status, `${method} ${given}`);
      const body = status === 200 && method === "GET" ? "630" : "";
      assertEquals(await response.text(), body);
    }
  }
});

Deno.test("A 304 says again how long the value may be kept, and describes no body (RFC 9110, 15.4.5)", async () => {
  const response = await ask({
    headers: { "If-None-Match": "*" },
    entry: { ttlMs: 1500, staleIfErrorMs: 5000, ageMs: 2000 },
    options: {
      headers: {
        "Content-Type": "text/plain",
        "Content-Language": "en",
        "Content-Location": "/tom",
        "Vary": "Accept",
      },
    },
  });
  assertEquals(response.status, 304);
  assertEquals([...response.headers.keys()].sort(), [
    "accept-ranges",
    "age",
    "cache-control",
    "cache-status",
    "content-location",
    "etag",
    "vary",
  ]);
  const control = response.headers.get("Cache-Control");
  assertEquals(control, "max-age=3, stale-if-error=5");
});

Deno.test("If-Modified-Since and If-Unmodified-Since are ignored, since no value has a date (RFC 9110, 13.1.3 and 13.1.4)", async () => {
  const headers = {
    "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT",
    "If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT",
  };
  assertEquals(await answerOf({ value: "630", headers }), [200, "630"]);
});

Deno.test("If-Match compares strongly, and comes first (RFC 9110, 13.1.1 and 13.2.2)", async () => {
  const tag = await tagOf("630");
  for (
    const [given, status] of [
      [tag, 304],
      ["*", 304],
      [`"a", ${tag}`, 304],
      [`W/${tag}`, 412],
      ['"a"', 412],
    ] as const
  ) {
    const headers = { "If-Match": given, "If-None-Match": tag };
    const response = await ask({ value: "630", headers });
    assertEquals(response.status, status, given);
    await response.text();
    if (status === 412) {
      assertEquals(response.headers.get("Cache-Control"), "no-store");
    }
  }
});

Deno.test("An ETag of one's own is compared, also a weak one", async () => {
  const options = { headers: { ETag: 'W/"v1"' } };
  const headers = { "If-None-Match": '"v1"' };
  assertEquals((await answerOf({ options, headers }))[0], 304);
  // A weak tag does not say that the bytes are the same.
  const range = { "If-Range": 'W/"v1"', "Range": "bytes=0-0" };
  assertEquals((await answerOf({ options, headers: range }))[0], 200);
});

Deno.test("A range gets its bytes (RFC 9110, 14.1.2, 14.4 and 15.3.7)", async () => {
  for (
    const [range, content, body] of [
      ["bytes=0-0", "bytes 0-0/26", "a"],
      ["bytes=1-3", "bytes 1-3/26", "bcd"],
      ["bytes=24-", "bytes 24-25/26", "yz"],
      ["bytes=24-99", "bytes 24-25/26", "yz"],
      ["bytes=-2", "bytes 24-25/26", "yz"],
      ["bytes=-99", "bytes 0-25/26", ALPHABET],
      ["BYTES=25-25", "bytes 25-25/26", "z"],
      ["bytes= 0-1 ", "bytes 0-1/26", "ab"],
      ["bytes=0-99999999999999999999999999", "bytes 0-25/26", ALPHABET],
    ] as const
  ) {
    const response = await ask({ headers: { Range: range } });
    assertEquals([response.status, await response.text()], [206, body], range);
    assertEquals(response.headers.get("Content-Range"), content);
    assertEquals(response.headers.get("Content-Length"), `${body.length}`);
    assertEquals(response.headers.get("Cache-Control"), "max-age=60");
  }
});

Deno.test("A range without a byte is a 416 that says how many there are, and is not kept (RFC 9110, 15.5.17)", async () => {
  for (
    const [value, range] of [
      [ALPHABET, "bytes=26-"],
      [ALPHABET, "bytes=99-100"],
      [ALPHABET, "bytes=-0"],
      ["", "bytes=0-"],
    ] as const
  ) {
    const response = await ask({ value, headers: { Range: range } });
    assertEquals(
      [response.status, await response.text()],
      [416, "Range Not Satisfiable\n"],
    );
    const content = response.headers.get("Content-Range");
    assertEquals(content, `bytes */${value.length}`);
    assertEquals(response.headers.get("Cache-Control"), "no-store");
  }
});

Deno.test("All bytes answer an invalid range, several, another unit, and a HEAD (RFC 9110, 14.2)", async () => {
  for (
    const range of [
      "bytes=3-1",
      "bytes=0-1,3-4",
      "bytes=-",
      "bytes=",
      "bytes",
      "bytes=a-b",
      "bytes=1-2-3",
      "bytes=+1-2",
      "bytes=0x1-2",
      "lines=0-1",
      "",
    ]
  ) {
    const answer = await answerOf({ headers: { Range: range } });
    assertEquals(answer, [200, ALPHABET], range);
  }
  const head = await ask({ method: "HEAD", headers: { Range: "bytes=0-1" } });
  assertEquals([head.status, head.headers.get("Content-Length")], [200, "26"]);
  const empty = await answerOf({ value: "", headers: { Range: "bytes=-5" } });
  assertEquals(empty, [200, ""]);
});

Deno.test("If-Range lets a range through for the strong tag alone (RFC 9110, 13.1.5)", async () => {
  const tag = await tagOf(ALPHABET);
  for (
    const [given, status] of [
      [tag, 206],
      [`W/${tag}`, 200],
      ['"a"', 200],
      ["*", 200],
      [`${tag}, "a"`, 200],
      ["Fri, 01 Jan 2100 00:00:00 GMT", 200],
    ] as const
  ) {
    const headers = { "If-Range": given, "Range": "bytes=0-1" };
    assertEquals((await answerOf({ headers }))[0], status, given);
    // Nor is there a 416 then.
    const far = { "If-Range": given, "Range": "bytes=99-" };
    assertEquals(
      (await answerOf({ headers: far }))[0],
      status === 206 ? 416 : 200,
    );
  }
});

Deno.test("If-None-Match comes before a range (RFC 9110, 13.2.2)", async () => {
  const headers = { "If-None-Match": "*", "Range": "bytes=99-" };
  assertEquals(await answerOf({ headers }), [304, ""]);
});

/** What a range means, byte by byte. */
function naively(from: string, to: string, bytes: string): [number, string] {
  if (from === "" && to === "") return [200, bytes];
  if (from !== "" && to !== "" && BigInt(to) < BigInt(from)) {
    return [200, bytes];
  }
  const asked = [...bytes].filter((_, i) =>
    from === ""
      ? BigInt(bytes.length - i) <= BigInt(to)
      : BigInt(i) >= BigInt(from) && (to === "" || BigInt(i) <= BigInt(to))
  );
  // A suffix of nothing cannot be named.
  if (bytes === "" && from === "" && BigInt(to) > 0n) return [200, ""];
  return asked.length === 0
    ? [416, "Range Not Satisfiable\n"]
    : [206, asked.join("")];
}

Deno.test("Any range gets the bytes of a naive model", async () => {
  const position = fc.oneof(
    fc.constant(""),
    fc.nat(12).map(String),
    fc.nat(12).map((number) => `00${number}`),
    fc.bigInt(2n ** 70n - 9n, 2n ** 70n).map(String),
  );
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(
      position,
      position,
      fc.nat(10),
      async (from, to, length) => {
        const value = ALPHABET.slice(0, length);
        const headers = { Range: `bytes=${from}-${to}` };
        const response = await ask({ value, headers });
        const { status } = response;
        const body = await response.text();
        assertEquals([status, body], naively(from, to, value), headers.Range);
        if (status === 206) {
          const [, first, last, all] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(
            response.headers.get("Content-Range")!,
          )!;
          assertEquals(value.slice(Number(first), Number(last) + 1), body);
          assertEquals(Number(all), length);
        }
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      },
    ),
    { numRuns: 2000 },
  );
  for (const status of [200, 206, 416]) {
    assert(statuses.get(status)! > 100, `${status}: ${statuses.get(status)}`);
  }
});

Deno.test("Cache-Control has what is left, in whole seconds that outlive nothing (RFC 9111, 5.2.2.1)", async () => {
  for (
    const [ttlMs, control] of [
      [60_000, "max-age=60"],
      [1999.9, "max-age=1"],
      [999, "max-age=0"],
      [0.5, "max-age=0"],
      [0, "no-store"],
      [-1, "max-age=0"],
      [-1e12, "max-age=0"],
      [Infinity, "no-cache"],
      [1e15, "max-age=2147483647"],
    ] as const
  ) {
    assertEquals(
      await headerOf("Cache-Control", { entry: { ttlMs } }),
      control,
      `${ttlMs}`,
    );
  }
});

Deno.test("Both windows begin when the value goes stale (RFC 5861, 3 and 4)", async () => {
  const windows = { staleWhileRevalidateMs: 30_900, staleIfErrorMs: 90_000 };
  for (
    const [ttlMs, control] of [
      [5500, "max-age=5, stale-while-revalidate=30, stale-if-error=90"],
      [-0.1, "max-age=0, stale-while-revalidate=30, stale-if-error=89"],
      [-30_000, "max-age=0, stale-if-error=60"],
      [-89_001, "max-age=0"],
      [-100_000, "max-age=0"],
      // The getter said that nobody should keep it, windows or not.
      [0, "no-store"],
      // It never goes stale.
      [Infinity, "no-cache"],
    ] as const
  ) {
    const entry = { ttlMs, ...windows };
    assertEquals(await headerOf("Cache-Control", { entry }), control);
  }
});

Deno.test("No cache keeps a value past its life and its windows, whatever the times", async () => {
  const ms = fc.double({ min: 0, max: 1e7, noNaN: true });
  await fc.assert(
    fc.asyncProperty(
      fc.double({ min: -1e7, max: 1e7, noNaN: true }),
      ms,
      ms,
      fc.option(ms, { nil: undefined }),
      fc.option(ms, { nil: undefined }),
      async (ttlMs, revalidate, ifError, ageMs, maxAgeMs) => {
        const response = await ask({
          entry: {
            ttlMs,
            ageMs,
            staleWhileRevalidateMs: revalidate,
            staleIfErrorMs: ifError,
          },
          options: maxAgeMs === undefined ? {} : { maxAgeMs },
        });
        await response.text();
        const control = response.headers.get("Cache-Control")!;
        if (ttlMs === 0) return assertEquals(control, "no-store");
        const secondsOf = (name: string) =>
          Number(new RegExp(`${name}=(\\d+)`).exec(control)?.[1] ?? 0);
        const age = Number(response.headers.get("Age") ?? 0);
        const fresh = (secondsOf("max-age") - age) * 1000;
        assert(fresh <= Math.max(0, ttlMs), control);
        assert(fresh >= 0 && fresh <= (maxAgeMs ?? Infinity), control);
        for (
          const [name, window] of [
            ["stale-while-revalidate", revalidate],
            ["stale-if-error", ifError],
          ] as const
        ) {
          const seconds = secondsOf(name);
          const end = fresh + seconds * 1000;
          assert(seconds === 0 || end <= ttlMs + window, `${name}: ${control}`);
        }
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("maxAgeMs bounds what HTTP caches keep, also of a value that never expires", async () => {
  for (
    const [ttlMs, maxAgeMs, control] of [
      [Infinity, 10_000, "max-age=10"],
      [60_000, 10_000, "max-age=10"],
      [5000, 10_000, "max-age=5"],
      [5000, 0, "max-age=0"],
    ] as const
  ) {
    const asked = { entry: { ttlMs }, options: { maxAgeMs } };
    assertEquals(await headerOf("Cache-Control", asked), control);
  }
});

Deno.test("The windows of the options take the place of the entry's", async () => {
  const asked = {
    entry: { staleWhileRevalidateMs: 1000, staleIfErrorMs: 2000 },
    options: { staleWhileRevalidateMs: 0, staleIfErrorMs: 9000 },
  };
  const control = await headerOf("Cache-Control", asked);
  assertEquals(control, "max-age=60, stale-if-error=9");
});

Deno.test("scope says who may keep a value, and who may keep that there is none", async () => {
  const scope = "private";
  for (
    const [ttlMs, control] of [
      [1000, "private, max-age=1"],
      [Infinity, "private, no-cache"],
      [0, "no-store"],
    ] as const
  ) {
    const asked = { entry: { ttlMs }, options: { scope } } as const;
    assertEquals(await headerOf("Cache-Control", asked), control);
  }
  const options = { scope: "public", negativeTtlMs: 2000 } as const;
  const none = errorOf(new NotFoundError("g", "k"), options);
  assertEquals(none.headers.get("Cache-Control"), "public, max-age=2");
});

Deno.test("Age is there where it is known, and max-age counts from the load then (RFC 9111, 5.1)", async () => {
  assertEquals(await headerOf("Age", {}), null);
  const response = await ask({ entry: { ttlMs: 5900, ageMs: 7900 } });
  assertEquals(response.headers.get("Age"), "7");
  // Who looks at Age keeps it for 5 seconds.
  assertEquals(response.headers.get("Cache-Control"), "max-age=12");
});

Deno.test("Cache-Status has a member for each process, the nearest to the source first (RFC 9211, 2)", async () => {
  for (
    const [entry, status] of [
      [{ from: "main" }, "geecache; hit; ttl=60"],
      [{ from: "hot", ttlMs: 999 }, "geecache; hit; ttl=0"],
      [{ from: "main", ttlMs: -1 }, "geecache; hit; ttl=-1"],
      [{ from: "main", ttlMs: Infinity }, "geecache; hit"],
      [{ from: "load" }, "geecache; fwd=miss; ttl=60"],
      [{ from: "load", stored: true }, "geecache; fwd=miss; stored; ttl=60"],
      [{ from: "load", stored: false }, "geecache; fwd=miss; ttl=60"],
      [
        { from: "peer", stored: true },
        "geecache-owner; ttl=60, geecache; fwd=miss; stored; ttl=60",
      ],
      [
        { from: "peer", ttlMs: Infinity },
        "geecache-owner, geecache; fwd=miss",
      ],
    ] as [Partial<FrontEntry>, string][]
  ) {
    assertEquals(await headerOf("Cache-Status", { entry }), status);
  }
});

Deno.test("Cache-Status tells of two processes: a load there, then a copy here", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const [key] = keysOwnedBy(cluster, owner, 1) as [string];
    const answer = async (group: Group) => {
      const entry = await group.getEntry(key);
      const stored = group.peek(key) !== undefined;
      const request = new Request(URL_OF_TOM);
      const { headers } = await entryResponse(request, { ...entry, stored });
      return [headers.get("Cache-Status"), headers.get("Cache-Control")];
    };
    assertEquals(await answer(asker.group), [
      "geecache-owner; ttl=50, geecache; fwd=miss; stored; ttl=50",
      "max-age=50",
    ]);
    await cluster.clock.advance(1500);
    const rest = ["geecache; hit; ttl=48", "max-age=48"];
    assertEquals(await answer(asker.group), rest);
    assertEquals(await answer(owner.group), rest);
  }, {
    getter: () => () => ({ value: "630", ttlMs: 50_000 }),
    group: { shouldMirror: () => true },
  }));

Deno.test("A stale entry of a group is answered with the rest of its window", async () => {
  let time = 0;
  const windows = { staleWhileRevalidateMs: 30_000 };
  const group = new Group("scores", () => "630", {
    ttlMs: 60_000,
    ...windows,
    clock: { now: () => time, after: () => () => {} },
  });
  const controlOf = async () => {
    const entry = await group.getEntry("Tom");
    const request = new Request(URL_OF_TOM);
    const { headers } = await entryResponse(request, { ...entry, ...windows });
    return headers.get("Cache-Control");
  };
  assertEquals(await controlOf(), "max-age=60, stale-while-revalidate=30");
  time = 80_000;
  assertEquals(await controlOf(), "max-age=0, stale-while-revalidate=10");
});

Deno.test("The name in Cache-Status is a token or a string (RFC 8941, 3.3.3 and 3.3.4)", async () => {
  for (
    const [cacheName, status] of [
      ["edge-1", "edge-1; hit; ttl=60"],
      ["10.0.0.1:80", '"10.0.0.1:80"; hit; ttl=60'],
      ['a "b" \\', '"a \\"b\\" \\\\"; hit; ttl=60'],
    ] as const
  ) {
    const options = { cacheName };
    assertEquals(await headerOf("Cache-Status", { options }), status);
  }
});

Deno.test("Headers of the options are sent, and take the place of what would be worked out", async () => {
  const given = new Headers({
    "Content-Type": "text/plain",
    "Cache-Control": "max-age=1, immutable",
  });
  given.append("Set-Cookie", "a=1");
  given.append("Set-Cookie", "b=2");
  const response = await ask({ options: { headers: given } });
  const { headers } = response;
  assertEquals(headers.get("Content-Type"), "text/plain");
  assertEquals(headers.get("Cache-Control"), "max-age=1, immutable");
  assertEquals(headers.getSetCookie(), ["a=1", "b=2"]);
  // What was given is as it was.
  assertEquals(given.has("ETag"), false);
  await response.text();
});

Deno.test("A wrong option or entry is an error that says so", async () => {
  for (
    const [asked, kind, message] of [
      [{ options: { ttlMs: 1 } }, TypeError, 'there is no option "ttlMs"'],
      [{ options: { maxAgeMs: -1 } }, RangeError, "received -1"],
      [{ options: { maxAgeMs: NaN } }, RangeError, "received NaN"],
      [{ options: { staleIfErrorMs: "1" } }, TypeError, 'received "1"'],
      [{ options: { staleWhileRevalidateMs: -1 } }, RangeError, "received -1"],
      [{ options: { scope: "shared" } }, TypeError, 'received "shared"'],
      [{ options: { cacheName: "ü" } }, TypeError, 'received "ü"'],
      [{ options: { cacheName: "" } }, TypeError, 'received ""'],
      [{ options: { cacheName: 1 } }, TypeError, "received 1"],
      [{ options: { headers: { ETag: "v1" } } }, TypeError, 'received "v1"'],
      [
        { options: { headers: { ETag: '"a", "b"' } } },
        TypeError,
        "double quotes",
      ],
      [{ entry: { ttlMs: NaN } }, RangeError, "received NaN"],
    ] as unknown as [Asked, ErrorConstructor, string][]
  ) {
    const error = await assertRejects(() => ask(asked), kind, message);
    assert(error.message.startsWith("Cannot answer with an entry: "));
  }
  for (
    const [options, kind, message] of [
      [{ ttlMs: 1 }, TypeError, 'there is no option "ttlMs"'],
      [{ negativeTtlMs: -1 }, RangeError, "received -1"],
      [{ scope: 1 }, TypeError, "received 1"],
    ] as unknown as [ErrorResponseOptions, ErrorConstructor, string][]
  ) {
    const fail = () => errorOf(new Error("no"), options);
    const error = assertThrows(fail, kind, message);
    assert(error.message.startsWith("Cannot answer with an error: "));
  }
});

function errorOf(
  error: unknown,
  options?: ErrorResponseOptions,
  method = "GET",
): Response {
  const request = new Request(URL_OF_TOM, { method });
  return errorResponse(request, error, options);
}

Deno.test("Each error has its status, is not kept, and tells no client its message", async () => {
  const timeout = new DOMException("2 s", "TimeoutError");
  for (
    const [error, status, text] of [
      [new NotFoundError("scores", "Tom"), 404, "Not Found"],
      [new LoadError("scores", "Tom", "no db"), 500, "Internal Server Error"],
      [new Error("no db"), 500, "Internal Server Error"],
      ["no db", 500, "Internal Server Error"],
      [undefined, 500, "Internal Server Error"],
      [new PeerError("http://p", "gone"), 502, "Bad Gateway"],
      [new BusyError("busy"), 503, "Service Unavailable"],
      [timeout, 504, "Gateway Timeout"],
      [
        new LoadError("scores", "Tom", "late", { cause: timeout }),
        504,
        "Gateway Timeout",
      ],
    ] as const
  ) {
    const response = errorOf(error);
    const body = await response.text();
    assertEquals([response.status, body], [status, `${text}\n`]);
    assertEquals(response.headers.get("Cache-Control"), "no-store");
    const type = response.headers.get("Content-Type");
    assertEquals(type, "text/plain; charset=utf-8");
    const retry = response.headers.get("Retry-After");
    assertEquals(retry, status === 503 ? "1" : null);
  }
});

Deno.test("The answer that there is no such key is kept for negativeTtlMs, and no other error", () => {
  const options = { negativeTtlMs: 5999 };
  const controlOf = (error: unknown) =>
    errorOf(error, options).headers.get("Cache-Control");
  assertEquals(controlOf(new NotFoundError("g", "k")), "max-age=5");
  assertEquals(controlOf(new Error("no db")), "no-store");
  const short = errorOf(new NotFoundError("g", "k"), { negativeTtlMs: 999 });
  assertEquals(short.headers.get("Cache-Control"), "no-store");
  assertEquals(short.status, 404);
});

Deno.test("Not found of another group or key is a failed load, if it is known what was asked", async () => {
  const users = new Group("users", () => undefined);
  const pages = new Group("pages", () => users.get("7").then(String));
  const error = await pages.get("home").catch((error) => error);
  const asked = { group: "pages", key: "home" };
  assertEquals(errorOf(error, { asked }).status, 500);
  const own = await users.get("7").catch((error) => error);
  assertEquals(
    errorOf(own, { asked: { group: "users", key: "7" } }).status,
    404,
  );
});

Deno.test("An error's text and headers can be given, and a HEAD has no body", async () => {
  const options = {
    text: "try again",
    headers: { "Retry-After": "30", "Content-Language": "en" },
  };
  const response = errorOf(new BusyError("busy"), options);
  assertEquals(await response.text(), "try again\n");
  assertEquals(response.headers.get("Retry-After"), "30");
  assertEquals(response.headers.get("Content-Language"), "en");
  const head = errorOf(new BusyError("busy"), options, "HEAD");
  assertEquals([head.status, await head.text()], [503, ""]);
});
