/** Links as the handler serves them, also to askers that mean no good. */

import fc from "fast-check";
import { type Getter, HTTPPool, type HTTPPoolOptions } from "../../mod.ts";
import {
  ANSWER,
  ASK,
  float64,
  HOT,
  MAX_ASK_BYTES,
  MAX_GROUPS,
  MAX_VALUE_BYTES,
  uint32,
} from "../../protocol/link.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { Asker, concat, framesBy, rawFrame } from "../support/links.ts";
import { SILENT } from "../support/logger.ts";
import { FakeClock, gate, settle } from "../support/time.ts";

interface Server {
  clock: FakeClock;
  pool: HTTPPool;
  /** The keys that were loaded, in order. */
  loads: string[];
}

/** Runs a pool with a group "g", closes it, and checks that it left no timer and no link. */
async function withServer(
  run: (server: Server) => Promise<void>,
  getter: Getter = (key) => `<${key}>`,
  options: HTTPPoolOptions & { maxBytes?: number } = {},
): Promise<void> {
  const { maxBytes, ...rest } = options;
  const clock = new FakeClock();
  const pool = new HTTPPool("http://self", {
    clock,
    logger: SILENT,
    handoverMs: 0,
    fetch: () => Promise.reject(new TypeError("connection refused")),
    ...rest,
  });
  const loads: string[] = [];
  const group = (key: string, context: Parameters<Getter>[1]) => {
    loads.push(key);
    return getter(key, context);
  };
  pool.group("g", group, maxBytes === undefined ? {} : { maxBytes });
  try {
    await run({ clock, pool, loads });
  } finally {
    await pool.close();
  }
  await settle();
  assertEquals([clock.pending, pool.stats().links, pool.stats().serving], [
    0,
    0,
    0,
  ]);
}

/** A getter that never answers, and the signals of its loads by key. */
function stuck(): { getter: Getter; signals: Map<string, AbortSignal> } {
  const signals = new Map<string, AbortSignal>();
  return {
    signals,
    getter: (key, { signal }) => {
      signals.set(key, signal);
      return new Promise<string>(() => {});
    },
  };
}

/** What came back, as kind, number and text. */
function shown({ frames }: Asker): [number, number, string][] {
  return frames.map(({ kind, id, text }) => [kind, id, text]);
}

// ---- opening

Deno.test("A link is answered at once with its head and a pong, while its body goes on", () =>
  withServer(async ({ pool }) => {
    const asker = await Asker.open(pool);
    await settle();
    const { status, headers } = asker.response;
    assertEquals(
      [
        status,
        ...["Result", "Link", "Target"].map((name) =>
          headers.get(`Geecache-${name}`)
        ),
      ],
      [200, "link", "1", null],
    );
    assertEquals(headers.get("Cache-Control"), "no-store, no-transform");
    assertEquals(asker.all.map(({ kind, id }) => [kind, id]), [[10, 0]]);
    assertEquals(pool.stats().links, 1);
  }));

Deno.test("A ping is answered with its own number", () =>
  withServer(async ({ pool }) => {
    const asker = await Asker.open(pool);
    await asker.say((to) => {
      for (const id of [7, 0, 2 ** 32 - 1]) to.head(ASK.ping, id);
    });
    assertEquals(asker.frames.map(({ id }) => id), [7, 0, 2 ** 32 - 1]);
  }));

Deno.test("A link says what it is about if it is asked, and that is checked", () =>
  withServer(async ({ pool }) => {
    const mark = "00000000811c9dc5";
    const good = await Asker.open(pool, {
      headers: { "Geecache-Target": mark },
    });
    assertEquals(good.response.headers.get("Geecache-Target"), mark);
    const bad = await Asker.open(pool, {
      headers: { "Geecache-Target": "01d41b76e20c2606" },
    });
    assertEquals(bad.response.status, 400);
  }));

