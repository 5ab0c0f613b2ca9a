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
} from "../protocol/key_lists.ts";
import {
  ANSWER,
  ASK,
  FrameError,
  FrameReader,
  FrameWriter,
  HEAD_BYTES,
  HOT,
  MAX_ANSWER_BYTES,
  MAX_ASK_BYTES,
} from "../protocol/link.ts";
import { urlOf } from "../node/request.ts";
import {
  decodeResponse,
  encodeResponse,
  ProtobufError,
} from "../protocol/protobuf.ts";
import { readSettings } from "../serve/config.ts";
import { Exit } from "../serve/exit.ts";
import { NAMES, variableOf } from "../serve/settings.ts";
import {
  decodeKey,
  encodeKey,
  HEADER,
  keyPath,
  MAX_PATH_LENGTH,
  pathOf,
  readLife,
  readTarget,
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

/** The number of a question, often one that others have, too. */
export const anyId: fc.Arbitrary<number> = fc.oneof(
  fc.nat(6),
  fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1),
);

/** A frame of any kind and any content, whether that fits or not. */
export const anyFrame: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc.tuple(
  fc.oneof(fc.integer({ min: 1, max: 11 }), fc.nat(255)),
  anyId,
  fc.oneof(
    fc.constant(new Uint8Array()),
    fc.uint8Array({ maxLength: 60 }),
  ),
  fc.option(fc.oneof(fc.nat(100), fc.nat(2 ** 32 - 1)), {
    nil: undefined,
    freq: 20,
  }),
).map(([kind, id, bytes, length = bytes.length]) => {
  const frame = new Uint8Array(HEAD_BYTES + bytes.length);
  const numbers = new DataView(frame.buffer);
  numbers.setUint32(0, length);
  frame[4] = kind;
  numbers.setUint32(5, id);
  frame.set(bytes, HEAD_BYTES);
  return frame;
});

function framesOf(
  one: fc.Arbitrary<(to: FrameWriter) => void>,
): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  return fc.array(one, { maxLength: 8 }).map((writes) => {
    const writer = new FrameWriter();
    for (const write of writes) write(writer);
    return writer.take();
  });
}

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** What an asker may say, in an order that need not make sense. */
export const anyAsks: fc.Arbitrary<Uint8Array<ArrayBuffer>> = framesOf(
  fc.oneof(
    fc.tuple(fc.nat(3), fc.constantFrom("g", "g", "h", "")).map((
      [number, name],
    ) =>
    (to: FrameWriter) => to.text(ASK.group, number, name)),
    fc.record({
      kind: fc.constantFrom<number[]>(ASK.get, ASK.get, ASK.peek),
      id: anyId,
      group: fc.oneof(fc.constant(0), fc.nat(3)),
      served: fc.nat(99_999),
      key: fc.oneof(anyText, fc.constantFrom("~slow", "!bad", "k", "k")),
    }).map(({ kind, id, group, served, key }) => (to: FrameWriter) =>
      to.question(kind, id, group, served, key)
    ),
    fc.tuple(fc.constantFrom<number[]>(ASK.cancel, ASK.ping), anyId).map((
      [kind, id],
    ) =>
    (to: FrameWriter) => to.head(kind, id)),
    anyText.map((text) => (to: FrameWriter) => to.text(ASK.list, 0, text)),
    fc.tuple(anyId, fc.oneof(anyText, fc.constant(TRACEPARENT))).map((
      [id, text],
    ) =>
    (to: FrameWriter) => to.text(ASK.trace, id, text)),
  ),
);

