/** Values from an HTTP source, without a network. */

import {
  ByteView,
  type GetterContext,
  Group,
  type Loaded,
} from "../../../mod.ts";
import { httpGetter, urlOf } from "../../../serve/sources/http_getter.ts";
import { unwrap } from "../../../serve/sources/wrapped.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { FakeClock } from "../../support/time.ts";

const TEMPLATE = "https://api.example.com/items/{key}?token=hush";

type Reply = (request: Request) => Response | Promise<Response>;

/** A getter whose source is a function, and what that was asked. */
function sourceOf(reply: Reply, options = {}) {
  const asked: Request[] = [];
  const getter = httpGetter(TEMPLATE, {
    fetch: async (request) => {
      asked.push(request);
      return await reply(request);
    },
    ...options,
  });
  const load = (key: string, stale?: ByteView) =>
    getter(key, {
      group: "items",
      signal: new AbortController().signal,
      stale,
    } as GetterContext);
  return { asked, getter, load };
}

/** What a getter gave, with its value unwrapped. */
function read(loaded: Loaded) {
  const { value, ...life } = loaded as { value: ByteView | Uint8Array };
  const { headers, body } = unwrap(ByteView.from(value));
  return { headers: Object.fromEntries(headers), text: body.text(), life };
}

Deno.test("A key is one part of the URL, whatever it has in it", () => {
  const template = "https://a.example/items/{key}/x?k={key}";
  for (
    const [key, part] of [
      ["Tom", "Tom"],
      ["a/b?c#d", "a%2Fb%3Fc%23d"],
      ["../x", "..%2Fx"],
      ["%2e", "%252e"],
      ["ü 'é\n", "%C3%BC%20%27%C3%A9%0A"],
      ["{key}", "%7Bkey%7D"],
      ["$&", "%24%26"],
    ] as const
  ) {
    const url = `https://a.example/items/${part}/x?k=${part}`;
    assertEquals(urlOf(template, key), url);
  }
});

Deno.test("A key that would lead to another path is no key of the source", async () => {
  const { asked, load } = sourceOf(() => new Response("other"));
  assertEquals(await load(".."), undefined);
  assertEquals(await load("."), undefined);
  assertEquals(asked.length, 0);
  assertEquals(
    urlOf("https://a.example/?k={key}", ".."),
    "https://a.example/?k=..",
  );
});

Deno.test("A value has its life and what clients should know of it", async () => {
  const { load } = sourceOf(() =>
    new Response("630", {
      headers: {
        "Content-Type": "text/plain",
        "ETag": '"1"',
        "Cache-Control": "max-age=60, stale-if-error=90",
        "X-Other": "x",
      },
    })
  );
  assertEquals(read(await load("Tom")), {
    headers: {
      "cache-control": "stale-if-error=90",
      "content-type": "text/plain",
      "etag": '"1"',
    },
    text: "630",
    life: { ttlMs: 60_000, staleIfErrorMs: 90_000 },
  });
});

Deno.test("A stale value is asked for again with its tag and its date", async () => {
  const date = "Mon, 01 Jan 2024 00:00:00 GMT";
  let reply = new Response("630", {
    headers: { "ETag": 'W/"1"', "Last-Modified": date },
  });
  const { asked, load } = sourceOf(() => reply);
  const { value } = await load("Tom") as { value: Uint8Array };
  const stale = ByteView.from(value);
  reply = new Response(null, {
    status: 304,
    headers: { "Cache-Control": "max-age=5" },
  });
  const again = await load("Tom", stale) as { value: ByteView; ttlMs: number };
  assertEquals(asked[0]!.headers.get("If-None-Match"), null);
  assertEquals(asked[1]!.headers.get("If-None-Match"), 'W/"1"');
  assertEquals(asked[1]!.headers.get("If-Modified-Since"), date);
  // The same bytes, for as long as the source says now.
  assert(again.value === stale);
  assertEquals(again.ttlMs, 5_000);
});

Deno.test("A 304 may bring another tag, and the type of the 200 stays", async () => {
  const { load } = sourceOf((request) =>
    request.headers.has("If-None-Match")
      ? new Response(null, { status: 304, headers: { ETag: '"2"' } })
      : new Response("630", {
        headers: { "ETag": '"1"', "Content-Type": "text/plain" },
      })
  );
  const first = await load("Tom") as { value: Uint8Array };
  assertEquals(read(await load("Tom", ByteView.from(first.value))), {
    headers: { "content-type": "text/plain", "etag": '"2"' },
    text: "630",
    life: {},
  });
});