Deno.test("A request that may not open a link is refused, and no link is served", () =>
  withServer(
    async ({ pool }) => {
      const good = {
        "Geecache-Secret": "sixteen-characters",
        "Geecache-Cluster": "a",
      };
      const cases: [
        number,
        string,
        string,
        Parameters<typeof Asker.open>[1],
      ][] = [
        [401, "refused", "secret", {
          headers: { "Geecache-Secret": undefined },
        }],
        [401, "refused", "secret", {
          headers: { "Geecache-Secret": "x".repeat(18) },
        }],
        [403, "refused", "cluster", { headers: { "Geecache-Cluster": "b" } }],
        [403, "refused", "cluster", {
          headers: { "Geecache-Cluster": undefined },
        }],
        [403, "refused", "Geecache-Peer", {
          headers: { "Geecache-Peer": undefined },
        }],
        [403, "refused", "page", {
          headers: { "Sec-Fetch-Site": "cross-site" },
        }],
        [403, "refused", "page", {
          headers: { Origin: "http://evil.example" },
        }],
        [400, "bad-request", "version 1", {
          headers: { "Geecache-Link": "2" },
        }],
        [400, "bad-request", "version 1", { headers: { "Geecache-Link": "" } }],
        [400, "bad-request", "POST <base>", { method: "PUT" }],
        [400, "bad-request", "POST <base>", { method: "DELETE" }],
        [400, "bad-request", "POST <base>", { path: "/_geecache/g" }],
        [400, "bad-request", "POST <base>", { path: "/_geecache/g/k" }],
        [404, "null", "outside", { path: "/other/" }],
      ];
      for (const [status, result, message, options] of cases) {
        const headers = { ...good, ...options!.headers };
        const { response } = await Asker.open(pool, { ...options, headers });
        const about = JSON.stringify(options);
        assertEquals(response.status, status, about);
        assertEquals(
          `${response.headers.get("Geecache-Result")}`,
          result,
          about,
        );
        assertStringIncludes(await response.text(), message);
      }
      assertEquals(pool.stats().links, 0);
      const { response } = await Asker.open(pool, { headers: good });
      assertEquals([response.status, pool.stats().links], [200, 1]);
    },
    undefined,
    { secret: "sixteen-characters", cluster: "a" },
  ));

Deno.test("A link without a body is refused, and one whose body is whole is answered and ends", () =>
  withServer(async ({ pool }) => {
    const headers = { "Geecache-Peer": "http://asker", "Geecache-Link": "1" };
    // As behind a proxy that speaks HTTP/1.0.
    const none = await pool.handler(
      new Request("http://self/_geecache/", { method: "POST", headers }),
    );
    assertEquals([none.status, none.headers.get("Geecache-Result")], [
      400,
      "bad-request",
    ]);
    assertStringIncludes(await none.text(), "a body that goes on");
    const whole = await pool.handler(
      new Request("http://self/_geecache/", {
        method: "POST",
        headers,
        body: framesBy((to) => to.head(ASK.ping, 3)),
      }),
    );
    assertEquals(
      new Uint8Array(await whole.arrayBuffer()),
      framesBy((to) => to.head(ANSWER.pong, 3)),
    );
    assertEquals(pool.stats().links, 0);
  }));

Deno.test("A GET with Geecache-Link is no link", () =>
  withServer(async ({ pool }) => {
    const response = await pool.handler(
      new Request("http://self/_geecache/g/k", {
        headers: { "Geecache-Link": "1" },
      }),
    );
    assertEquals([response.status, await response.text()], [200, "<k>"]);
  }));

Deno.test("A pool in a protocol of Go serves no links", () =>
  withServer(
    async ({ pool }) => {
      const { response } = await Asker.open(pool);
      assertEquals([response.status, pool.stats().links], [405, 0]);
      await response.body?.cancel();
    },
    undefined,
    { protocol: "geecache" },
  ));

Deno.test("Of 4,097 links the last is told that the server is busy, until another one ends", () =>
  withServer(async ({ pool }) => {
    const [first] = await Promise.all(
      Array.from({ length: 4_096 }, () => Asker.open(pool, { reads: false })),
    );
    const { response } = await Asker.open(pool);
    const { status, headers } = response;
    assertEquals([status, headers.get("Geecache-Result")], [429, "busy"]);
    assert(headers.has("Retry-After"));
    assertStringIncludes(await response.text(), "4096 links");
    await first!.finish();
    assertEquals((await Asker.open(pool)).response.status, 200);
  }));

// ---- answers

