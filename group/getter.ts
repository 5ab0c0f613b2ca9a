/**
 * A getter: its arguments, and the answers that it may give.
 *
 * @module
 */

import { type BytesLike, ByteView, isDetached } from "../base/byte_view.ts";
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
 * Loads a key from the slow source. It is called once for however many callers wait.
 * What it throws or rejects with reaches all of them.
 *
 * A call that nobody waits for any more, or that began before a write of the key, is
 * not waited for by those who ask later: they get a call of their own. So a getter
 * that hangs blocks no key. One that heeds its signal ends before that.
 */
export type Getter = (
  key: string,
  context: GetterContext,
) => Loaded | Promise<Loaded>;

/**
 * What a getter threw, as it travels inside this process. Without it, a getter's own
 * `BusyError`, of a group that it asks, would be taken for this group's.
 */
export class GetterFailure {
  readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }
}

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
        isDetached(value)
          ? "a Uint8Array whose buffer was transferred"
          : describe(value)
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
  return isPlain(Object.getPrototypeOf(loaded)) && "value" in loaded;
}

/** Whether that is the prototype of plain objects, in any realm. */
function isPlain(prototype: object | null): boolean {
  if (prototype === Object.prototype || prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, "constructor") &&
    prototype.constructor.name === "Object";
}
