/**
 * A list of peers that follows what a discovery answers.
 *
 * Who is new joins at once. Who is missing leaves when several answers in a row did not
 * have it, because answers may be partial. An answer that is empty or failed changes
 * nothing.
 *
 * @module
 */

import {
  checkAsyncIterable,
  checkList,
  checkNumbers,
  checkOptions,
  signalRule,
} from "../base/checks.ts";
import { afterTurn } from "../base/clock.ts";
import { describe, isError, lineOf, messageOf } from "../base/errors.ts";
import type { SafeLogger } from "../base/logger.ts";
import { FOLLOW_OPTIONS, type FollowOptions } from "./pool_options.ts";

/**
 * Checks what is to be followed, and fills in the defaults.
 *
 * @throws {TypeError} If something is of the wrong kind.
 * @throws {RangeError} If a number is out of range.
 */
export function followSettings(
  action: string,
  lists: unknown,
  options: FollowOptions,
): { signal: AbortSignal | undefined; leaveAfter: number } {
  checkAsyncIterable(action, "lists", lists);
  checkOptions(action, options, FOLLOW_OPTIONS);
  const rule = signalRule(options);
  if (rule !== undefined) throw new TypeError(`${action}: ${rule}`);
  const { signal, leaveAfter = 2 } = options;
  checkNumbers(action, "a number of at least 1", { leaveAfter });
  return { signal, leaveAfter };
}

/** Which list results from an answer. */
export class Roster {
  readonly #leaveAfter: number;
  /** How many answers in a row did not have a name that is still in the list. */
  #missed: ReadonlyMap<string, number> = new Map();

  /** @param leaveAfter How many answers in a row must not have a name that leaves. */
  constructor(leaveAfter: number) {
    this.#leaveAfter = leaveAfter;
  }

  /**
   * The list after an answer that is not empty.
   *
   * @param current The list until now.
   */
  after(current: Iterable<string>, answer: Iterable<string>): Set<string> {
    const list = new Set(answer);
    const missing = [...current].filter((name) => !list.has(name));
    const missed = new Map<string, number>();
    for (const name of missing) {
      const times = (this.#missed.get(name) ?? 0) + 1;
      missed.set(name, times);
      if (times < this.#leaveAfter) list.add(name);
    }
    this.#missed = missed;
    return list;
  }
}

/** The pool that follows, as {@linkcode Following} sees it. */
export interface Follower {
  readonly self: string;
  readonly logger: SafeLogger;
  /** The list as it is now. */
  nodes(): readonly string[];
  /** The name in the list of what an answer has. It throws what is wrong with it. */
  nameOf(entry: string): string;
  /** Replaces the list, or throws why that cannot be. */
  setPeers(nodes: Iterable<string>): void;
}

/** How many entries that are not used are shown. */
const SHOWN = 5;

/** Takes answers until it is stopped, or there are no more. */
export class Following {
  readonly #follower: Follower;
  readonly #roster: Roster;
  #active = true;
  #wake: () => void = () => {};
  /** Whether the last answer could not be used. */
  #failing = false;
  /** What was said of entries in the last answer that could not be used. */
  #unusable = "";

  constructor(follower: Follower, leaveAfter: number) {
    this.#follower = follower;
    this.#roster = new Roster(leaveAfter);
  }

  /** Whether it still takes answers. */
  get active(): boolean {
    return this.#active;
  }

  /** Takes no more answers, not even one that is on its way. */
  stop(): void {
    this.#active = false;
    this.#wake();
  }

  /** Takes the answers of `lists`. It resolves, whatever they do. */
  async run(lists: AsyncIterable<unknown>): Promise<void> {
    const { self, logger } = this.#follower;
    try {
      const iterator = lists[Symbol.asyncIterator]();
      // It may be stopped by what an answer leads to, such as a line in the log.
      while (this.#active) {
        const next = await this.#next(iterator);
        if (!this.#active) break;
        if (next?.done ?? true) return;
        this.#take(next!.value);
        // If all answers are there at once, nothing else would get its turn.
        await new Promise<void>((resolve) => afterTurn(resolve));
      }
      release(iterator);
    } catch (error) {
      logger.error(
        `[Pool ${self}] follows no lists of peers any more: ${reasonOf(error)}`,
      );
    } finally {
      this.#active = false;
    }
  }

  /** The next answer; `undefined` as soon as this is stopped. */
  #next(
    iterator: AsyncIterator<unknown>,
  ): Promise<IteratorResult<unknown> | undefined> {
    // No race with one promise for all answers: that would keep a part of each.
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve(undefined);
      iterator.next().then(resolve, reject);
    });
  }

  #take(answer: unknown): void {
    const { self, logger } = this.#follower;
    try {
      if (isError(answer)) throw answer;
      const names = this.#namesOf(answer);
      if (names.size === 0) throw new Error("the answer has no peers");
      const nodes = this.#follower.nodes();
      const list = this.#roster.after(nodes, names);
      // Most answers change nothing, and to set a long list takes milliseconds.
      const isSame = list.size === nodes.length &&
        nodes.every((node) => list.has(node));
      if (!isSame) this.#follower.setPeers(list);
    } catch (error) {
      if (!this.#failing) {
        logger.warn(
          `[Pool ${self}] keeps its list of peers until there is a new one: ${
            reasonOf(error)
          }`,
        );
      }
      this.#failing = true;
      return;
    }
    if (this.#failing) logger.info(`[Pool ${self}] has a list of peers again`);
    this.#failing = false;
  }

  /** The names in an answer, without what cannot be one. */
  #namesOf(answer: unknown): Set<string> {
    checkList("Cannot use an answer", "it", answer);
    const names = new Set<string>();
    const unusable = new Map<string, string>();
    for (const entry of answer as Iterable<string>) {
      try {
        names.add(this.#follower.nameOf(entry));
      } catch (error) {
        unusable.set(describe(entry), messageOf(error));
      }
    }
    this.#report(unusable);
    return names;
  }

  /** Says what is wrong with entries, unless that was said of the last answer. */
  #report(unusable: ReadonlyMap<string, string>): void {
    const shown = [...unusable.values()].slice(0, SHOWN).join("; ");
    const more = unusable.size > SHOWN
      ? `; and ${unusable.size - SHOWN} more`
      : "";
    const line = lineOf(shown) + more;
    if (line === this.#unusable) return;
    this.#unusable = line;
    if (line === "") return;
    const { self, logger } = this.#follower;
    logger.warn(`[Pool ${self}] passes over a part of an answer: ${line}`);
  }
}

/**
 * Lets an iterator go that is not asked any more. Nobody waits for that: a generator
 * ends only when what it awaits has come.
 */
function release(iterator: AsyncIterator<unknown>): void {
  const end = async () => await iterator.return?.();
  end().catch(() => {});
}

function reasonOf(error: unknown): string {
  return lineOf(messageOf(error));
}