Deno.test("Each question gets its answer, and what is in memory does not wait for what is loaded", () => {
  const opened = gate<string>();
  return withServer(async ({ pool }) => {
    await pool.getGroup("g")!.get("cached");
    const asker = await Asker.open(pool);
    await asker.ask(["slow", "cached", "empty", "none", "bad", ""]);
    assertEquals(shown(asker), [
      [ANSWER.value, 2, "<cached>"],
      [ANSWER.badKey, 6, "the key is empty"],
      [ANSWER.failed, 5, "broken, 日本"],
      [ANSWER.value, 3, ""],
      [ANSWER.notFound, 4, ""],
    ]);
    opened.open("late");
    await settle();
    assertEquals(shown(asker).at(-1), [ANSWER.value, 1, "late"]);
  }, (key) => {
    switch (key) {
      case "slow":
        return opened.opened;
      case "empty":
        return "";
      case "none":
        return undefined;
      case "bad":
        throw new Error("broken, 日本");
      default:
        return `<${key}>`;
    }
  });
});

Deno.test("A question for a group that the pool does not have yet is answered so, and for a group that comes later with its value", () =>
  withServer(async ({ pool }) => {
    const asker = await Asker.open(pool);
    const ask = (id: number) =>
      asker.say((to) => to.question(ASK.get, id, 0, 0, "k"));
    await asker.say((to) => to.text(ASK.group, 0, "later"));
    await ask(1);
    pool.group("later", () => "v");
    await ask(2);
    assertEquals(shown(asker), [[ANSWER.noGroup, 1, ""], [
      ANSWER.value,
      2,
      "v",
    ]]);
  }));

Deno.test("A number that is given again stands for another group from then on", () =>
  withServer(async ({ pool }) => {
    pool.group("h", (key) => `h: ${key}`);
    const asker = await Asker.open(pool);
    await asker.say((to) => {
      to.text(ASK.group, 0, "g");
      to.question(ASK.get, 1, 0, 0, "a");
      to.text(ASK.group, 1, "h");
      to.question(ASK.get, 2, 1, 0, "a");
      to.text(ASK.group, 0, "h");
      to.question(ASK.get, 3, 0, 0, "b");
    });
    assertEquals(shown(asker).sort(([, a], [, b]) => a - b), [
      [ANSWER.value, 1, "<a>"],
      [ANSWER.value, 2, "h: a"],
      [ANSWER.value, 3, "h: b"],
    ]);
  }));

Deno.test("A value that expires says how long it has left, and how long the question has waited", () => {
  const opened = gate();
  return withServer(async ({ clock, pool }) => {
    const asker = await Asker.open(pool);
    await asker.ask(["k"]);
    await clock.advance(300);
    opened.open();
    await clock.advance(400);
    await asker.ask(["k"]);
    const told = asker.frames.map(({ kind, bytes }) => [
      kind,
      float64(bytes, 0),
      uint32(bytes, 8),
      new TextDecoder().decode(bytes.subarray(12)),
    ]);
    assertEquals(told, [[2, 1_000, 300, "v"], [2, 600, 0, "v"]]);
  }, async () => {
    await opened.opened;
    return { value: "v", ttlMs: 1_000 };
  });
});

Deno.test("A value that many ask for is marked, and what askers served counts", () =>
  withServer(async ({ pool }) => {
    const asker = await Asker.open(pool);
    await asker.ask(["k"]);
    assertEquals(asker.frames.at(-1)!.kind, ANSWER.value);
    await asker.say((to) => {
      for (let id = 2; id < 200; id++) to.question(ASK.get, id, 0, 65_535, "k");
    });
    const kinds = asker.frames.map(({ kind }) => kind);
    assertEquals(kinds.length, 199);
    for (const kind of kinds) assertEquals(kind & ~HOT, ANSWER.value);
  }));