/** What a server may say. */
export const anyAnswers: fc.Arbitrary<Uint8Array<ArrayBuffer>> = framesOf(
  fc.oneof(
    fc.record({
      id: anyId,
      hot: fc.constantFrom(0, HOT),
      bytes: fc.uint8Array({ maxLength: 60 }),
      ttlMs: fc.option(fc.double(), { nil: undefined }),
      waitedMs: fc.nat(2 ** 32 - 1),
    }).map(({ id, hot, bytes, ttlMs, waitedMs }) => (to: FrameWriter) => {
      const value = ByteView.from(bytes);
      if (ttlMs === undefined) to.value(ANSWER.value | hot, id, value);
      else to.expiring(ANSWER.expiringValue | hot, id, value, ttlMs, waitedMs);
    }),
    fc.tuple(
      fc.constantFrom<number[]>(ANSWER.failed, ANSWER.badKey),
      anyId,
      anyText,
    ).map(([kind, id, text]) => (to: FrameWriter) => to.text(kind, id, text)),
    fc.tuple(
      fc.constantFrom<number[]>(
        ...[ANSWER.notFound, ANSWER.busy, ANSWER.noGroup, ANSWER.draining],
        ...[ANSWER.alone, ANSWER.pong, ANSWER.closing],
      ),
      anyId,
    ).map(([kind, id]) => (to: FrameWriter) => to.head(kind, id)),
  ),
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
    const headers = {
      get: (name: string) => name === HEADER.stale ? null : path,
    };
    const found = readLife(ByteView.from(""), headers, 0);
    const { ttlMs = 0, staleIfErrorMs = 0 } = found ?? {};
    assert(ttlMs >= 0 && staleIfErrorMs >= 0, `${ttlMs} ms`);
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
 * What a reader gets from `bytes` in pieces, if it stops after each frame for which
 * `stops` says so: the frames, then the message of the error, if there is one.
 */
function readFrames(
  bytes: Uint8Array,
  maxBytes: number,
  ends: readonly number[],
  stops: (frame: number) => boolean,
): unknown[] {
  const reader = new FrameReader(maxBytes);
  const seen: unknown[] = [];
  const error = thrownBy(FrameError, () => {
    let at = 0;
    for (const end of ends) {
      let piece = bytes.slice(at, end);
      for (;;) {
        let goesOn = true;
        const read = reader.push(piece, (kind, id, all, from, to) => {
          assert(to - from <= maxBytes, `${to - from} bytes`);
          seen.push([kind, id, [...all.subarray(from, to)]]);
          return goesOn = !stops(seen.length);
        });
        if (goesOn) break;
        piece = piece.subarray(read);
      }
      at = end;
    }
    seen.push(reader.isBetweenFrames);
  });
  return [...seen, error?.message];
}

const frames = fc.property(
  damaged(fc.oneof(
    anyAsks,
    anyAnswers,
    fc.array(anyFrame, { maxLength: 6 }).map((frames) =>
      new Uint8Array(frames.flatMap((frame) => [...frame]))
    ),
  )),
  fc.constantFrom(0, 40, MAX_ASK_BYTES, MAX_ANSWER_BYTES),
  fc.array(fc.nat(), { maxLength: 6 }),
  fc.nat(3),
  (bytes, maxBytes, cuts, every) => {
    const ends = cuts.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b);
    // Wherever the bytes are cut, and wherever the reading stops for a while.
    const whole = readFrames(bytes, maxBytes, [bytes.length], () => false);
    const parts = readFrames(
      bytes,
      maxBytes,
      [...ends, bytes.length],
      (frame) => every > 0 && frame % every === 0,
    );
    assertEquals(parts, whole);
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

const anyArgument = fc.oneof(
  fc.constantFrom(...NAMES, "help", "__proto__", "no-port", "_")
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

/** Bytes, or JSON of any kind, for a configuration file. */
const anyFile = fc.oneof(
  anyText,
  fc.json(),
  fc.record({
    port: fc.anything(),
    maxBytes: fc.anything(),
    ttl: fc.anything(),
    groups: fc.dictionary(anyText, fc.anything()),
  }, { requiredKeys: [] }).map((file) => JSON.stringify(file) ?? ""),
);

const settings = fc.asyncProperty(
  fc.array(anyArgument, { maxLength: 6 }),
  fc.dictionary(fc.constantFrom(...NAMES.map(variableOf)), anyText),
  anyFile,
  async (args, env, file) => {
    let error: unknown;
    try {
      const { port, host, api, verbose, groups } = await readSettings(
        args,
        env,
        () => file,
      );
      for (const number of [port, api ?? 0]) {
        assert(Number.isInteger(number) && number <= 65535, `port ${number}`);
      }
      assert(typeof host === "string" && host !== "", `not a text: ${host}`);
      assert(groups.length > 0, "no group");
      for (const { name, maxBytes, ttlMs } of groups) {
        assert(typeof name === "string" && name !== "", `no name: ${name}`);
        assert(maxBytes >= 0, `${maxBytes} bytes`);
        assert(ttlMs >= 0, `${ttlMs} ms`);
      }
      assertEquals(typeof verbose, "boolean");
    } catch (caught) {
      error = caught;
    }
    assert(
      error === undefined || error instanceof Exit && error.message !== "",
      `not an error with a message: ${error}`,
    );
  },
);

/** The targets for parsers. */
export const parsers: readonly Target[] = [
  { name: "paths", property: paths },
  { name: "keys in frames", property: keys },
  { name: "frames of links", property: frames },
  { name: "protobuf", property: protobuf },
  { name: "requests of Node", property: nodeRequests },
  { name: "settings", property: settings },
].map(({ name, property }) => ({
  name,
  property: property as fc.IRawProperty<unknown>,
}));
