/**
 * The order of one group's writes in one process: a value that another process sent
 * and gave up is never stored after a later write took effect.
 *
 * A request may arrive long after its sender gave it up. So writes are numbered as they
 * take effect, and a value is sent with the number that its sender knew last. If its key
 * was written since, the value is refused, and its sender is given a ticket: a new
 * number. Only a sender that still waits uses it. Among values with tickets the newest
 * ticket wins, whatever the order in which they arrive.
 *
 * @module
 */

import { detach } from "../base/keys.ts";

/** What is known of one key. */
interface KeyOrder {
  /** The number of the write that counts. */
  readonly last: number;
  /** A value sent with a smaller number is refused: the key's newest write or ticket. */
  readonly least: number;
}

/** What becomes of a value. */
export type Verdict =
  /** It is to be stored. */
  | "store"
  /** A write that was under way at the same time took its place. */
  | "superseded"
  /** It is to be sent again with this. */
  | { readonly ticket: string };

/** The keys that are remembered, by their number and by their characters. */
const MAX_KEYS = 10_000;
const MAX_CHARACTERS = 1024 * 1024;

/** The epoch, a number, and whether it is a ticket. */
const FORM = /^([0-9a-f]{16})-(\d{1,16})(!?)$/;

/** The order of one group's writes in one process. */
export class WriteOrder {
  /** Another one in each process; `undefined`: nobody was told a number yet. */
  #epoch: string | undefined;
  #count = 0;
  /** No key that is not remembered has a larger number. */
  #floor = 0;
  /** The key that was written longest ago is first. */
  readonly #keys = new Map<string, KeyOrder>();
  #characters = 0;
  readonly #maxKeys: number;

  constructor(maxKeys: number = MAX_KEYS) {
    this.#maxKeys = maxKeys;
  }

  /** What a process is told that may send values later, of any key. */
  latest(): string {
    return `${this.#begin()}-${this.#count}`;
  }

  /** A write of `key` takes effect now. */
  add(key: string): void {
    // A value without a number is not refused, so there is nothing to remember.
    if (this.#epoch === undefined) return;
    const number = ++this.#count;
    this.#remember(key, { last: number, least: number });
  }

  /** A write of all keys takes effect now. */
  addAll(): void {
    this.#floor = ++this.#count;
    this.#keys.clear();
    this.#characters = 0;
  }

  /**
   * Decides about a value that was sent with `given`. If it is to be stored, that counts
   * as done.
   */
  judge(key: string, given: string): Verdict {
    const { last, least } = this.#keys.get(key) ??
      { last: this.#floor, least: this.#floor };
    const [, epoch, digits, mark] = FORM.exec(given) ?? [];
    if (epoch !== undefined && epoch === this.#epoch) {
      const number = Number(digits);
      if (mark === "") {
        if (least <= number) {
          this.add(key);
          return "store";
        }
      } else if (last < number) {
        // Not a new number: a newer ticket may be on its way.
        this.#remember(key, { last: number, least: Math.max(least, number) });
        return "store";
      } else if (last > this.#floor) {
        // A write has a newer number than a ticket that was given while the sender
        // waited. So it was under way then, too. The floor may not be a write's number.
        return "superseded";
      }
    }
    const ticket = `${this.#begin()}-${++this.#count}!`;
    this.#remember(key, { last, least: this.#count });
    return { ticket };
  }

  #begin(): string {
    return this.#epoch ??= Array.from(
      crypto.getRandomValues(new Uint32Array(2)),
      (number) => number.toString(16).padStart(8, "0"),
    ).join("");
  }

  #remember(key: string, order: KeyOrder): void {
    if (!this.#keys.delete(key)) this.#characters += key.length;
    this.#keys.set(detach(key), order);
    for (const [oldest, { least }] of this.#keys) {
      const isMuch = this.#keys.size > this.#maxKeys ||
        this.#characters > MAX_CHARACTERS;
      if (!isMuch) return;
      this.#floor = Math.max(this.#floor, least);
      this.#keys.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