Deno.test("A peek is answered from memory alone, also while the pool drains or is busy", () =>
  withServer(
    async ({ pool, loads }) => {
      pool.setPeers(["http://self", "http://asker"]);
      const asker = await Asker.open(pool);
      await asker.ask(["held"]);
      assertEquals(loads, ["held"]);
      loads.length = 0;
      const peek = (id: number) =>
        asker.say((to) => {
          to.question(ASK.peek, id, 0, 0, "held");
          to.question(ASK.peek, id + 1, 0, 0, "other");
        });
      await peek(1);
      pool.drain({ timeoutMs: Infinity });
      await peek(3);
      const answers = shown(asker).slice(1);
      assertEquals(answers.filter(([kind]) => kind !== ANSWER.closing), [
        [ANSWER.value, 1, "<held>"],
        [ANSWER.notFound, 2, ""],
        [ANSWER.value, 3, "<held>"],
        [ANSWER.notFound, 4, ""],
      ]);
      assertEquals(loads, []);
    },
    undefined,
    { maxPeerRequests: 1 },
  ));

Deno.test("A value that is too large for a link is asked for alone, found by the request that follows, and loaded once", async () => {
  // Memory has room for it, and no room.
  for (const maxBytes of [64 * 1024 * 1024, 1_000]) {
    await withServer(
      async ({ pool, loads }) => {
        const asker = await Asker.open(pool);
        await asker.ask(["big", "fits"]);
        assertEquals(
          asker.frames.map(({ kind, id, bytes }) => [kind, id, bytes.length]),
          [[ANSWER.alone, 1, 0], [ANSWER.value, 2, MAX_VALUE_BYTES]],
        );
        const get = await pool.handler(
          new Request("http://self/_geecache/g/big", {
            headers: {
              "Geecache-Peer": "http://asker",
              "Geecache-Wait": "100",
            },
          }),
        );
        assertEquals(get.status, 200);
        assertEquals((await get.arrayBuffer()).byteLength, MAX_VALUE_BYTES + 1);
        assertEquals(loads, ["big", "fits"]);
      },
      (key) => new Uint8Array(MAX_VALUE_BYTES + (key === "big" ? 1 : 0)),
      { maxBytes },
    );
  }
});

Deno.test("A failed load says at most 16,384 characters", () =>
  withServer(async ({ pool }) => {
    const asker = await Asker.open(pool);
    await asker.ask(["k"]);
    assertEquals(asker.frames[0]!.text, "日".repeat(16_384));
  }, () => {
    throw new Error("日".repeat(50_000));
  }));

Deno.test("More keys than maxPeerRequests are answered busy, until others are loaded", () => {
  const opened = gate<string>();
  return withServer(
    async ({ pool, loads }) => {
      const asker = await Asker.open(pool);
      await asker.ask(["a", "b", "c"]);
      assertEquals(shown(asker), [[ANSWER.busy, 3, ""]]);
      assertEquals(pool.stats().serving, 2);
      // They count for all links, and for requests.
      const other = await Asker.open(pool, {
        headers: { "Geecache-Peer": "http://other" },
      });
      await other.ask(["d"]);
      assertEquals(shown(other), [[ANSWER.busy, 1, ""]]);
      opened.open("v");
      await settle();
      assertEquals(pool.stats().serving, 0);
      await other.say((to) => to.question(ASK.get, 2, 0, 0, "d"));
      assertEquals(shown(other).at(-1), [ANSWER.value, 2, "v"]);
      assertEquals(loads, ["a", "b", "d"]);
    },
    () => opened.opened,
    { maxPeerRequests: 2 },
  );
});

Deno.test("A pool that drains says so on each link, answers from memory, and loads nothing more", () => {
  const opened = gate<string>();
  return withServer(async ({ pool, loads }) => {
    const askers = [await Asker.open(pool), await Asker.open(pool)];
    const [asker] = askers as [Asker];
    pool.setPeers(["http://self", "http://asker"]);
    // This process owns the second one.
    await asker.ask(["slow", "held"]);
    loads.length = 0;
    pool.drain({ timeoutMs: Infinity });
    await settle();
    for (const one of askers) {
      assertEquals(shown(one).at(-1), [ANSWER.closing, 0, ""]);
    }
    await asker.say((to) => {
      to.question(ASK.get, 2, 0, 0, "held");
      to.question(ASK.get, 3, 0, 0, "new");
    });
    opened.open("v");
    await settle();
    assertEquals(shown(asker).slice(2), [
      [ANSWER.value, 2, "<held>"],
      [ANSWER.draining, 3, ""],
      [ANSWER.value, 1, "v"],
    ]);
    const late = await Asker.open(pool);
    assertEquals(late.response.headers.get("Geecache-Draining"), "1");
    assertEquals(loads, []);
  }, (key) => key === "slow" ? opened.opened : `<${key}>`);
});

