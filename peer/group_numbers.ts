/**
 * The numbers that groups have on one link, so that their names travel once.
 *
 * @module
 */

import {
  ASK,
  type FrameWriter,
  MAX_GROUPS,
  MAX_NAME_CHARACTERS,
} from "../protocol/link.ts";

/** Gives groups numbers, and tells the peer their names. */
export class GroupNumbers {
  readonly #numbers = new Map<string, number>();
  /** How many characters the names have in all. */
  #characters = 0;
  #lastName: string | undefined;
  #lastNumber = 0;

  /** The number of a group. A new one is written before the question that needs it. */
  numberOf(name: string, writer: FrameWriter): number {
    if (name === this.#lastName) return this.#lastNumber;
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#next(name.length);
      this.#numbers.set(name, number);
      writer.text(ASK.group, number, name);
    }
    this.#lastName = name;
    return this.#lastNumber = number;
  }

  /** The next number, or the first one again. */
  #next(characters: number): number {
    const isMuch = this.#characters > MAX_NAME_CHARACTERS / 2;
    if (isMuch || this.#numbers.size === MAX_GROUPS) {
      this.#numbers.clear();
      this.#characters = 0;
    }
    this.#characters += characters;
    return this.#numbers.size;
  }
}
