/**
 * A getter: its arguments, and the answers that it may give.
 *
 * @module
 */

import { type BytesLike, ByteView, isDetached } from "../base/byte_view.ts";
import { type Names, namesRule } from "../base/checks.ts";
import { describe } from "../base/errors.ts";
import type { PeerValue } from "../base/peers.ts";
import { LIFE, type Life, withLife } from "./life.ts";

/**
 * A getter's answer. It is bytes or a string, or a plain object with the value and
 * its life: what that leaves out are the group's options. `undefined` means that there
 * is no such key.
 */
export type Loaded =
  | BytesLike
  | (Life & {
    /** The bytes. */
    value: BytesLike;
    /** Not a field: what is meant is `ttlMs`. */
    ttl?: never;
  })
  | undefined;

/** The fields of an answer with a life. */
const ENVELOPE: Names<Life & { value: unknown }> = { value: true, ...LIFE };

/** The second argument of a getter. */
export interface GetterContext {
  /** The group's name. */
  readonly group: string;
  /**
   * Fires when nobody waits for the answer any more, in any process, and when the call
   * takes longer than `loadTimeoutMs`.
   */
  readonly signal: AbortSignal;
  /**
   * The stale value that the answer is to replace, if it is still at hand: for a
   * conditional request. A getter that finds it unchanged returns it.
   */
  readonly stale?: ByteView | undefined;
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

/**
 * Reads a getter's answer, or the arguments of a `set`.
 *
 * @param defaults The life that it has as far as it does not say.
 */
export function toPeerValue(
  loaded: NonNullable<Loaded>,
  action: string,
  defaults: Life = {},
): PeerValue {
  const hasEnvelope = isEnvelope(loaded);
  const rule = hasEnvelope ? namesRule("field", loaded, ENVELOPE) : undefined;
  if (rule !== undefined) throw new TypeError(`${action}: ${rule}`);
  const { value, ...life } = hasEnvelope ? loaded : { value: loaded };
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
  return withLife(view, life, defaults, action);
}

/** Only a plain object is an envelope, because bytes may have a `value` of their own. */
function isEnvelope(
  loaded: unknown,
): loaded is Life & { value: BytesLike } {
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
