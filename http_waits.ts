/**
 * Who in other processes waits for a load here.
 *
 * A load goes on for as long as somebody waits for it. An asker that was told to
 * ask again counts as waiting until it does, or until it proves to be gone.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { LocalGroup } from "./local_group.ts";
import type { PeerValue } from "./peers.ts";

/**
 * How long a load is kept going for an asker that was told to ask again. It does
 * so at once, unless it has died.
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

/** The waits of all askers of one pool. */
export class Waits {
  readonly #clock: Clock;
  /** Ends the waits of those who were told to ask again, by asker, group and key. */
  readonly #lingering = new Map<string, (() => void)[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins, or goes on with, an asker's wait for a key. */
  join(asker: string, local: LocalGroup, key: string): Wait {
    const controller = new AbortController();
    const load = local.load(key, { signal: controller.signal });
    const leave = (reason: unknown): void => controller.abort(reason);
    const id = JSON.stringify([asker, local.name, key]);
    // This wait takes the place of the asker's last one.
    this.#lingering.get(id)?.shift()?.();
    return { load, leave, linger: () => this.#linger(id, load, leave) };
  }

  #linger(
    id: string,
    load: Promise<PeerValue>,
    leave: (reason: unknown) => void,
  ): void {
    const giveUp = (): void => leave(new Error("the asker did not ask again"));
    const callOff = this.#clock.after(LINGER_MS, giveUp);
    const others = this.#lingering.get(id);
    if (others === undefined) this.#lingering.set(id, [giveUp]);
    else others.push(giveUp);
    const end = (): void => {
      callOff();
      const others = this.#lingering.get(id);
      const place = others?.indexOf(giveUp) ?? -1;
      if (place >= 0) others!.splice(place, 1);
      if (others?.length === 0) this.#lingering.delete(id);
    };
    // A wait that is left ends like one that got its answer.
    load.then(end, end);
  }
}
