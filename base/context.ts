/**
 * The asynchronous context that code runs in, as `AsyncLocalStorage` has it.
 *
 * A load belongs to all who wait for it, and must not see what one of them is: its
 * user, its transaction. Deno, Node from 20.16 on and Bun have what this takes. On a
 * runtime without it, code runs in the context of its caller.
 *
 * @module
 */

import { builtinModule } from "./builtins.ts";

/** Calls a function in some context. */
export type InContext = <T>(run: () => T) => T;

/** What this needs of `AsyncLocalStorage`. */
interface Storage<V> {
  run<T>(value: V, run: () => T): T;
  getStore(): V | undefined;
  disable(): void;
}

interface StorageClass {
  new <V>(): Storage<V>;
  snapshot(): InContext;
}

function storageClass(): StorageClass | undefined {
  const hooks = builtinModule("async_hooks") as
    | { AsyncLocalStorage?: Partial<StorageClass> }
    | undefined;
  const found = hooks?.AsyncLocalStorage;
  return typeof found?.snapshot === "function"
    ? found as StorageClass
    : undefined;
}

/** What calls functions in the context of this moment. */
export function contextOfNow(): InContext {
  return storageClass()?.snapshot() ?? ((run) => run());
}

/** A value that code sees which runs, now or later, because of one call. */
export class ContextValue<V> {
  #storage: Storage<V> | undefined;
  #uses = 0;

  /** Calls `run`, which sees `value` until its promise has settled. */
  async during<T>(value: V, run: () => Promise<T> | T): Promise<T> {
    const Storage = this.#storage === undefined ? storageClass() : undefined;
    if (Storage !== undefined) this.#storage = new Storage<V>();
    if (this.#storage === undefined) return await run();
    this.#uses++;
    try {
      return await this.#storage.run(value, run);
    } finally {
      // Until it is disabled, it makes all promises of Node 22 slower.
      if (--this.#uses === 0) this.#storage.disable();
    }
  }

  /** The value that the code which runs now sees. */
  get(): V | undefined {
    return this.#uses === 0 ? undefined : this.#storage!.getStore();
  }
}