Deno.test("A pool that closes ends its links in order, and opens no more", () => {
  const { getter, signals } = stuck();
  return withServer(async ({ pool }) => {
    const asker = await Asker.open(pool);
    await asker.ask(["k"]);
    await pool.close();
    await settle();
    assertEquals([asker.end, asker.frames.length], ["in order", 0]);
    assertEquals(signals.get("k")!.aborted, true);
    const { status } = (await Asker.open(pool)).response;
    assertEquals([status, pool.stats().links], [503, 0]);
  }, getter);
});

Deno.test("A group that closes answers the questions that wait for it: ask the next node", () => {
  const { getter } = stuck();
  return withServer(async ({ pool }) => {
    const asker = await Asker.open(pool);
    await asker.ask(["k"]);
    await pool.getGroup("g")!.close();
    await settle();
    assertEquals(shown(asker), [[ANSWER.noGroup, 1, ""]]);
  }, getter);
});

Deno.test("The list that an asker told is compared, also one that it tells later", () =>
  withServer(async ({ pool }) => {
    pool.setPeers(["http://self", "http://asker"]);
    const { ring } = pool.stats();
    const differs = () => pool.stats().peers[0]!.ringDiffers;
    const asker = await Asker.open(pool, {
      headers: { "Geecache-Ring": ring },
    });
    await settle();
    assertEquals(differs(), false);
    await asker.say((to) => to.text(ASK.list, 0, "another"));
    assertEquals(differs(), true);
    await asker.say((to) => to.text(ASK.list, 0, ring));
    assertEquals(differs(), false);
    // It is this pool that has another list now.
    pool.setPeers(["http://self", "http://asker", "http://third"]);
    await asker.say((to) => to.head(ASK.ping, 0));
    assertEquals(pool.stats().peers[0]!.ringDiffers, true);
  }));

// ---- askers that leave

Deno.test("A question that is taken back ends its load, if nobody else waits for it", () => {
  const { getter, signals } = stuck();
  return withServer(async ({ pool }) => {
    const asker = await Asker.open(pool);
    const other = await Asker.open(pool, {
      headers: { "Geecache-Peer": "http://other" },
    });
    await asker.ask(["a", "b"]);
    await other.ask(["b"]);
    await asker.say((to) => {
      to.head(ASK.cancel, 1);
      to.head(ASK.cancel, 2);
    });
    assertEquals(signals.get("a")!.aborted, true);
    assertEquals(signals.get("b")!.aborted, false);
    await other.say((to) => to.head(ASK.cancel, 1));
    assertEquals(signals.get("b")!.aborted, true);
    assertEquals([asker.frames.length, pool.stats().serving], [0, 0]);
    // The number can be given again.
    await asker.ask(["c"]);
    assertEquals(signals.has("c"), true);
  }, getter);
});

Deno.test("Nothing is wrong with taking back what was answered, or was never asked", () =>
  withServer(async ({ pool }) => {
    const asker = await Asker.open(pool);
    await asker.ask(["k"]);
    await asker.say((to) => {
      for (const id of [1, 1, 99, 0, 2 ** 32 - 1]) to.head(ASK.cancel, id);
      to.question(ASK.get, 1, 0, 0, "k");
    });
    assertEquals(shown(asker), [[1, 1, "<k>"], [1, 1, "<k>"]]);
    assertEquals(asker.end, undefined);
  }));

Deno.test("Nobody waits any more for the loads of a link that its asker ended in order", () => {
  const { getter, signals } = stuck();
  return withServer(async ({ pool }) => {
    const asker = await Asker.open(pool);
    await asker.ask(["k"]);
    await asker.finish();
    assertEquals([signals.get("k")!.aborted, asker.end], [true, "in order"]);
    assertEquals(pool.stats().serving, 0);
  }, getter);
});

