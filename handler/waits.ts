/**
 * Who in other processes waits for a load here.
 *
 * A load goes on for as long as somebody waits for it. An asker that was told to
 * ask again counts as waiting until it does, or until it proves to be gone.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { LocalGroup } from "../group/local_group.ts";
import type { PeerValue } from "../base/peers.ts";

/**
 * How long a load, and what it found, is kept for an asker that was told to ask
 * again. It does so at once, unless it has died.
 */
const LINGER_MS = 5_000;

/** One asker's wait for one load. */
export interface Wait {
  /** The load, or the reason for which the asker left. */
  readonly load: Promise<PeerValue>;
  /** The asker is gone. */
  leave(reason: unknown): void;
  /** The asker was told to ask again. */
  linger(): void;
}

/** A wait whose asker was told to ask again. */
interface Lingering {
  readonly wait: Wait;
  /** The group's count of writes when the wait began. */
  readonly writes: number;
  readonly callOff: () => void;
}

/** The waits of all askers of one pool. */
export class Waits {
  readonly #clock: Clock;
  readonly #isPatient: boolean;
  /** By asker, group and key; the longest waiting first. */
  readonly #lingering = new Map<string, Lingering[]>();

  /** @param isPatient Loads wait for their turn however many do: askers know no "busy". */
  constructor(clock: Clock, isPatient = false) {
    this.#clock = clock;
    this.#isPatient = isPatient;
  }

  /**
   * Begins an asker's wait for a key, or goes on with the one it was told to come
   * back for: what was found meanwhile, were it that there is no such key, is not
   * looked for again.
   */
  join(asker: string, local: LocalGroup, key: string): Wait {
    const id = JSON.stringify([asker, local.name, key]);
    const last = this.#lingering.get(id)?.[0];
    if (last !== undefined) {
      this.#remove(id, last);
      if (last.writes === local.writes) return last.wait;
    }
    const { writes } = local;
    const controller = new AbortController();
    const load = local.load(key, {
      signal: controller.signal,
      isPatient: this.#isPatient,
    });
    // A wait from before a write must not answer a question from after it.
    last?.wait.leave(new Error("the asker asked again"));
    const wait: Wait = {
      load,
      leave: (reason) => controller.abort(reason),
      linger: () => this.#linger(id, wait, writes),
    };
    return wait;
  }

  /** Forgets all who were told to ask again. */
  close(): void {
    for (const all of this.#lingering.values()) {
      for (const { callOff } of all) callOff();
    }
    this.#lingering.clear();
  }

  #linger(id: string, wait: Wait, writes: number): void {
    const giveUp = (): void => {
      this.#remove(id, lingering);
      wait.leave(new Error("the asker did not ask again"));
    };
    const callOff = this.#clock.after(LINGER_MS, giveUp);
    const lingering: Lingering = { wait, writes, callOff };
    const all = this.#lingering.get(id);
    if (all === undefined) this.#lingering.set(id, [lingering]);
    else all.push(lingering);
    // If the asker never comes back, nobody hears of a failure.
    wait.load.catch(() => {});
  }

  #remove(id: string, lingering: Lingering): void {
    lingering.callOff();
    const all = this.#lingering.get(id)!.filter((one) => one !== lingering);
    if (all.length > 0) this.#lingering.set(id, all);
    else this.#lingering.delete(id);
  }
}
