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

/** The second argument of {@linkcode BatchGetter.loadMany}. */
export interface BatchContext {
  /** The group's name. */
  readonly group: string;
  /**
   * Fires when nobody waits for any of the keys any more, in any process, and when the
   * call takes longer than `loadTimeoutMs`.
   */
  readonly signal: AbortSignal;
  /**
   * The stale values that the answer is to replace, of those keys that still have one
   * at hand: for a conditional request. A getter that finds one unchanged returns it.
   */
  readonly stale: ReadonlyMap<string, ByteView>;
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

/** What a getter threw, without what it travels in; any other error as it is. */
export function thrownOf(error: unknown): unknown {
  return error instanceof GetterFailure ? error.error : error;
}

/**
 * What a key's answer means.
 *
 * @param defaults The life that its value has as far as it does not say.
 * @throws {NotFoundError} If it is that there is no such key.
 */
export function valueOf(
  group: string,
  key: string,
  loaded: Loaded,
  defaults: Life,
): PeerValue {
  if (loaded === undefined) throw new NotFoundError(group, key);
  const action = `Cannot load ${quote(key)} of group ${quote(group)}`;
  return toPeerValue(loaded, action, defaults);
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

/** What a key has come to whose getter took too long. */
export function tooSlow(group: string, key: string, ms: number): LoadError {
  return new LoadError(
    group,
    key,
    `Cannot load ${quote(key)} of group ${quote(group)}: ` +
      `the getter took longer than ${ms} ms`,
  );
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
