/**
 * The fuzz targets for pools: the requests that a handler gets, and the answers that a
 * client gets.
 *
 * @module
 */

import fc from "fast-check";
import { encodeKeys } from "../protocol/key_lists.ts";
import {
  HTTPPool,
  LoadError,
  NotFoundError,
  PeerError,
  type ProtocolName,
} from "../mod.ts";
import { encodeResponse } from "../protocol/protobuf.ts";
import { ByteView } from "../base/byte_view.ts";
import { assert, assertEquals } from "../tests/support/assert.ts";
import { SILENT } from "../tests/support/logger.ts";
import { FakeClock } from "../tests/support/time.ts";
import { HEADER, markOf } from "../protocol/wire.ts";
import {
  anyAnswers,
  anyAsks,
  anyPath,
  anyText,
  damaged,
  type Target,
} from "./fuzz_bytes.ts";

const SECRET = "sixteen-characters";
const PROTOCOL: fc.Arbitrary<ProtocolName> = fc.constantFrom<ProtocolName[]>(
  "native",
  "native",
  "geecache",
  "geecache-protobuf",
  "groupcache",
);

/** Texts that a runtime accepts as the value of a header. */
const headerText = fc.oneof(
  fc.string({ unit: "grapheme-ascii" }),
  fc.string({
    unit: fc.integer({ min: 0x80, max: 0xff }).map((n) =>
      String.fromCharCode(n)
    ),
  }),
  fc.constantFrom("", "0", "1", "100", "-1", "1e3", "NaN", "9".repeat(16)),
  fc.constantFrom("9".repeat(400), "0x10", " 1", "1, 1", "1.5", "Infinity"),
);

/** Headers of a request or an answer, with likely values and with arbitrary ones. */
function headersOf(
  known: Record<string, fc.Arbitrary<string>>,
): fc.Arbitrary<Record<string, string>> {
  const all = Object.entries(known).map(([name, likely]) =>
    [name, fc.oneof(likely, headerText)] as const
  );
  return fc.record(Object.fromEntries(all), {
    requiredKeys: [],
  }) as fc.Arbitrary<
    Record<string, string>
  >;
}

/** A body in parts, and how it ends. */
interface Body {
  parts: Uint8Array<ArrayBuffer>[];
  /** `whole` is not a stream. `silent` is a stream that never ends. */
  end: "whole" | "closed" | "broken" | "silent";
}

function bodyOf(
  bytes: fc.Arbitrary<Uint8Array<ArrayBuffer>>,
): fc.Arbitrary<Body> {
  const end = fc.constantFrom<Body["end"][]>(
    "whole",
    "whole",
    "closed",
    "closed",
    "broken",
    "silent",
  );
  return fc.record({ bytes, cut: fc.nat(), end }).map(({ bytes, cut, end }) => {
    const at = cut % (bytes.length + 1);
    return { parts: [bytes.slice(0, at), bytes.slice(at)], end };
  });
}

function open({ parts, end }: Body): BodyInit {
  if (end === "whole") return new Blob(parts);
  return new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      if (end === "closed") controller.close();
      if (end === "broken") {
        controller.error(new Error("the connection is cut"));
      }
    },
  });
}

/** Lets time pass until `promise` settles. It is a finding if that never happens. */
export async function inTime<T>(
  clock: FakeClock,
  promise: Promise<T>,
): Promise<T> {
  let settled = false;
  const mark = (): void => void (settled = true);
  promise.then(mark, mark);
  for (let i = 0; i < 200 && !settled; i++) {
    await clock.advance(i === 0 ? 0 : i < 150 ? 1_000 : 1e15);
  }
  assert(settled, "it hangs");
  return await promise;
}

/** Each pair of status and `Geecache-Result` that a handler may answer with. */
const ALLOWED_ANSWERS: ReadonlySet<string> = new Set([
  "200 link",
  "200 value",
  "202 pending",
  "204 done",
  "400 bad-request",
  // What a pool in a protocol of Go says to a native one.
  "400 null",
  "401 refused",
  "403 refused",
  "404 no-group",
  "404 not-found",
  "404 null",
  "405 bad-request",
  "408 bad-request",
  "409 outdated",
  "413 bad-request",
  "429 busy",
  "500 failed",
  "500 not-found",
  "503 draining",
]);

/** What is said of the order of writes. */
const anyWrite = fc.constantFrom(
  "unknown",
  "0123456789abcdef-0",
  "0123456789abcdef-9!",
);