Deno.test("404 and 410 mean that there is no such key", async () => {
  for (const status of [404, 410]) {
    const { load } = sourceOf(() => new Response("gone", { status }));
    assertEquals(await load("Tom"), undefined);
  }
});

Deno.test("Any other answer, or none, is a failure that does not tell the query", async () => {
  const refused = async (reply: Reply, options?: object) => {
    const { load } = sourceOf(reply, options);
    return (await assertRejects(async () => await load("Tom"), Error)).message;
  };
  const start = 'Cannot load "Tom" from https://api.example.com/items/{key}: ';
  for (const status of [204, 304, 400, 500, 503]) {
    const body = status === 204 || status === 304 ? null : "x";
    assertEquals(
      await refused(() => new Response(body, { status })),
      `${start}it answered ${status}`,
    );
  }
  assertEquals(
    await refused(({ url }) => {
      throw new TypeError(`error sending request for url (${url})`);
    }),
    `${start}error sending request for url (https://api.example.com/items/{key})`,
  );
  assertEquals(
    await refused(() => {
      const cause = new Error("url (https://b.example/x?token=hush): refused");
      throw new TypeError("fetch failed", { cause });
    }),
    `${start}fetch failed: url (https://b.example/x): refused`,
  );
  // A key may be as long as a body.
  const { load } = sourceOf(() => new Response(null, { status: 503 }));
  const { message } = await assertRejects(
    async () => await load("k".repeat(1_000)),
    Error,
  );
  assert(message.startsWith(`Cannot load "${"k".repeat(100)}…" from `));
  // An empty line stands in front of it.
  for (const body of ["12345", "1234"]) {
    assertEquals(
      await refused(() => new Response(body), { maxValueBytes: 4 }),
      `${start}it has more than 4 bytes`,
    );
  }
  // They would be taken for a part of the value.
  const headers = { "ETag": `"${"a".repeat(65_536)}"` };
  assertEquals(
    await refused(() => new Response(null, { headers })),
    `${start}its headers have more than 65536 bytes: received 65546`,
  );
  const broken = new ReadableStream({
    pull(controller) {
      controller.error(new TypeError("the connection was reset"));
    },
  });
  assertEquals(
    await refused(() => new Response(broken)),
    `${start}the connection was reset`,
  );
});

Deno.test("The body of an answer that is no value is not read", async () => {
  for (const status of [404, 500]) {
    let cancelled = false;
    const body = new ReadableStream({ cancel: () => void (cancelled = true) });
    const { load } = sourceOf(() => new Response(body, { status }));
    await Promise.resolve(load("Tom")).catch(() => {});
    assert(cancelled, `${status}`);
  }
});

Deno.test("A group over a source answers a stale value, asks with its tag, and keeps it through an outage", async () => {
  const clock = new FakeClock();
  let status = 200;
  const { asked, getter } = sourceOf((request) =>
    status === 503
      ? new Response(null, { status })
      : request.headers.get("If-None-Match") === '"1"'
      ? new Response(null, {
        status: 304,
        headers: { "Cache-Control": "max-age=60, stale-while-revalidate=30" },
      })
      : new Response("630", {
        headers: {
          "ETag": '"1"',
          "Cache-Control":
            "max-age=60, stale-while-revalidate=30, stale-if-error=600",
        },
      })
  );
  const group = new Group("items", getter, { clock, staleIfErrorMs: 900_000 });
  const get = async () => unwrap(await group.get("Tom")).body.text();
  assertEquals(await get(), "630");
  await clock.advance(70_000);
  assertEquals(await get(), "630");
  // A refresh begins once the answer is on its way.
  await clock.advance(0);
  assertEquals(asked.length, 2);
  assertEquals(asked[1]!.headers.get("If-None-Match"), '"1"');
  await clock.advance(59_000);
  assertEquals(await get(), "630");
  assertEquals(asked.length, 2);
  status = 503;
  await clock.advance(120_000);
  assertEquals(await get(), "630");
  assertEquals(asked.length, 3);
  group.close();
});
