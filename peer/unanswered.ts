/**
 * The unanswered questions of one link, by their numbers.
 *
 * @module
 */

import type { Question } from "./question.ts";

const FIRST_SLOTS = 256;

/** Gives questions numbers, and finds them again. */
export class Unanswered {
  /** Each question is where the last bits of its number lead. */
  #slots: (Question | undefined)[] = new Array(FIRST_SLOTS).fill(undefined);
  #mask = FIRST_SLOTS - 1;
  #lastId = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Gives a question the number that it returns, which no other one has. */
  add(question: Question): number {
    if (2 * ++this.#size > this.#slots.length) this.#grow();
    let id = this.#lastId;
    do id = (id + 1) >>> 0; while (this.#slots[id & this.#mask] !== undefined);
    this.#slots[id & this.#mask] = question;
    this.#lastId = id;
    return question.id = id;
  }

  /** Takes out the question with that number; `undefined`: there is none. */
  take(id: number): Question | undefined {
    const question = this.#slots[id & this.#mask];
    if (question?.id !== id) return undefined;
    this.#slots[id & this.#mask] = undefined;
    this.#size--;
    return question;
  }

  /** Takes out all of them, as they were asked. */
  takeAll(): Question[] {
    const questions: Question[] = [];
    for (const question of this.#slots) {
      if (question !== undefined) questions.push(question);
    }
    this.#slots.fill(undefined);
    this.#size = 0;
    return questions.sort((a, b) => a.id - b.id);
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Array(2 * old.length).fill(undefined);
    this.#mask = this.#slots.length - 1;
    for (const question of old) {
      if (question === undefined) continue;
      this.#slots[question.id & this.#mask] = question;
    }
  }
}