const anyRequest = fc.record({
  protocol: PROTOCOL,
  /** Whether the URL stays as it is, instead of being rewritten by the runtime. */
  raw: fc.boolean(),
  path: fc.oneof(
    anyPath,
    anyPath.map((path) => `_geecache/g/${path}`),
    anyPath.map((path) => `_groupcache/g/${path}`),
    anyPath.map((path) => `_geecache/${path}`),
    fc.constantFrom(
      ...["_geecache/g", "_geecache/g?clear", "_geecache/g?clear=copies"],
      ...["_geecache/g?key=k", "_geecache/g/~slow", "_groupcache/g/~slow"],
      "_geecache/",
    ),
  ),
  method: fc.constantFrom("GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "X"),
  headers: headersOf({
    [HEADER.peer]: fc.constantFrom("http://a", "http://self"),
    [HEADER.wait]: fc.nat(5_000).map(String),
    [HEADER.ring]: fc.constant("ring"),
    [HEADER.secret]: fc.constant(SECRET),
    [HEADER.cluster]: fc.constantFrom("mine", "theirs"),
    [HEADER.peek]: fc.constant("1"),
    [HEADER.link]: fc.constant("1"),
    [HEADER.method]: fc.constantFrom("GET", "PUT", "DELETE"),
    [HEADER.ttl]: fc.nat(5_000).map(String),
    [HEADER.write]: anyWrite,
    [HEADER.traceparent]: fc.constant(
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    "Content-Length": fc.nat(200).map(String),
    "Content-Encoding": fc.constantFrom("gzip", "identity"),
  }),
  body: bodyOf(damaged(fc.oneof(
    fc.array(anyText, { maxLength: 5 }).map((keys) => encodeKeys(keys)),
    anyAsks,
  ))),
  /** What the request says of its target. Any other one is refused for it. */
  mark: fc.constantFrom(undefined, undefined, undefined, markOf("g"), "0"),
  secret: fc.boolean(),
  /** Whether the pool has a peer, and whether it drains. The peer refuses everything. */
  place: fc.constantFrom("alone", "among peers", "draining"),
  maxBodyBytes: fc.constantFrom(0, 20, 1e6),
});

const requests = fc.asyncProperty(anyRequest, async (one) => {
  const { protocol, raw, path, method, body, maxBodyBytes } = one;
  const { place, mark } = one;
  const headers = mark === undefined
    ? one.headers
    : { ...one.headers, [HEADER.target]: mark };
  const clock = new FakeClock();
  const pool = new HTTPPool("http://self", {
    clock,
    protocol,
    maxBodyBytes,
    logger: SILENT,
    fetch: () => Promise.reject(new TypeError("connection refused")),
    ...(one.secret && protocol === "native" ? { secret: SECRET } : {}),
  });
  if (place !== "alone") pool.setPeers(["http://self", "http://a"]);
  if (place === "draining") pool.drain({ timeoutMs: Infinity });
  pool.group("g", (key, { signal }) => {
    if (key.startsWith("!")) throw new Error("the getter's own words");
    if (key.startsWith("~")) {
      return new Promise((resolve, reject) => {
        const cancel = clock.after(7_000, () => resolve(key));
        signal.addEventListener("abort", () => {
          cancel();
          reject(signal.reason);
        });
      });
    }
    return key.length % 3 === 0 ? undefined : Promise.resolve(key);
  });
  const reads = method === "GET" || method === "HEAD";
  const request = new Request(`http://self/${path}`, {
    method,
    headers,
    ...(reads ? {} : { body: open(body), duplex: "half" }),
  } as RequestInit);
  if (raw) {
    Object.defineProperty(request, "url", { value: `http://self/${path}` });
  }
  try {
    const answered = Promise.resolve().then(() => pool.handler(request));
    const response = await inTime(clock, answered);
    const said = `${response.status} ${response.headers.get(HEADER.result)}`;
    assert(ALLOWED_ANSWERS.has(said), `it answers ${said}`);
    const drains = response.headers.has(HEADER.draining);
    if (said !== "404 null") assertEquals(drains, place === "draining");
    const bytes = await inTime(clock, response.bytes());
    if (said === "500 failed" && protocol === "native") {
      const text = new TextDecoder().decode(bytes);
      if (method !== "HEAD") assertEquals(text, "the getter's own words\n");
    }
  } finally {
    await pool.close();
  }
  await clock.advance(0);
  assertEquals(clock.pending, 0, "timers are left over");
});

const anyAnswer = fc.record({
  status: fc.oneof(
    fc.constantFrom(200, 200, 200, 202, 204, 404, 409, 429, 500, 503),
    fc.integer({ min: 200, max: 599 }),
    // No `Response` can have this status. It stands for a request that failed.
    fc.constant(0),
  ),
  headers: headersOf({
    [HEADER.result]: fc.constantFrom(
      ...["value", "value", "link", "not-found", "failed", "pending", "busy"],
      ...["done", "no-group", "bad-request", "refused", "draining"],
      "outdated",
    ),
    [HEADER.link]: fc.constant("1"),
    [HEADER.draining]: fc.constant("1"),
    [HEADER.ttl]: fc.nat(5_000).map(String),
    [HEADER.write]: anyWrite,
    "Retry-After": fc.nat(9).map(String),
    "Content-Length": fc.nat(90).map(String),
    "Content-Encoding": fc.constant("gzip"),
    "Content-Type": fc.constantFrom(
      "application/octet-stream",
      "application/x-protobuf",
      "text/plain; charset=utf-8",
    ),
    "X-Content-Type-Options": fc.constant("nosniff"),
  }),
  /** Whether it says, truly, what it is about and how long its body is. */
  isProven: fc.constantFrom(true, true, true, false),
  body: bodyOf(fc.oneof(
    damaged(anyAnswers),
    damaged(anyText.map((text) => encodeResponse(ByteView.from(text)))),
  )),
});

/** What makes an answer to `request` count. */
function proofOf(request: Request, { parts }: Body): Record<string, string> {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const mark = request.headers.get(HEADER.target);
  return {
    [HEADER.length]: String(bytes),
    ...(mark === null ? {} : { [HEADER.target]: mark }),
  };
}

/** One thing that a caller does with a peer. */
type Step = "get" | "remove" | "set" | "clear" | "peek" | "wait";

const answers = fc.asyncProperty(
  fc.array(anyAnswer, { minLength: 1, maxLength: 8 }),
  fc.array(
    fc.constantFrom<Step[]>(
      "get",
      "get",
      "remove",
      "set",
      "clear",
      "peek",
      "wait",
    ),
    { minLength: 1, maxLength: 8 },
  ),
  PROTOCOL,
  async (answers, steps, protocol) => {
    const clock = new FakeClock();
    const left = [...answers];
    const pool = new HTTPPool("http://self", {
      clock,
      protocol,
      random: () => 0.5,
      maxBodyBytes: 40,
      logger: SILENT,
      fetch: (request) => {
        const answer = left.shift();
        // A caller would wait for ever for a peer that always answers "pending", so
        // every peer answers something else in the end.
        if (answer === undefined) return Promise.resolve(new Response("end"));
        const { status, body } = answer;
        const headers = answer.isProven
          ? { ...answer.headers, ...proofOf(request, body) }
          : answer.headers;
        if (status === 0) return Promise.reject(new TypeError("no connection"));
        const empty = [204, 205, 304].includes(status);
        return Promise.resolve(
          new Response(empty ? null : open(body), { status, headers }),
        );
      },
    });
    pool.setPeers(["http://self", "http://a"]);
    const [peer] = [...pool.peers()];
    const run: Record<
      Exclude<Step, "wait">,
      (key: string) => Promise<unknown>
    > = {
      get: (key) => peer!.get("g", key),
      remove: (key) => peer!.remove("g", [key, `${key}2`]),
      set: (key) => peer!.set("g", key, { value: ByteView.from("v") }),
      clear: () => peer!.clear("g"),
      peek: (key) => peer!.peek!("g", key),
    };
    let waiting: Promise<void>[] = [];
    const allSettled = async (): Promise<void> => {
      await inTime(clock, Promise.all(waiting));
      waiting = [];
    };
    try {
      for (const [i, step] of steps.entries()) {
        if (step === "wait") await allSettled();
        else waiting.push(expectAnswer(step, run[step](`k${i}`)));
      }
      await allSettled();
    } finally {
      await pool.close();
    }
    await clock.advance(0);
    assertEquals(clock.pending, 0, "timers are left over");
  },
);

/** Awaits `promise`, which may also reject with an error that is documented. */
export async function expectAnswer(
  step: string,
  promise: Promise<unknown>,
  left?: Error,
): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (left !== undefined && error === left) return;
    const kinds = step === "get"
      ? [PeerError, NotFoundError, LoadError]
      : [PeerError];
    if (kinds.some((kind) => error instanceof kind)) return;
    throw new Error(`${step} threw ${error}`, { cause: error });
  }
}

/** The targets for pools. */
export const pools: readonly Target[] = [
  { name: "requests", property: requests as fc.IRawProperty<unknown> },
  { name: "answers", property: answers as fc.IRawProperty<unknown> },
];
