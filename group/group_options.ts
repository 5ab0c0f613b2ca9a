/**
 * The options of a group, and how they are checked.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { quote } from "../base/errors.ts";
import { checkGroupName } from "../base/names.ts";
import {
  checkFunctions,
  checkMethods,
  checkNumbers,
  checkOptions,
  checkUnreachable,
  type Names,
  safeRandom,
  type Unreachable,
} from "../base/checks.ts";
import type { PeerPicker } from "../base/peers.ts";
import { checkGetter } from "./getter.ts";
import { LIFE, type Life } from "./life.ts";

/**
 * Options for a `Group`. The fields of {@linkcode Life} are those of values that do not
 * say it themselves.
 */
export interface GroupOptions extends Life {
  /**
   * How many bytes the memory of main and hot may have. An entry takes its key as UTF-8,
   * its value and a head of 16 bytes, or of 32 if it ends some time; beside that, about
   * 40 bytes for its place in the index and for what the runtime lets gather. Memory is
   * taken in segments as it is needed, so entries get about nine tenths of it.
   * 0 caches nothing; `Infinity` never evicts. A value larger than the whole budget is
   * returned, not stored, and evicts nothing.
   *
   * @default {67108864} 64 MiB
   */
  maxBytes?: number;
  /**
   * Knows which peer owns a key. Without it this process owns all keys. For the peers
   * of an `HTTPPool`, call its `group()` instead.
   */
  peers?: PeerPicker;
  /**
   * Whether to keep a copy of a value that the key's owner answered. If it is given, it
   * alone decides. An answer of a stand-in is never kept. What this throws reaches the
   * callers of that key.
   *
   * Default: a copy is kept if the owner says that the key is hot. It does if others ask
   * for the key so often that the average one would use a copy several times.
   */
  shouldMirror?: (key: string, value: ByteView) => boolean;
  /**
   * The longest life of a copy of somebody else's key, in milliseconds, whatever
   * the value's own `ttlMs`. 0 keeps no copies.
   *
   * @default {60000}
   */
  mirrorTtlMs?: number;
  /**
   * How many keys may be loaded here at a time in place of owners that are out of
   * reach; at least 1. Up to 10,000 more wait in order. Past that a load is refused
   * with a `BusyError`. A load that nobody waits for any more is not counted, nor is
   * one whose getter asks a group for a key that is not in memory.
   *
   * @default {64}
   */
  maxStandInLoads?: number;
  /**
   * How many loads may run here at a time, those in place of owners included; at least
   * 1. Up to 10,000 more wait in order. Past that a load is refused with a `BusyError`.
   * A call of `loadMany` is one load, however many keys it has. A load that nobody waits
   * for any more is not counted, nor is one whose getter asks a group for a key that is
   * not in memory.
   *
   * Default: as many as there are, and 4 with a `loadMany`.
   */
  maxConcurrentLoads?: number;
  /**
   * For how long the owner of a key remembers that there is no such key, in
   * milliseconds. 0: not at all. More than 0 sets a sixteenth of `maxBytes` aside for
   * such keys.
   *
   * @default {0}
   */
  negativeTtlMs?: number;
  /**
   * By which part the `ttlMs` of each loaded value is shortened at most, at random, so
   * that what was loaded at the same time does not go stale at the same time. From 0 to
   * 1.
   *
   * @default {0}
   */
  ttlJitter?: number;
  /**
   * How long a load may take, in milliseconds, before a value within its
   * `staleIfErrorMs` is answered instead. The load goes on. 0: such a value is answered
   * at once.
   *
   * @default {Infinity}
   */
  softTimeoutMs?: number;
  /**
   * How long a call of the getter may take, in milliseconds. Then its signal fires, and
   * the load has failed: with a `LoadError` where there is no stale value to answer.
   * What the getter gives later is dropped.
   *
   * @default {Infinity}
   */
  loadTimeoutMs?: number;
  /**
   * What a write does that could not reach some processes, where the call does not say
   * it. See {@linkcode WriteOptions.unreachable}.
   *
   * @default {"reject"}
   */
  unreachable?: Unreachable;
  /**
   * Gives numbers from 0 to less than 1, for `ttlJitter` and for the pauses after loads
   * that failed.
   *
   * @default {Math.random}
   */
  random?: () => number;
  /**
   * Where time comes from.
   *
   * @default {Clock} the runtime's
   */
  clock?: Clock;
}

