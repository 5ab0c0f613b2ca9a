/** Fakes that let a test decide when things happen. */

import type { Clock } from "../../mod.ts";

/** A promise that the test settles. */
export interface Gate<T> {
  readonly opened: Promise<T>;
  open(value: T): void;
  fail(reason: unknown): void;
}

export function gate<T = void>(): Gate<T> {
  let open!: (value: T) => void;
  let fail!: (reason: unknown) => void;
  const opened = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { opened, open, fail };
}

/** Runs `then` in a macrotask of its own. Deno, Node and Bun have it. */
const { setImmediate } = globalThis as unknown as {
  setImmediate: (then: () => void) => void;
};

/** Lets everything run that needs neither time nor a real network. */
export async function settle(): Promise<void> {
  // A macrotask runs after all microtasks. It takes several, since streams use tasks of
  // their own. Not by a `MessageChannel`, whose messages Deno lets overtake those tasks
  // once a module of Node's is loaded.
  for (let i = 0; i < 5; i++) await nextTask();
}

/** Lets microtasks run. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Time that passes only when the test says so. */
export class FakeClock implements Clock {
  #now = 0;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.length;
  }

  /** The process is blocked for `ms`: timers that are due meanwhile fire late. */
  block(ms: number): void {
    this.#now += ms;
  }

  /** Lets `ms` pass; timers fire in order, and everything that one starts runs before the next. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settle();
      const due = this.#timers.filter(({ at }) => at <= until);
      if (due.length === 0) break;
      const next = due.reduce((a, b) => (b.at < a.at ? b : a));
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = until;
    await settle();
  }
}
