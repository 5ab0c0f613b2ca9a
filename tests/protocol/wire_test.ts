import fc from "fast-check";
import { ByteView } from "../../base/byte_view.ts";
import type { PeerValue } from "../../base/peers.ts";
import {
  bodyHeadOf,
  decodeCount,
  decodeKey,
  decodeMs,
  encodeKey,
  groupPath,
  keyPath,
  MAX_PATH_LENGTH,
  pathOf,
  readBody,
  readLife,
  readTarget,
  writeLife,
} from "../../protocol/wire.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { CHARACTER } from "../support/text.ts";

const BASE = "/_geecache/";

/** Any key that a group accepts. */
const anyKey = fc.oneof(
  fc.string({ unit: CHARACTER, minLength: 1 }),
  fc.constantFrom(".", "..", "/", "//", "a//b", "%2e", "%", "+", " ", "\0"),
  fc.constantFrom("?", "#", "a?b#c", "..%2f", "../x", "x/..", "😀", "\ufeff"),
);

/** What a path is read as, once it was the URL of a `Request`. */
function target(group: string, key: string) {
  // To Go, every key travels in a path.
  const path = keyPath(BASE, group, key, false);
  assert(path !== undefined);
  const { url } = new Request(`http://localhost:8001${path}`);
  return readTarget(pathOf(url)!, BASE);
}

Deno.test("Every key is read from its path as it was written, through a Request", () => {
  fc.assert(fc.property(anyKey, (key) => {
    assertEquals(target("g", key), { group: "g", key, clear: undefined });
  }));
});

Deno.test("Every group name is read from a path as it was written", () => {
  const name = anyKey.filter((n) =>
    !n.includes("/") && n !== "." && n !== ".." && n.isWellFormed()
  );
  fc.assert(fc.property(name, anyKey, (group, key) => {
    assertEquals(target(group, key), { group, key, clear: undefined });
  }));
});

Deno.test("A key whose path would be too long has none", () => {
  assertEquals(MAX_PATH_LENGTH, 4096);
  const room = MAX_PATH_LENGTH - keyPath(BASE, "g", "x")!.length + 1;
  assertEquals(keyPath(BASE, "g", "x".repeat(room))?.length, MAX_PATH_LENGTH);
  assertEquals(keyPath(BASE, "g", "x".repeat(room + 1)), undefined);
  assertEquals(keyPath(BASE, "g", "ä".repeat(room / 2)), undefined);
  assertEquals(keyPath(BASE, "g", "x".repeat(65536)), undefined);
});

Deno.test("readTarget() never throws, whatever the path", () => {
  const path = fc.string({ unit: "grapheme-ascii" }).map((text) => BASE + text);
  fc.assert(fc.property(path, (text) => {
    const target = readTarget(text, BASE);
    assert(target !== "outside");
  }));
});

Deno.test("readTarget() tells ?clear from a key", () => {
  const path = groupPath(BASE, "g");
  const target = readTarget(`${path}?clear`, BASE);
  assertEquals(target, { group: "g", key: undefined, clear: "all" });
  assertEquals(readTarget(`${path}?clear=copies`, BASE), {
    group: "g",
    key: undefined,
    clear: "copies",
  });
  assertEquals(readTarget(`${path}?clearly`, BASE), {
    group: "g",
    key: undefined,
    clear: undefined,
  });
  assertEquals(readTarget(`${path}?key=clear`, BASE), {
    group: "g",
    key: "clear",
    clear: undefined,
  });
});

Deno.test("pathOf() gives the path and query of a URL", () => {
  assertEquals(pathOf("http://h:80/a/b?c=/d"), "/a/b?c=/d");
  assertEquals(pathOf("https://[::1]:8/a#b/c"), "/a");
  for (
    const url of ["", "/a", "//a/b", "/a://b/c", "x:1", "://a/b", "http://h"]
  ) {
    assertEquals(pathOf(url), undefined, url);
  }
});

Deno.test("A key as a body is UTF-8 and keeps its byte order mark", () => {
  fc.assert(fc.property(anyKey, (key) => {
    assertEquals(decodeKey(encodeKey(key)), key);
  }));
  assertEquals(decodeKey(new Uint8Array([0xff])), undefined);
});