/** Options for `Group.remove`, `removeMany` and `clear`. */
export interface WriteOptions {
  /**
   * What happens if some processes cannot be reached. They are told later in any case,
   * for as long as this process lives: to drop the key, never to store a value.
   *
   * - `"reject"`: the write rejects and names them.
   * - `"later"`: the write resolves once all others were told. It rejects still if a
   *   process would not be told later, as in a ring with Go.
   *
   * Default: what the group's options say.
   */
  unreachable?: Unreachable;
}

/**
 * Options for `Group.set`. What they leave out of the value's {@linkcode Life} are the
 * group's options. With a `ttlMs` of 0 nothing is stored, so that the key is only
 * removed.
 */
export interface SetOptions extends WriteOptions, Life {}

/** How many calls of a `loadMany` run at a time. */
const MAX_CONCURRENT_BATCHES = 4;

/** The names of all options of a group. */
export const GROUP_OPTIONS: Names<GroupOptions> = {
  maxBytes: true,
  peers: true,
  shouldMirror: true,
  mirrorTtlMs: true,
  maxStandInLoads: true,
  maxConcurrentLoads: true,
  ...LIFE,
  negativeTtlMs: true,
  ttlJitter: true,
  softTimeoutMs: true,
  loadTimeoutMs: true,
  unreachable: true,
  random: true,
  clock: true,
};

/** Options that were checked, with the defaults filled in. */
export interface GroupSettings {
  maxBytes: number;
  peers: PeerPicker | undefined;
  shouldMirror: GroupOptions["shouldMirror"];
  mirrorTtlMs: number;
  maxStandInLoads: number;
  maxConcurrentLoads: number;
  life: Life;
  negativeTtlMs: number;
  ttlJitter: number;
  softTimeoutMs: number;
  loadTimeoutMs: number;
  unreachable: Unreachable;
  random: () => number;
  clock: Clock;
}

/**
 * Checks a group's name, getter and options.
 *
 * @throws {TypeError} If the name, the getter or an option is of the wrong kind.
 * @throws {RangeError} If a number is out of range.
 */
export function groupSettingsOf(
  name: string,
  getter: unknown,
  options: GroupOptions,
): GroupSettings {
  checkGroupName(name);
  const action = `Cannot create Group ${quote(name)}`;
  checkOptions(action, options, GROUP_OPTIONS);
  const {
    maxBytes = 64 * 1024 * 1024,
    mirrorTtlMs = 60_000,
    maxStandInLoads = 64,
    maxConcurrentLoads = typeof getter === "function"
      ? Infinity
      : MAX_CONCURRENT_BATCHES,
    ttlMs = Infinity,
    staleWhileRevalidateMs = 0,
    staleIfErrorMs = 0,
    negativeTtlMs = 0,
    ttlJitter = 0,
    softTimeoutMs = Infinity,
    loadTimeoutMs = Infinity,
    unreachable = "reject",
    random = Math.random,
    clock = systemClock,
    peers,
    shouldMirror,
  } = options;
  checkGetter(action, getter);
  checkNumbers(action, "a non-negative number", { maxBytes, mirrorTtlMs });
  checkNumbers(action, "a number of at least 1", {
    maxStandInLoads,
    maxConcurrentLoads,
  });
  const life = { ttlMs, staleWhileRevalidateMs, staleIfErrorMs };
  checkNumbers(action, "a non-negative number", life);
  checkNumbers(action, "a non-negative number", {
    negativeTtlMs,
    softTimeoutMs,
  });
  checkNumbers(action, "a number from 0 to 1", { ttlJitter });
  checkNumbers(action, "a number greater than 0", { loadTimeoutMs });
  checkFunctions(action, { shouldMirror, random });
  checkUnreachable(action, unreachable);
  checkMethods(action, "clock", clock, ["now", "after"]);
  checkMethods(action, "peers", peers, ["pickPeer", "peers"]);
  if (peers !== undefined && "group" in peers) {
    throw new TypeError(
      `${action}: peers must not be a pool: call pool.group() instead`,
    );
  }
  return {
    maxBytes,
    mirrorTtlMs,
    maxStandInLoads,
    maxConcurrentLoads,
    life,
    negativeTtlMs,
    ttlJitter,
    softTimeoutMs,
    loadTimeoutMs,
    unreachable,
    random: safeRandom(random),
    clock,
    peers,
    shouldMirror,
  };
}
