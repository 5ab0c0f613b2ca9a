/**
 * A getter: its arguments, and the answers that it may give.
 *
 * @module
 */

import { type BytesLike, ByteView } from "../base/byte_view.ts";
import { type Names, namesRule } from "../base/checks.ts";
import { describe } from "../base/errors.ts";
import type { PeerValue } from "../base/peers.ts";

/**
 * A getter's answer. It is bytes or a string, or a plain object with the value and
 * the milliseconds that it has to live. `undefined` means that there is no such
 * key.
 */
export type Loaded =
  | BytesLike
  | {
    /** The bytes. */
    value: BytesLike;
    /** How long they live, in milliseconds. Absent: for ever. 0: not kept at all. */
    ttlMs?: number;
    /** Not a field: what is meant is `ttlMs`. */
    ttl?: never;
  }
  | undefined;

/** The fields of an answer with a time to live. */
const ENVELOPE: Names<{ value: unknown; ttlMs: unknown }> = {
  value: true,
  ttlMs: true,
};

/** The second argument of a getter. */
export interface GetterContext {
  /** The group's name. */
  readonly group: string;
  /** Fires when nobody waits for the answer any more, in any process. */
  readonly signal: AbortSignal;
}

/**
 * Loads a key from the slow source. It is called once at a time for a key, however
 * many callers wait. What it throws or rejects with reaches all of them.
 */
export type Getter = (
  key: string,
  context: GetterContext,
) => Loaded | Promise<Loaded>;

/** Reads a getter's answer, or the arguments of a `set`. */
export function toPeerValue(
  loaded: NonNullable<Loaded>,
  action: string,
): PeerValue {
  const hasEnvelope = isEnvelope(loaded);
  const rule = hasEnvelope ? namesRule("field", loaded, ENVELOPE) : undefined;
  if (rule !== undefined) throw new TypeError(`${action}: ${rule}`);
  const { value, ttlMs } = hasEnvelope
    ? loaded
    : { value: loaded, ttlMs: undefined };
  let view: ByteView;
  try {
    view = ByteView.from(value);
  } catch (cause) {
    throw new TypeError(
      `${action}: the value must be a string, a Uint8Array or a ByteView: received ${
        describe(value)
      }`,
      { cause },
    );
  }
  if (ttlMs === undefined) return { value: view };
  if (typeof ttlMs !== "number") {
    throw new TypeError(
      `${action}: ttlMs must be a number: received ${describe(ttlMs)}`,
    );
  }
  if (!(ttlMs >= 0)) {
    throw new RangeError(
      `${action}: ttlMs must be at least 0: received ${ttlMs}`,
    );
  }
  return { value: view, ttlMs };
}

/** Only a plain object is an envelope, because bytes may have a `value` of their own. */
function isEnvelope(
  loaded: unknown,
): loaded is { value: BytesLike; ttlMs?: number } {
  if (typeof loaded !== "object" || loaded === null) return false;
  const prototype = Object.getPrototypeOf(loaded);
  return (prototype === Object.prototype || prototype === null) &&
    "value" in loaded;
}
