/**
 * The fuzz targets for parsers: paths, frames, protobuf, Node requests and flags.
 *
 * Each target gives arbitrary input to the code under test, and throws if the code
 * does anything that it does not document.
 *
 * @module
 */

import { assert, assertEquals } from "../tests/support/assert.ts";
import fc from "fast-check";
import type { IncomingMessage } from "node:http";
import { ByteView } from "../base/byte_view.ts";
import {
  decodeKeyAndValue,
  decodeKeys,
  encodeKeys,
  encodeResults,
  FrameError,
  KIND,
  type Kind,
  type ResultFrame,
  ResultReader,
} from "../protocol/frames.ts";
import { urlOf } from "../node/request.ts";
import {
  decodeResponse,
  encodeResponse,
  ProtobufError,
} from "../protocol/protobuf.ts";
import { Exit } from "../serve/exit.ts";
import { readFlags } from "../serve/flags.ts";
import {
  decodeKey,
  encodeKey,
  keyPath,
  MAX_PATH_LENGTH,
  pathOf,
  readTarget,
  withTtl,
} from "../protocol/wire.ts";

/** One thing to fuzz. */
export interface Target {
  readonly name: string;
  /** Throws or rejects when it finds a fault. */
  readonly property: fc.IRawProperty<unknown>;
}

/** Any well-formed string. If it is not empty, it is a valid key. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({
    unit: fc.constantFrom(...".%/?#&=\\2FfEe\0 \ufeffé😀".split("")),
  })
    .map((text) => text.toWellFormed()),
  fc.constantFrom(
    ".",
    "..",
    "%2e",
    "%2F..",
    "?key=",
    "?clear",
    "?clear=copies",
    "\ufeff",
  ),
);
const anyKey = anyText.filter((key) => key !== "");
const anyGroup = anyKey.filter((name) =>
  !name.includes("/") && name !== "." && name !== ".."
);

/** The end of a URL, sometimes with escapes that are cut short. */
export const anyPath: fc.Arbitrary<string> = fc.oneof(
  anyText,
  fc.array(
    fc.oneof(
      fc.constantFrom(
        "/",
        "g",
        "%",
        "%2",
        "%2F",
        "%ff",
        "?key=",
        "?clear",
        "?clear=copies",
        "&",
      ),
      fc.constantFrom("..", "%2e", "//", "\\", "?", "#", "+", "%C3%A9", "%00"),
      anyText,
    ),
    { maxLength: 8 },
  ).map((parts) => parts.join("")),
);

/** `valid` unchanged, with some bytes changed, cut short, or replaced at random. */
export function damaged(
  valid: fc.Arbitrary<Uint8Array<ArrayBuffer>>,
): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
  const cut = fc.option(fc.nat(), { nil: undefined, freq: 3 });
  return fc.oneof(
    valid,
    fc.uint8Array({ maxLength: 200 }).map((bytes) => new Uint8Array(bytes)),
    fc.tuple(valid, changes, cut).map(([bytes, changes, cut]) => {
      const copy = bytes.slice();
      for (const [at, byte] of changes) {
        if (copy.length > 0) copy[at % copy.length] = byte;
      }
      return cut === undefined ? copy : copy.slice(0, cut % (copy.length + 1));
    }),
  );
}

const EXPECTED = 6;
const MAX_BYTES = 40;

const anyFrames: fc.Arbitrary<ResultFrame[]> = fc.uniqueArray(
  fc.record({
    kind: fc.constantFrom<Kind[]>(...Object.values(KIND)),
    index: fc.nat(EXPECTED - 1),
    bytes: fc.uint8Array({ maxLength: 60 }),
    ttlMs: fc.double({ min: 0, noNaN: true }),
  }),
  { selector: ({ index }) => index, maxLength: EXPECTED },
).map((frames) =>
  frames.map(({ kind, index, bytes, ttlMs }) => {
    const value = ByteView.from(bytes);
    return kind === KIND.expiringValue
      ? { kind, index, value: { value, ttlMs } }
      : { kind, index, value: { value } };
  })
);

