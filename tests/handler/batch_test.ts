/** Batches as the handler answers them. */

import fc from "fast-check";
import { type Clock, HTTPPool } from "../../mod.ts";
import {
  decodeKeys,
  encodeKeys,
  KIND,
  type ResultFrame,
  ResultReader,
} from "../../protocol/frames.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { fateOf, resultsOf, SLOW } from "../support/batches.ts";
import { FakeClock, settle } from "../support/time.ts";
import { CHARACTER } from "../support/text.ts";

/** A pool whose handler the test asks for batches. */
function server(
  getter: (key: string, signal: AbortSignal) => string | Promise<string>,
) {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://self", { clock });
  const group = pool.group("g", (key, { signal }) => getter(key, signal));
  const post = (
    body: Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ) =>
    pool.handler(
      new Request("http://self/_geecache/g", {
        method: "POST",
        headers: {
          "Geecache-Peer": "http://a",
          "Geecache-Method": "GET",
          ...headers,
        },
        body,
        ...(signal && { signal }),
      }),
    );
  return { clock, pool, group, post };
}

Deno.test("The handler takes 4,096 keys in one batch, and answers more keys or malformed ones with 400", async () => {
  const { pool, post } = server((key) => key);
  const keys = Array.from({ length: 4_097 }, (_, i) => `${i}`);
  const response = await post(encodeKeys(keys.slice(1)), {
    "Geecache-Wait": "50",
  });
  assertEquals((await resultsOf(response, 4_096)).length, 4_096);
  for (
    const body of [
      encodeKeys(keys),
      encodeKeys(["a", "b"]).slice(0, -1),
      new Uint8Array([0xff, 0xff, 0xff, 0xff]),
      new Uint8Array([0, 0, 0, 1, 0xff]),
      new Uint8Array([0]),
    ]
  ) {
    const refused = await post(body);
    assertEquals(refused.status, 400);
    assertEquals(refused.headers.get("Geecache-Result"), "bad-request");
    assertStringIncludes(await refused.text(), "4096 keys in frames");
  }
  await pool.close();
});

Deno.test("The handler refuses a bad key of a batch and answers the others", async () => {
  const { pool, post } = server((key) => key);
  const frames = await resultsOf(
    await post(encodeKeys(["", "a"]), {
      "Geecache-Wait": "50",
    }),
    2,
  );
  const kinds = frames.map(({ kind, index }) => [index, kind]);
  assertEquals(kinds, [[0, KIND.badKey], [1, KIND.value]]);
  assertStringIncludes(frames[0]!.value.value.text(), "key is required");
  assertEquals(await resultsOf(await post(encodeKeys([])), 0), []);
  await pool.close();
});

Deno.test("Any bytes sent as frames get a 200, a 204 or a 400, never a crash", async () => {
  const { pool, post } = server((key) => key);
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.tuple(fc.array(fc.string({ unit: CHARACTER })), fc.nat(), flips).map(
      ([keys, cut, flips]) => {
        const body = encodeKeys(keys);
        for (const [at, byte] of flips) {
          if (body.length > 0) body[at % body.length] = byte;
        }
        return cut % 2 ? body : body.slice(0, cut % (body.length + 1));
      },
    ),
  );
  const method = fc.constantFrom("GET", "PUT", "DELETE");
  await fc.assert(
    fc.asyncProperty(body, method, async (body, method) => {
      const bytes = new Uint8Array(body);
      const { status, body: answer } = await post(bytes, {
        "Geecache-Method": method,
        "Geecache-Wait": "50",
      });
      await answer?.cancel();
      assert([200, 204, 400].includes(status), `${status}`);
      if (method === "GET") {
        assertEquals(status, decodeKeys(bytes) === undefined ? 400 : 200);
      }
    }),
  );
  await pool.close();
});

Deno.test("A batch stays open for at most 50 ms: loaded values go out at once, and the rest is marked pending", async () => {
  const { clock, pool, group, post } = server((key) =>
    key.startsWith(SLOW) ? new Promise<string>(() => {}) : key
  );
  await group.get("hit");
  for (const wait of ["50", "60000", "9".repeat(16)]) {
    const keys = encodeKeys(["slow-1", "hit", "slow-2", "quick"]);
    const response = await post(keys, { "Geecache-Wait": wait });
    const frames: ResultFrame[] = [];
    let ended = false;
    const reader = new ResultReader(4, 100);
    const reading = (async () => {
      for await (const chunk of response.body!) {
        for (const frame of reader.push(chunk)) frames.push(frame);
      }
      reader.end();
      ended = true;
    })();
    await clock.advance(49);
    assertEquals(frames.map(({ index }) => index).sort(), [1, 3]);
    assertEquals(ended, false);
    await clock.advance(1);
    assert(ended);
    await reading;
    const kinds = frames.map(({ index, kind }) => [index, kind]);
    assertEquals(kinds.sort(), [
      [0, KIND.pending],
      [1, KIND.value],
      [2, KIND.pending],
      [3, KIND.value],
    ]);
  }
  await pool.close();
  await settle();
  assertEquals(clock.pending, 0);
});

