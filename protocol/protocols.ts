/**
 * What differs between rings of our own processes and rings shared with Go.
 *
 * @module
 */

import { bodyOf, ByteView } from "../base/byte_view.ts";
import { ConsistentHash, type Ring, sharedRing } from "./consistent_hash.ts";
import { decodeResponse, encodeResponse } from "./protobuf.ts";
import { HEADER } from "./wire.ts";

/**
 * How the processes of a pool talk and place keys.
 *
 * - `"native"`: our own processes, with all that this library can do.
 * - `"geecache"`: the Go teaching cache, raw bodies.
 * - `"geecache-protobuf"`: its last version, "day 7", protobuf bodies.
 * - `"groupcache"`: golang/groupcache.
 */
export type ProtocolName =
  | "native"
  | "geecache"
  | "geecache-protobuf"
  | "groupcache";

/** One way to talk and to place keys. */
export interface Protocol {
  readonly name: ProtocolName;
  /** Whether peers are our own: writes, batches and a status for "not found". */
  readonly native: boolean;
  readonly basePath: string;
  /** Of a value. */
  readonly contentType: string;
  /** The ring of nodes, by origin where that is native, else as they are listed. */
  ring(nodes: Iterable<string>): Ring;
  /** The body of a value; a string is ASCII. */
  encode(value: ByteView): Uint8Array<ArrayBuffer> | string;
  /** The value of a body. Throws an `Error` that says what is wrong with it. */
  decode(body: Uint8Array): ByteView;
  /** What an answer means, as its status and `Geecache-Result`. */
  meaningOf(status: number, headers: Headers): string;
}

const raw = {
  contentType: "application/octet-stream",
  encode: bodyOf,
  decode: (body: Uint8Array): ByteView => ByteView.from(body),
};

const protobuf = { encode: encodeResponse, decode: decodeResponse };

function go(
  name: ProtocolName,
  basePath: string,
  body: Pick<Protocol, "contentType" | "encode" | "decode">,
): Protocol {
  return {
    ...body,
    name,
    native: false,
    basePath,
    ring: (nodes) => new ConsistentHash(nodes),
    meaningOf: (status, headers) => {
      const result = headers.get(HEADER.result);
      // One of ours, in a ring with Go, whose protocol has no "not found".
      if (result === "not-found" && status === 500) return "404 not-found";
      if (result !== null) return `${status} ${result}`;
      const type = headers.get("Content-Type");
      if (status === 200 && type === body.contentType) return "200 value";
      // Go's http.Error, and nothing that only looks like it.
      const failed = status === 500 && type === "text/plain; charset=utf-8" &&
        headers.get("X-Content-Type-Options") === "nosniff";
      return failed ? "500 failed" : `${status} null`;
    },
  };
}

/** All protocols, by name. */
export const PROTOCOLS: Readonly<Record<ProtocolName, Protocol>> = {
  native: {
    ...raw,
    name: "native",
    native: true,
    basePath: "/_geecache/",
    ring: sharedRing,
    meaningOf: (status, headers) => `${status} ${headers.get(HEADER.result)}`,
  },
  geecache: go("geecache", "/_geecache/", raw),
  "geecache-protobuf": go("geecache-protobuf", "/_geecache/", {
    ...protobuf,
    contentType: "application/octet-stream",
  }),
  groupcache: go("groupcache", "/_groupcache/", {
    ...protobuf,
    contentType: "application/x-protobuf",
  }),
};