/** A body of results, or something close to one. */
export const anyResults: fc.Arbitrary<Uint8Array<ArrayBuffer>> = damaged(
  anyFrames.map(encodeResults),
);

/**
 * The error that `run` throws; `undefined` if it throws none. Any error that is not
 * a `kind` is a finding.
 */
function thrownBy(
  kind: new (message: string, code?: number) => Error,
  run: () => void,
): Error | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof kind) return error;
    throw new Error(`it threw something else: ${error}`, { cause: error });
  }
}

const paths = fc.property(
  anyGroup,
  anyKey,
  fc.boolean(),
  anyPath,
  (group, key, native, path) => {
    const made = keyPath("/_geecache/", group, key, native);
    if (made === undefined) {
      const isLong = key.length > MAX_PATH_LENGTH / 12;
      assert(native || isLong, "a short key has no path");
    } else {
      // A runtime parses a URL and writes it again before it sends it.
      const sent = pathOf(new URL(`http://h:1${made}`).href)!;
      assertEquals(readTarget(sent, "/_geecache/", native), {
        group,
        key,
        clear: undefined,
      });
    }
    for (const raw of [path, `/_geecache/${path}`, `/_geecache/g/${path}`]) {
      const target = readTarget(pathOf(`http://h/${raw}`)!, "/", native);
      if (typeof target === "string") assertEquals(target, "malformed");
      else assertEquals(typeof target.group, "string");
      readTarget(raw, "/_geecache/", native);
    }
    assertEquals(decodeKey(encodeKey(key)), key);
    const ttlMs = withTtl(ByteView.from(""), path, 0)?.ttlMs;
    assert(ttlMs === undefined || ttlMs >= 0, `${ttlMs} ms`);
  },
);

const keys = fc.property(
  fc.array(anyText, { maxLength: 8 }),
  damaged(fc.array(anyText, { maxLength: 8 }).map((keys) => encodeKeys(keys))),
  fc.nat(9),
  (keys, body, limit) => {
    assertEquals(decodeKeys(encodeKeys(keys)), keys);
    const read = decodeKeys(body, limit);
    if (read !== undefined) {
      assert(read.length <= limit, `${read.length} keys of ${limit}`);
      assertEquals(encodeKeys(read), body);
    }
    const pair = decodeKeyAndValue(body);
    if (pair !== undefined) {
      assertEquals(encodeKeys([pair.key], pair.value), body);
    }
  },
);

/**
 * What a reader gets from `body` in these pieces: the results, then the message of
 * the error, if there is one.
 */
function readResults(body: Uint8Array, cuts: readonly number[]): unknown[] {
  const reader = new ResultReader(EXPECTED, MAX_BYTES);
  const seen: unknown[] = [];
  const error = thrownBy(FrameError, () => {
    let at = 0;
    for (
      const cut of [...cuts.map((n) => n % (body.length + 1)), body.length]
    ) {
      if (cut < at) continue;
      for (const { kind, index, value } of reader.push(body.slice(at, cut))) {
        assert(index < EXPECTED && value.value.byteLength <= 64 * 1024);
        seen.push([kind, index, value.value.text(), value.ttlMs]);
      }
      at = cut;
    }
    reader.end();
  });
  return [...seen, error?.message];
}

const results = fc.property(
  anyResults,
  fc.array(fc.nat(), { maxLength: 6 }),
  (body, cuts) => {
    const sorted = cuts.map((n) => n % (body.length + 1)).sort((a, b) => a - b);
    // The reader gets the same results wherever the body is cut.
    assertEquals(readResults(body, sorted), readResults(body, []));
  },
);