Deno.test("A shorter Geecache-Wait is kept to; without one, or with a bad one, keys are marked pending at once", async () => {
  const { clock, pool, post } = server(() => new Promise<string>(() => {}));
  for (const wait of ["20", "0", "soon", undefined]) {
    const response = await post(
      encodeKeys(["k"]),
      wait === undefined ? {} : { "Geecache-Wait": wait },
    );
    const fate = fateOf(resultsOf(response, 1));
    if (wait === "20") {
      await clock.advance(19);
      assertEquals(fate, {});
      await clock.advance(1);
    }
    await settle();
    assertEquals(fate.value?.map(({ kind }) => kind), [KIND.pending], wait);
  }
  await pool.close();
});

Deno.test("A load goes on for other askers when one of them ends its request", async () => {
  let signal: AbortSignal | undefined;
  const { clock, pool, post } = server((_key, given) => {
    signal = given;
    return new Promise<string>(() => {});
  });
  const controllers = [new AbortController(), new AbortController()];
  const answers = await Promise.all(
    controllers.map(({ signal }, i) =>
      post(encodeKeys(["k", "l"]), {
        "Geecache-Wait": "50",
        "Geecache-Peer": `http://${i}`,
      }, signal)
    ),
  );
  await clock.advance(10);
  controllers[0]!.abort();
  await clock.advance(10);
  assertEquals(signal?.aborted, false);
  controllers[1]!.abort();
  await settle();
  assertEquals([signal?.aborted, clock.pending], [true, 0]);
  for (const { body } of answers) await body?.cancel();
  await pool.close();
});

Deno.test("A load that was marked pending is given up after five seconds, unless its asker asks again", async () => {
  for (const wait of [50, 0]) {
    let signal: AbortSignal | undefined;
    const { clock, pool, post } = server((_key, given) => {
      signal = given;
      return new Promise<string>(() => {});
    });
    const headers = { "Geecache-Wait": `${wait}` };
    for (let i = 0; i < 2; i++) {
      const response = await post(encodeKeys(["k"]), headers);
      await clock.advance(wait);
      const [{ kind }] = await resultsOf(response, 1) as [ResultFrame];
      assertEquals(kind, KIND.pending);
      await clock.advance(4_999);
      assertEquals(signal?.aborted, false);
    }
    await clock.advance(1);
    assertEquals([signal?.aborted, clock.pending], [true, 0]);
    await pool.close();
  }
});

Deno.test("An asker that cancels the body of its answer counts as gone, like one that ends its request", async () => {
  let signal: AbortSignal | undefined;
  const { clock, pool, post } = server((_key, given) => {
    signal = given;
    return new Promise<string>(() => {});
  });
  const { body } = await post(encodeKeys(["k"]), { "Geecache-Wait": "50" });
  await settle();
  await body!.cancel();
  await settle();
  assertEquals([signal?.aborted, clock.pending], [true, 0]);
  await pool.close();
});

Deno.test("The handler reads no more keys of a DELETE than a pool would send", async () => {
  const { pool, post } = server((key) => key);
  const body = new Uint8Array(4 * 1024 * 1024);
  // A million empty keys.
  let decoded = 0;
  const { decode } = TextDecoder.prototype;
  TextDecoder.prototype.decode = function (...args) {
    decoded++;
    return decode.apply(this, args);
  };
  try {
    const { status } = await post(body, { "Geecache-Method": "DELETE" });
    assertEquals(status, 400);
  } finally {
    TextDecoder.prototype.decode = decode;
  }
  // No more than fit into the 1 MiB that a pool sends.
  assert(decoded <= 1024 * 1024 / 5, `${decoded} keys`);
  await pool.close();
});

Deno.test("The handler does not throw when an asker leaves just as it is given the last part of its answer", async () => {
  let onPatienceOver!: () => void;
  const clock: Clock = {
    now: () => 0,
    after: (ms, run) => {
      if (ms === 50) onPatienceOver = run;
      return () => {};
    },
  };
  const pool = new HTTPPool("http://self", { clock });
  pool.group("g", () => new Promise<string>(() => {}));
  const answer = await pool.handler(
    new Request("http://self/_geecache/g", {
      method: "POST",
      headers: {
        "Geecache-Peer": "http://a",
        "Geecache-Method": "GET",
        "Geecache-Wait": "50",
      },
      body: encodeKeys(["k"]),
    }),
  );
  const reader = answer.body!.getReader();
  const read = reader.read();
  // A server whose socket is gone cancels while it is given the part. A test can do
  // the same only through `then`, which is read on the way to a reader.
  Object.defineProperty(Object.prototype, "then", {
    configurable: true,
    get(this: object): undefined {
      if ("done" in this) reader.cancel();
      return undefined;
    },
  });
  try {
    onPatienceOver();
  } finally {
    delete (Object.prototype as { then?: unknown }).then;
  }
  assertEquals((await read).done, false);
  await pool.close();
});

Deno.test("A pool that closes ends a batch in order, without the keys that are loading", async () => {
  const { pool, post } = server((key) =>
    key === "quick" ? "v" : new Promise(() => {})
  );
  const headers = { "Geecache-Wait": "50" };
  const response = await post(encodeKeys(["a", "quick", "b"]), headers);
  await settle();
  await pool.close();
  const body = new Uint8Array(await response.arrayBuffer());
  const results = [...new ResultReader(3, 1024).push(body)];
  assertEquals(results.map(({ index }) => index), [1]);
});
