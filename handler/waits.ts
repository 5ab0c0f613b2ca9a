/**
 * The askers in other processes that wait for loads here.
 *
 * A load goes on for as long as somebody waits for it. An asker that was told to ask
 * again counts as waiting until it does, or until it is taken for dead.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { afterListening } from "../base/watchdog.ts";
import type { LocalGroup } from "../group/local_group.ts";
import type { PeerValue } from "../base/peers.ts";
import type { ServeStart, WatchedWork, Watchers } from "../base/watchers.ts";
import { aged } from "../protocol/wire.ts";

/**
 * How long a load and its result are kept for an asker that was told to ask again. A
 * living asker does so at once.
 */
const LINGER_MS = 5_000;

/**
 * A question of another process is about to wait for a load. Returns what to tell the
 * end, if it is observed.
 *
 * @param asker What it says that it is, or an empty string.
 */
export function beginServe(
  watchers: Watchers,
  clock: Clock,
  asker: string,
  group: string,
  key: string,
  traceparent: string | undefined,
): WatchedWork | undefined {
  if (!watchers.hear("serve")) return undefined;
  const start: ServeStart = { group, keys: [key] };
  if (asker !== "") start.peer = asker;
  if (traceparent !== undefined) start.traceparent = traceparent;
  return watchers.begin("serve", start, clock);
}

/** One asker's wait for one load. */
export interface Wait {
  /** The load's result, or the reason why the asker left. */
  readonly load: Promise<PeerValue>;
  /** The asker is gone. */
  leave(reason: unknown): void;
  /** The asker was told to ask again. */
  linger(): void;
}

/** A wait whose asker was told to ask again. */
interface Lingering {
  readonly wait: Wait;
  /** Its group: another one may have the same name by now. */
  readonly local: LocalGroup;
  /** The group's count of writes when the wait began. */
  readonly writes: number;
  readonly cancel: () => void;
}

/** The waits of all askers of one pool. */
export class Waits {
  readonly #clock: Clock;
  readonly #isPatient: boolean;
  /** By asker, group and key; the longest waiting first. */
  readonly #lingering = new Map<string, Lingering[]>();

  /** @param isPatient Loads always wait for their turn: these askers know no "busy". */
  constructor(clock: Clock, isPatient = false) {
    this.#clock = clock;
    this.#isPatient = isPatient;
  }

  /**
   * Begins an asker's wait for a key, or continues the wait that it was told to come
   * back for. A result found meanwhile, even "not found", is used and not loaded again.
   */
  join(asker: string, local: LocalGroup, key: string): Wait {
    const id = JSON.stringify([asker, local.name, key]);
    const last = this.#lingering.get(id)?.[0];
    if (last !== undefined) {
      this.#remove(id, last);
      const isCurrent = last.local === local && last.writes === local.writes;
      if (isCurrent) return last.wait;
    }
    const { writes } = local;
    const clock = this.#clock;
    const controller = new AbortController();
    const load = local.load(key, {
      signal: controller.signal,
      isPatient: this.#isPatient,
    });
    // A wait from before a write must not answer a question from after it.
    last?.wait.leave(new Error("the asker asked again"));
    const leave = (reason: unknown): void => controller.abort(reason);
    let foundAt = 0;
    // If the asker never comes back, nobody handles a failure.
    load.then(() => foundAt = clock.now(), () => {});
    const again: Wait = {
      // A value that waited for the asker has less time left.
      get load() {
        return load.then((found) => aged(found, clock.now() - foundAt));
      },
      leave,
      linger: () => this.#linger(id, { wait: again, local, writes }),
    };
    return { load, leave, linger: again.linger };
  }

  /** Forgets all askers that were told to ask again. */
  close(): void {
    for (const all of this.#lingering.values()) {
      for (const { cancel } of all) cancel();
    }
    this.#lingering.clear();
  }

  #linger(id: string, one: Omit<Lingering, "cancel">): void {
    const { wait } = one;
    const giveUp = (): void => {
      this.#remove(id, lingering);
      wait.leave(new Error("the asker did not ask again"));
    };
    const cancel = afterListening(this.#clock, LINGER_MS, giveUp, true);
    const lingering: Lingering = { ...one, cancel };
    const all = this.#lingering.get(id);
    if (all === undefined) this.#lingering.set(id, [lingering]);
    else all.push(lingering);
  }

  #remove(id: string, lingering: Lingering): void {
    lingering.cancel();
    const all = this.#lingering.get(id)!.filter((one) => one !== lingering);
    if (all.length > 0) this.#lingering.set(id, all);
    else this.#lingering.delete(id);
  }
}
