/**
 * The protocols of a pool: what differs between rings of our own processes and
 * rings shared with Go.
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
 * - `"native"`: processes of this library, with all that it can do.
 * - `"geecache"`: the Go teaching cache, with raw bodies.
 * - `"geecache-protobuf"`: its last version, "day 7", with protobuf bodies.
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
  /** Whether peers are our own and know writes, links and a "not found". */
  readonly native: boolean;
  readonly basePath: string;
  /** The content type of a value. */
  readonly contentType: string;
  /** The ring of nodes. They are origins if this is native, else names as listed. */
  ring(nodes: Iterable<string>): Ring;
  /** The body of a value. A string is always ASCII. */
  encode(value: ByteView): Uint8Array<ArrayBuffer> | string;
  /**
   * The value of a body.
   *
   * @throws {Error} That says what is wrong with the body.
   */
  decode(body: Uint8Array): ByteView;
  /** The meaning of an answer: its status, a space, and its `Geecache-Result`. */
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
      // One of ours answered, in the protocol of Go, which has no "not found".
      if (result === "not-found" && status === 500) return "404 not-found";
      if (result !== null) return `${status} ${result}`;
      const type = headers.get("Content-Type");
      if (status === 200 && type === body.contentType) return "200 value";
      // Only Go's `http.Error` counts, not an answer that merely has its status.
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