const protobuf = fc.property(
  fc.uint8Array({ maxLength: 300 }),
  damaged(
    fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 3 }).map((parts) =>
      new Uint8Array(
        parts.flatMap((part) => [...encodeResponse(ByteView.from(part))]),
      )
    ),
  ),
  (value, message) => {
    const back = decodeResponse(encodeResponse(ByteView.from(value))).bytes();
    assertEquals(back, new Uint8Array(value));
    thrownBy(ProtobufError, () => {
      const { byteLength } = decodeResponse(message);
      assert(byteLength <= message.length, `${byteLength} bytes`);
    });
  },
);

const anyHost = fc.oneof(
  fc.constantFrom<(string | undefined)[]>(undefined, "", "h", "h:1", "[::1]:1"),
  fc.constantFrom(
    "u@h",
    "h/p",
    "h?q",
    "h#f",
    "h:x",
    "h:99999",
    "[",
    "%41",
    "h\\",
  ),
  fc.string({ unit: "binary-ascii" }),
);

const nodeRequests = fc.property(
  fc.oneof(
    anyPath.map((path) => `/${path}`),
    anyPath.map((path) => `http://${path}`),
    anyPath,
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
  ),
  anyHost,
  fc.boolean(),
  anyGroup,
  anyKey,
  (target, host, encrypted, group, key) => {
    const ask = (url: string, host?: string): string | undefined =>
      urlOf(
        {
          url,
          headers: { host },
          socket: { encrypted },
        } as unknown as IncomingMessage,
      );
    const url = ask(target, host);
    if (url !== undefined) {
      assertEquals(new URL(url).href, url);
      assert(pathOf(url)!.startsWith("/"), url);
      // A path never leads to a host other than the one that was asked.
      const origin = `${encrypted ? "https" : "http"}://${host || "localhost"}`;
      if (target.startsWith("/")) {
        assertEquals(new URL(url).origin, new URL(origin).origin);
      }
    }
    const path = keyPath("/_geecache/", group, key, false);
    if (path === undefined) return;
    const asked = readTarget(pathOf(ask(path, "h")!)!, "/_geecache/");
    assertEquals(asked, { group, key, clear: undefined });
  },
);

const FLAGS = ["port", "host", "self", "peers", "api", "db", "max-bytes"];
const anyArgument = fc.oneof(
  fc.constantFrom(...FLAGS, "verbose", "help", "__proto__", "no-port", "_")
    .chain((name) =>
      fc.oneof(
        fc.constantFrom(`--${name}`, `-${name}`, `--${name}=`, `--${name}.x=1`),
        anyText.map((text) => `--${name}=${text}`),
        fc.nat(99_999).map((number) => `--${name}=${number}`),
      )
    ),
  fc.constantFrom("--", "-", "-p", "1", "2KiB", "1e9", "9".repeat(400)),
  anyText,
);

const flags = fc.property(fc.array(anyArgument, { maxLength: 6 }), (args) => {
  const error = thrownBy(Exit, () => {
    const { port, host, self, peers, api, db, maxBytes, verbose, help } =
      readFlags(args);
    for (const number of [port, api ?? 0]) {
      assert(Number.isInteger(number) && number <= 65535, `port ${number}`);
    }
    assert(maxBytes >= 0, `${maxBytes} bytes`);
    for (const text of [host, db, self ?? "-"]) {
      assert(typeof text === "string" && text !== "", `not a text: ${text}`);
    }
    assert(Array.isArray(peers), `peers ${peers}`);
    assertEquals([typeof verbose, typeof help], ["boolean", "boolean"]);
  });
  assert(
    error === undefined || error.message !== "",
    "an error without a message",
  );
});

/** The targets for parsers. */
export const parsers: readonly Target[] = [
  { name: "paths", property: paths },
  { name: "keys in frames", property: keys },
  { name: "results in frames", property: results },
  { name: "protobuf", property: protobuf },
  { name: "requests of Node", property: nodeRequests },
  { name: "flags", property: flags },
].map(({ name, property }) => ({
  name,
  property: property as fc.IRawProperty<unknown>,
}));
