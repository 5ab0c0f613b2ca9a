/**
 * A steady trickle of gets, some keys far more often than others, as in real life.
 *
 * @module
 */

import type { Group } from "../../mod.ts";
import { messageOf } from "../exit.ts";
import type { TrafficState } from "./controls.ts";

/** How often gets begin, and how many at once. */
const EVERY_MS = 50;
const AT_ONCE = 5;
/** More are not under way at once, however slow the answers are. */
const MAX_UNDER_WAY = 500;
/** How many keys there are. The one in place `n` is asked for `n` times less than the first. */
const KEYS = 2_000;

/** Gets keys of a group while it is on. */
export class Traffic {
  readonly #group: Group;
  readonly #asked: (key: string) => void;
  readonly #isWatched: () => boolean;
  readonly #weights: Float64Array;
  #timer: ReturnType<typeof setInterval> | undefined;
  #gets = 0;
  #failed = 0;
  #underWay = 0;
  #lastError: string | undefined;

  /**
   * @param asked Hears of each key.
   * @param isWatched Whether anybody would see it. If not, it waits.
   */
  constructor(
    group: Group,
    asked: (key: string) => void,
    isWatched: () => boolean,
  ) {
    this.#group = group;
    this.#asked = asked;
    this.#isWatched = isWatched;
    let sum = 0;
    this.#weights = Float64Array.from(
      { length: KEYS },
      (_, i) => sum += 1 / (i + 1),
    );
  }

  get state(): TrafficState {
    const lastError = this.#lastError;
    return {
      on: this.#timer !== undefined,
      gets: this.#gets,
      failed: this.#failed,
      ...(lastError === undefined ? {} : { lastError }),
    };
  }

  set(on: boolean): void {
    clearInterval(this.#timer);
    this.#timer = on ? setInterval(() => this.#begin(), EVERY_MS) : undefined;
  }

  #begin(): void {
    if (!this.#isWatched()) return;
    for (let i = 0; i < AT_ONCE && this.#underWay < MAX_UNDER_WAY; i++) {
      void this.#get(this.#drawKey());
    }
  }

  #drawKey(): string {
    const at = Math.random() * this.#weights.at(-1)!;
    const place = this.#weights.findIndex((sum) => sum >= at);
    return `item:${place + 1}`;
  }

  async #get(key: string): Promise<void> {
    this.#underWay++;
    this.#asked(key);
    try {
      await this.#group.get(key);
    } catch (error) {
      this.#failed++;
      this.#lastError = messageOf(error);
    }
    this.#gets++;
    this.#underWay--;
  }
}