Deno.test("The loads of a link that broke are kept for five seconds, and the question that comes again joins them", async () => {
  const breaks: ((asker: Asker) => Promise<void>)[] = [
    (asker) => asker.cut(),
    (asker) => asker.leave(),
    // It ends within a frame, as it does where the connection broke.
    async (asker) => {
      await asker.send(rawFrame(ASK.get, 9, [], 5));
      await asker.finish();
    },
  ];
  for (const breakIt of breaks) {
    const { getter, signals } = stuck();
    await withServer(async ({ clock, pool, loads }) => {
      const asker = await Asker.open(pool);
      await asker.ask(["a", "b"]);
      await breakIt(asker);
      assertEquals([pool.stats().links, pool.stats().serving], [0, 0]);
      await clock.advance(4_000);
      const again = await Asker.open(pool);
      await again.ask(["a"]);
      await clock.advance(999);
      assertEquals(signals.get("b")!.aborted, false);
      await clock.advance(1);
      assertEquals(signals.get("b")!.aborted, true);
      await clock.advance(20_000);
      assertEquals(signals.get("a")!.aborted, false);
      assertEquals(loads, ["a", "b"]);
    }, getter);
  }
});

Deno.test("A link that says nothing for 30 seconds ends, and one that pings goes on", () =>
  withServer(async ({ clock, pool }) => {
    const silent = await Asker.open(pool);
    const alive = await Asker.open(pool);
    for (let i = 0; i < 4; i++) {
      await clock.advance(9_999);
      assertEquals(pool.stats().links, i < 3 ? 2 : 1, `${i}`);
      await alive.say((to) => to.head(ASK.ping, i));
    }
    assertEquals([silent.end, alive.end], ["in order", undefined]);
    assert(silent.cancelled.length > 0);
  }));

// ---- askers that mean no good

Deno.test("What is malformed ends its link at once, with its loads, and no other link", async () => {
  const question = (bytes: number[]) => rawFrame(ASK.get, 9, bytes);
  const cases: [string, Uint8Array<ArrayBuffer>][] = [
    ["too long a frame", rawFrame(ASK.get, 9, [], MAX_ASK_BYTES + 1)],
    ["a lie", rawFrame(ASK.get, 9, [], 2 ** 32 - 1)],
    ["a number of a group out of order", rawFrame(ASK.group, 2, [103])],
    ["a huge number of a group", rawFrame(ASK.group, 2 ** 32 - 1, [103])],
    ["a group that was not named", question([0, 1, 0, 0, 107])],
    ["a question of nothing", question([])],
    ["a question that is cut short", question([0, 0, 0])],
    ["a number that is asked with", rawFrame(ASK.get, 1, [0, 0, 0, 0, 107])],
    ["kind 0", rawFrame(0, 9)],
    ["kind 8", rawFrame(8, 9)],
    ["kind 130", rawFrame(130, 9)],
    ["kind 255", rawFrame(255, 9)],
  ];
  for (const [name, bytes] of cases) {
    const byByte = Array.from(bytes, (byte) => new Uint8Array([byte]));
    for (const parts of [[bytes], byByte]) {
      const { getter, signals } = stuck();
      await withServer(async ({ pool }) => {
        const asker = await Asker.open(pool);
        const other = await Asker.open(pool);
        await asker.ask(["k"]);
        for (const part of parts) {
          if (asker.cancelled.length === 0) await asker.send(part);
        }
        assertEquals(asker.end, "in order", name);
        assertEquals(asker.cancelled.length, 1, name);
        assertEquals(signals.get("k")!.aborted, true, name);
        assertEquals(pool.stats().links, 1, name);
        assertEquals(other.end, undefined, name);
      }, getter);
    }
  }
});

Deno.test("What came before something malformed is answered, and nothing behind it is read", () =>
  withServer(async ({ pool, loads }) => {
    const asker = await Asker.open(pool);
    await asker.send(concat(
      framesBy((to) => {
        to.text(ASK.group, 0, "g");
        to.head(ASK.ping, 5);
        to.question(ASK.get, 1, 0, 0, "before");
      }),
      rawFrame(99, 0),
      framesBy((to) => to.question(ASK.get, 2, 0, 0, "behind")),
    ));
    assertEquals([loads, asker.end], [["before"], "in order"]);
  }));