Deno.test("The time left is sent in whole milliseconds, rounded down, and without an end there is no header", () => {
  const value = ByteView.from("v");
  const written = (life: Omit<PeerValue, "value">) => {
    const headers: Record<string, string> = {};
    writeLife(headers, { value, ...life });
    return headers;
  };
  assertEquals(written({}), {});
  assertEquals(written({ ttlMs: Infinity }), {});
  assertEquals(written({ ttlMs: 2 ** 53 }), {});
  assertEquals(written({ ttlMs: 1500.9 }), { "Geecache-Ttl": "1500" });
  assertEquals(written({ ttlMs: 2 ** 31 }), { "Geecache-Ttl": "2147483648" });
  assertEquals(decodeMs("1500"), 1500);
  for (const text of ["", "-1", "1.5", "1e3", "x", " 1", "9".repeat(17)]) {
    assertEquals(decodeMs(text), undefined);
  }
  const read = (headers: Record<string, string>, ms: number) =>
    readLife(value, new Headers(headers), ms);
  assertEquals(read({}, 0), { value });
  assertEquals(read({ "Geecache-Ttl": "5" }, 2), { value, ttlMs: 3 });
  assertEquals(read({ "Geecache-Ttl": "5" }, 9), { value, ttlMs: 0 });
  assertEquals(read({ "Geecache-Ttl": "soon" }, 0), undefined);
});

Deno.test("How long a value is stale is rounded up, and windows go with it, also those without an end", () => {
  const value = ByteView.from("v");
  const headers: Record<string, string> = {};
  const staleWhileRevalidateMs = 60_000.5;
  const staleIfErrorMs = Infinity;
  const ttlMs = -20.5;
  writeLife(headers, { value, ttlMs, staleWhileRevalidateMs, staleIfErrorMs });
  assertEquals(headers, {
    "Geecache-Stale": "21",
    "Geecache-Windows": "60000 9007199254740991",
  });
  assertEquals(readLife(value, new Headers(headers), 9), {
    value,
    ttlMs: -30,
    staleWhileRevalidateMs: 60_000,
    staleIfErrorMs,
  });
  // One that may be stale goes stale on the way.
  const fresh = { "Geecache-Ttl": "5", "Geecache-Windows": "100 0" };
  assertEquals(readLife(value, new Headers(fresh), 9), {
    value,
    ttlMs: -4,
    staleWhileRevalidateMs: 100,
    staleIfErrorMs: 0,
  });
  for (const windows of ["", "1", "1 -1", "1 x", "1.5 2", "1 2 3"]) {
    const headers = { "Geecache-Ttl": "5", "Geecache-Windows": windows };
    assertEquals(readLife(value, new Headers(headers), 0), undefined, windows);
  }
  const stale = { "Geecache-Stale": "-1" };
  assertEquals(readLife(value, new Headers(stale), 0), undefined);
});

Deno.test("readBody() reads up to its limit and cancels the rest", async () => {
  let cancelled = 0;
  const stream = (sizes: number[]) =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        const size = sizes.shift();
        if (size === undefined) controller.close();
        else controller.enqueue(new Uint8Array(size).fill(size));
      },
      cancel: () => void cancelled++,
    });
  const bodyOf = (response: Response, limit: number) =>
    readBody(response, bodyHeadOf(response.headers), limit);
  const read = (sizes: number[], headers: Record<string, string> = {}) =>
    bodyOf(new Response(stream(sizes), { headers }), 10);
  assertEquals((await read([3, 7]))?.length, 10);
  assertEquals(await read([3, 8, 1]), undefined);
  assertEquals(cancelled, 1);
  assertEquals(await read([1], { "Content-Length": "11" }), undefined);
  assertEquals(cancelled, 2);
  assertEquals(await bodyOf(new Response(null), 0), new Uint8Array());
});

Deno.test("A count is read from its header only if it is a whole number", () => {
  const counts: [string | null, number][] = [
    ["0", 0],
    ["12", 12],
    ["999999999999999", 999999999999999],
    [null, 0],
    ["", 0],
    ["-1", 0],
    ["1.5", 0],
    ["1e9", 0],
    ["NaN", 0],
    ["12, 12", 0],
    ["9".repeat(400), 0],
  ];
  for (const [header, count] of counts) {
    assertEquals(decodeCount(header), count, `${header}`);
  }
});
