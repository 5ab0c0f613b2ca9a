/**
 * A getter: its arguments, and the answers that it may give.
 *
 * @module
 */

import { type BytesLike, ByteView, isDetached } from "../base/byte_view.ts";
import { checkNumbers, type Names, namesRule } from "../base/checks.ts";
import {
  describe,
  isError,
  isNotFound,
  LoadError,
  NotFoundError,
  quote,
} from "../base/errors.ts";
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

/** The second argument of {@linkcode BatchGetter.loadMany}. */
export interface BatchContext {
  /** The group's name. */
  readonly group: string;
  /** Fires when nobody waits for any of the keys any more, in any process. */
  readonly signal: AbortSignal;
}

/**
 * Loads many keys in one call, such as with one query. It may be given in place of a
 * {@linkcode Getter}.
 *
 * What is missing in one turn of the event loop leaves in one call, whichever process
 * asks. While `maxConcurrentLoads` calls run, 4 unless you say otherwise, keys gather
 * for the next one.
 *
 * @example One query for all keys of a turn
 * ```ts
 * import { Group } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const db = new Map([["Tom", "630"], ["Jack", "589"], ["Sam", "567"]]);
 * const queries: (readonly string[])[] = [];
 * const scores = new Group("scores", {
 *   loadMany(names) {
 *     queries.push(names);
 *     return new Map([...db].filter(([name]) => names.includes(name)));
 *   },
 * });
 *
 * const found = await scores.getMany(["Sam", "Kurt", "Tom"]);
 * assertEquals([...found.values()].map(String), [
 *   "567",
 *   'NotFoundError: Cannot get "Kurt" of group "scores": no such key',
 *   "630",
 * ]);
 * assertEquals(queries, [["Sam", "Kurt", "Tom"]]);
 * ```
 */
export interface BatchGetter {
  /**
   * Answers a `Map` of what there is.
   *
   * - A key that is absent, or `undefined`, does not exist.
   * - A key whose value is an `Error` has failed, and no other has.
   * - A key that was not asked for is ignored.
   *
   * What it throws or rejects with fails all `keys`.
   *
   * @param keys Each once, in the order in which they were asked for.
   */
  loadMany(
    keys: readonly string[],
    context: BatchContext,
  ):
    | ReadonlyMap<string, Loaded | Error>
    | Promise<ReadonlyMap<string, Loaded | Error>>;
  /**
   * How many keys a call has at most; at least 1.
   *
   * @default {1000}
   */
  readonly maxKeys?: number;
}

/** The fields of a batch getter that is a plain object. */
const BATCH_GETTER: Names<BatchGetter> = { loadMany: true, maxKeys: true };

/**
 * Checks a getter. An object of a class of its own may have other fields.
 *
 * @throws {TypeError} If it is neither a function nor a batch getter.
 * @throws {RangeError} If its `maxKeys` is out of range.
 */
export function checkGetter(action: string, getter: unknown): void {
  if (typeof getter === "function") return;
  const isObject = typeof getter === "object" && getter !== null;
  const rule = isObject && isPlain(Object.getPrototypeOf(getter))
    ? namesRule("field of a getter", getter, BATCH_GETTER)
    : undefined;
  if (rule !== undefined) throw new TypeError(`${action}: ${rule}`);
  const { loadMany, maxKeys = Infinity } = (getter ?? {}) as Partial<
    Record<keyof BatchGetter, unknown>
  >;
  if (!isObject || typeof loadMany !== "function") {
    throw new TypeError(
      `${action}: getter must be a function, or an object with loadMany: ` +
        `received ${describe(getter)}`,
    );
  }
  checkNumbers(action, "a number of at least 1", { maxKeys });
}

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
 * What a key's answer means.
 *
 * @throws {NotFoundError} If it is that there is no such key.
 */
export function valueOf(
  group: string,
  key: string,
  loaded: Loaded,
): PeerValue {
  if (loaded === undefined) throw new NotFoundError(group, key);
  const action = `Cannot load ${quote(key)} of group ${quote(group)}`;
  return toPeerValue(loaded, action);
}

/** What a key has come to whose getter threw `error`. */
export function failureOf(
  group: string,
  key: string,
  error: unknown,
): Error | GetterFailure {
  if (isNotFound(error, group, key)) return error as Error;
  if (isError(error)) return new GetterFailure(error);
  return new LoadError(
    group,
    key,
    `Cannot load ${quote(key)} of group ${quote(group)}: ` +
      `the getter threw what is no Error: ${describe(error)}`,
    { cause: error },
  );
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