Deno.test("A key that is no UTF-8 is refused, and the others are answered", () =>
  withServer(async ({ pool }) => {
    const asker = await Asker.open(pool);
    await asker.say((to) => to.text(ASK.group, 0, "g"));
    for (
      const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [97, 0xc0, 0x80]]
    ) {
      await asker.send(rawFrame(ASK.get, 1, [0, 0, 0, 0, ...bytes]));
      assertEquals(shown(asker).at(-1), [
        ANSWER.badKey,
        1,
        "the key is no UTF-8",
      ]);
    }
    await asker.ask(["k"]);
    assertEquals(shown(asker).at(-1), [ANSWER.value, 1, "<k>"]);
  }));

Deno.test("Thousands of questions in one piece, or byte by byte, each get one answer", () =>
  withServer(async ({ pool, loads }) => {
    const asker = await Asker.open(pool);
    const keys = Array.from({ length: 5_000 }, (_, i) => `k${i}`);
    await asker.ask(keys);
    const answered = asker.frames.map(({ kind, id, text }) =>
      `${kind} ${id} ${text}`
    );
    assertEquals(
      answered.sort(),
      keys.map((key, i) => `1 ${i + 1} <${key}>`).sort(),
    );
    assertEquals(loads.length, 5_000);
    const slow = await Asker.open(pool);
    const bytes = framesBy((to) => {
      to.text(ASK.group, 0, "g");
      for (const [i, key] of keys.slice(0, 20).entries()) {
        to.question(ASK.get, i, 0, 0, key);
      }
    });
    for (const byte of bytes) await slow.send(new Uint8Array([byte]));
    assertEquals(
      shown(slow),
      keys.slice(0, 20).map((key, i) => [1, i, `<${key}>`]),
    );
  }));

Deno.test("An asker that does not read is not read, once 1 MiB waits for it, and goes on when it reads", () =>
  withServer(async ({ pool }) => {
    const group = pool.getGroup("g")!;
    await group.get("k");
    const asker = await Asker.open(pool, { reads: false });
    const { serverRequests } = group.stats();
    await asker.say((to) => to.text(ASK.group, 0, "g"));
    // In large parts, which are read in part.
    for (let part = 0; part < 10; part++) {
      await asker.say((to) => {
        for (let i = 0; i < 10; i++) {
          to.question(ASK.get, 10 * part + i, 0, 0, "k");
        }
      });
    }
    const answered = group.stats().serverRequests - serverRequests;
    // 256 KiB fill the stream, 1 MiB the link, and what comes last may be whole.
    assert(answered * 100_000 < 1.25 * 1024 * 1024 + 200_000, `${answered}`);
    assert(answered >= 10, `${answered}`);
    assert(asker.unread > 0, "all was read");
    asker.read();
    await settle();
    await settle();
    assertEquals(asker.frames.map(({ id }) => id), [...Array(100).keys()]);
    assertEquals([asker.unread, asker.end], [0, undefined]);
  }, () => new Uint8Array(100_000)));

Deno.test("An asker that does not read for 30 seconds is cut off, however much it says", () =>
  withServer(async ({ clock, pool }) => {
    await pool.getGroup("g")!.get("k");
    const asker = await Asker.open(pool, { reads: false });
    await asker.say((to) => to.text(ASK.group, 0, "g"));
    await asker.say((to) => {
      for (let id = 0; id < 5; id++) to.question(ASK.get, id, 0, 0, "k");
    });
    for (let i = 0; i < 3; i++) {
      await clock.advance(9_999);
      assertEquals(pool.stats().links, 1);
      await asker.say((to) => to.head(ASK.ping, i));
    }
    await clock.advance(9_999);
    assertEquals([pool.stats().links, asker.cancelled.length], [0, 1]);
  }, () => new Uint8Array(100_000)));

