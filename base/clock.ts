/**
 * The library's source of time, and the end of a turn of the event loop.
 *
 * Apart from the Node adapter, nothing else reads a clock or sets a timer, so a
 * test can run the whole library on a clock of its own.
 *
 * @module
 */

/**
 * A source of time.
 *
 * @example A clock that stands still until it is told to move
 * ```ts
 * import { type Clock, Group } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * let time = 0;
 * const clock: Clock = { now: () => time, after: () => () => {} };
 * let loads = 0;
 * const group = new Group("g", () => ({ value: `${++loads}`, ttlMs: 1000 }), { clock });
 *
 * assertEquals((await group.get("k")).text(), "1");
 * time = 1000;
 * assertEquals((await group.get("k")).text(), "2");
 * ```
 */
export interface Clock {
  /** The time in milliseconds since some fixed moment. It never goes back. */
  now(): number;
  /**
   * Calls `run` once, `ms` milliseconds from now.
   *
   * @param inBackground No caller waits for it, so it does not keep the process alive.
   * @returns A function that cancels the call.
   */
  after(ms: number, run: () => void, inBackground?: boolean): () => void;
}

/** The longest wait that `setTimeout` accepts. A longer one would fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

function after(
  ms: number,
  run: () => void,
  inBackground = false,
): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const wait = (left: number): void => {
    timer = left > MAX_TIMEOUT_MS
      ? setTimeout(() => wait(left - MAX_TIMEOUT_MS), MAX_TIMEOUT_MS)
      : setTimeout(run, left);
    // A number, which a timer is on the web, has no such method.
    if (inBackground) (timer as unknown as { unref?: () => void }).unref?.();
  };
  wait(ms);
  return () => clearTimeout(timer);
}

/** The wall clock is not looked at more often: that would cost half a look again. */
const LOOK_MS = 1;

/** A difference of the two clocks that grew by more than that was no drift. */
const MAX_DRIFT_MS = 1_000;

/**
 * The time of a monotonic clock, which may stand still while the machine is suspended,
 * and of a wall clock, which goes on then but may be set. When the wall clock has gained
 * on the monotonic one since it was looked at last, the machine was suspended or the
 * clock was set forward: either way, that time counts as passed. So no value outlives
 * its life. A clock that is set back changes nothing.
 */
export function monotonic(
  steady: () => number,
  wall: () => number,
): () => number {
  let ahead = 0;
  let lookedAt = steady();
  let last = wall() - lookedAt;
  return () => {
    const now = steady();
    if (now - lookedAt < LOOK_MS) return now + ahead;
    lookedAt = now;
    const apart = wall() - now;
    if (apart - last > MAX_DRIFT_MS) ahead += apart - last;
    last = apart;
    return now + ahead;
  };
}

/** The runtime's own clocks. */
export const systemClock: Clock = {
  now: monotonic(() => performance.now(), () => Date.now()),
  after,
};

const { setImmediate } = globalThis as {
  setImmediate?: (run: () => void) => void;
};

/**
 * Calls `run` at the end of this turn of the event loop: what else has arrived is taken
 * in first. It is no matter of time, so a clock that stands still does not delay it.
 */
export const afterTurn: (run: () => void) => void = setImmediate ??
  ((run) => void setTimeout(run, 0));
