/**
 * Asking a source for its list of peers again and again.
 *
 * @module
 */

import {
  checkFunctions,
  checkMethods,
  checkNumbers,
  safeRandom,
  signalRule,
} from "../base/checks.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { isError, messageOf } from "../base/errors.ts";

/** How often a source is asked, and until when. */
export interface PollOptions {
  /**
   * How long it waits after an answer before it asks again, in milliseconds; more than
   * 0. Chance makes it up to a tenth more or less, so that processes that started
   * together do not ask together.
   *
   * @default {5000}
   */
  everyMs?: number;
  /** Ends the answers. */
  signal?: AbortSignal;
  /**
   * Where time comes from.
   *
   * @default {Clock} the runtime's
   */
  clock?: Clock;
  /**
   * A number from 0 to less than 1, for the jitter of waits.
   *
   * @default {Math.random}
   */
  random?: () => number;
}

/** The names of all options of polling. */
export const POLL_OPTIONS = {
  everyMs: true,
  signal: true,
  clock: true,
  random: true,
} as const;

/** The answers of a source: lists, and an error wherever there was none. */
export type PeerLists = AsyncIterable<string[] | Error>;

/** Asks a source once. The signal says that nobody waits for its answer any more. */
export type Ask = (signal: AbortSignal) => Promise<string[]>;

/** How long an answer may take. */
const LIMIT_MS = 30_000;

/** How much longer or shorter than `everyMs` a wait may be. */
const JITTER = 0.1;

/**
 * Asks again and again, as long as somebody goes through the answers. Each iterator asks
 * on its own. No wait keeps the process alive.
 *
 * @throws {TypeError} If an option is of the wrong kind.
 * @throws {RangeError} If `everyMs` is not greater than 0.
 */
export function poll(
  action: string,
  ask: Ask,
  options: PollOptions,
): PeerLists {
  const {
    everyMs = 5_000,
    signal,
    clock = systemClock,
    random = Math.random,
  } = options;
  const rule = signalRule(options);
  if (rule !== undefined) throw new TypeError(`${action}: ${rule}`);
  checkNumbers(action, "a number greater than 0", { everyMs });
  checkMethods(action, "clock", clock, ["now", "after"]);
  checkFunctions(action, { random });
  const chance = safeRandom(random);
  const waitMs = (): number => everyMs * (1 + JITTER * (2 * chance() - 1));
  return {
    [Symbol.asyncIterator]() {
      const ended = new AbortController();
      const answers = answersOf(ask, { ended, signal, clock, waitMs });
      return {
        next: () => answers.next(),
        return() {
          // A generator that waits would return only when its wait is over.
          ended.abort();
          return answers.return();
        },
      };
    },
  };
}

interface Polling {
  readonly ended: AbortController;
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
  waitMs(): number;
}

async function* answersOf(
  ask: Ask,
  { ended, signal, clock, waitMs }: Polling,
): AsyncGenerator<string[] | Error, void> {
  const end = (): void => ended.abort();
  if (signal?.aborted) return;
  signal?.addEventListener("abort", end);
  try {
    for (;;) {
      const answer = await answerOf(ask, clock, ended.signal);
      if (answer === undefined) return;
      yield answer;
      await pause(waitMs(), clock, ended.signal);
    }
  } finally {
    signal?.removeEventListener("abort", end);
  }
}

/** One answer, or the error in its place; `undefined` as soon as `ended` fires. */
function answerOf(
  ask: Ask,
  clock: Clock,
  ended: AbortSignal,
): Promise<string[] | Error | undefined> {
  if (ended.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const limit = new AbortController();
    const end = (answer: string[] | Error | undefined): void => {
      cancel();
      ended.removeEventListener("abort", leave);
      limit.abort();
      resolve(answer);
    };
    const leave = (): void => end(undefined);
    const cancel = clock.after(LIMIT_MS, () => {
      end(new Error(`there was no answer in ${LIMIT_MS} ms`));
    }, true);
    ended.addEventListener("abort", leave);
    const asked = async (): Promise<string[]> => await ask(limit.signal);
    asked().then(end, (error) => {
      end(isError(error) ? error : new Error(messageOf(error)));
    });
  });
}

/** Waits for `ms`, or until `ended` fires. */
function pause(ms: number, clock: Clock, ended: AbortSignal): Promise<void> {
  if (ended.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      ended.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end, true);
    ended.addEventListener("abort", end);
  });
}