Deno.test("Loads that end while nobody reads take 4 MiB at most; the others are asked for alone and found", async () => {
  for (const outcome of ["a value", "a failure"]) {
    const opened = gate();
    await withServer(async ({ pool, loads }) => {
      const asker = await Asker.open(pool, { reads: false });
      const keys = Array.from({ length: 400 }, (_, i) => `k${i}`);
      await asker.ask(keys);
      opened.open();
      await settle();
      asker.read();
      await settle();
      await settle();
      assertEquals(asker.frames.length, 400, outcome);
      let bytes = 0;
      for (const frame of asker.frames) bytes += frame.bytes.length;
      assert(bytes < 4.5 * 1024 * 1024, `${outcome}: ${bytes}`);
      const { kind, id } = asker.frames.at(-1)!;
      assertEquals(kind, ANSWER.alone, outcome);
      const get = await pool.handler(
        new Request(`http://self/_geecache/g/${keys[id - 1]}`, {
          headers: { "Geecache-Peer": "http://asker", "Geecache-Wait": "100" },
        }),
      );
      await get.body?.cancel();
      assertEquals(get.status, outcome === "a value" ? 200 : 500);
      assertEquals(loads.length, 400, outcome);
    }, async () => {
      await opened.opened;
      if (outcome === "a failure") throw new Error("日".repeat(16_000));
      return new Uint8Array(48_000);
    }, { maxBytes: 0 });
  }
});

Deno.test("A link keeps a limited number of groups, and of characters in their names", () =>
  withServer(async ({ pool }) => {
    const long = await Asker.open(pool);
    const name = "g".repeat(16_000);
    for (let id = 0; id < 1_000 && long.end === undefined; id++) {
      await long.say((to) => to.text(ASK.group, id, name));
    }
    assertEquals(long.end, "in order");
    const many = await Asker.open(pool);
    await many.say((to) => {
      for (let id = 0; id < MAX_GROUPS; id++) to.text(ASK.group, id, "g");
      to.question(ASK.get, 1, MAX_GROUPS - 1, 0, "k");
    });
    assertEquals(shown(many), [[ANSWER.value, 1, "<k>"]]);
    await many.say((to) => to.text(ASK.group, MAX_GROUPS, "g"));
    assertEquals(many.end, "in order");
    // The same number again and again takes no more.
    const again = await Asker.open(pool);
    for (let i = 0; i < 500; i++) {
      await again.say((to) => to.text(ASK.group, 0, name));
    }
    assertEquals(again.end, undefined);
  }));

Deno.test("Any frames and any bytes are answered or end the link, and never crash", () =>
  withServer(async ({ clock, pool }) => {
    const anyFrame = fc.tuple(
      fc.oneof(fc.integer({ min: 1, max: 6 }), fc.nat(255)),
      fc.oneof(fc.nat(3), fc.nat(2 ** 32 - 1)),
      fc.oneof(
        fc.constant<number[]>([]),
        fc.constantFrom([103], [0, 0, 0, 0, 107], [0, 0, 0, 0]),
        fc.array(fc.nat(255), { maxLength: 20 }),
      ),
    ).map(([kind, id, bytes]) => rawFrame(kind, id, bytes));
    const anyPart = fc.oneof(
      { arbitrary: anyFrame, weight: 9 },
      fc.uint8Array({ maxLength: 30 }).map((bytes) => new Uint8Array(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyPart, { maxLength: 12 }),
        fc.constantFrom("finish", "cut", "leave"),
        async (parts, ending) => {
          const asker = await Asker.open(pool);
          for (const part of parts) {
            if (asker.cancelled.length === 0) await asker.send(part);
          }
          if (asker.cancelled.length === 0) {
            await asker[ending as "finish"]();
          }
          await clock.advance(6_000);
          assertEquals([pool.stats().links, pool.stats().serving], [0, 0]);
          assertEquals(clock.pending, 0);
        },
      ),
      { numRuns: 60 },
    );
  }, (key) => key.length % 2 === 0 ? new Promise(() => {}) : key));

Deno.test("The handler does not throw when an asker leaves just as it is given the last part of its answer", () => {
  const opened = gate<string>();
  return withServer(async ({ pool }) => {
    const asker = await Asker.open(pool, { reads: false });
    await asker.ask(["k"]);
    const reader = asker.response.body!.getReader();
    await reader.read();
    const read = reader.read();
    // A server whose socket is gone cancels while it is given the part. A test can do
    // the same only through `then`, which is read on the way to a reader.
    opened.open("v");
    Object.defineProperty(Object.prototype, "then", {
      configurable: true,
      get(this: object): undefined {
        if ("done" in this) reader.cancel();
        return undefined;
      },
    });
    try {
      await settle();
    } finally {
      delete (Object.prototype as { then?: unknown }).then;
    }
    assertEquals((await read).done, false);
    assertEquals(pool.stats().links, 0);
  }, () => opened.opened);
});
