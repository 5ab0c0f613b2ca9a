/**
 * Gathers the values of many keys, each when it is there.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import type { Leaver } from "../base/peers.ts";
import type { Waiting } from "./flights.ts";

/** Joins a flight for a caller. Returns what lets the caller leave. */
type Join = (caller: Waiting<ByteView>) => Leaver | undefined;

/** One key that is waited for. */
class Missing implements Waiting<ByteView> {
  readonly #many: Many;
  readonly #key: string;
  leaver: Leaver | undefined = undefined;

  constructor(many: Many, key: string) {
    this.#many = many;
    this.#key = key;
  }

  resolve(value: ByteView): void {
    this.leaver = undefined;
    this.#many.land(this.#key, value);
  }

  reject(error: unknown): void {
    this.leaver = undefined;
    this.#many.land(this.#key, error as Error);
  }
}

/** Stands in the map for what is missing, so that the map keeps the order. */
const NOT_YET = new Error("not here yet");

/** The values of many keys, or the errors instead, in the order in which they were asked. */
export class Many {
  readonly #values = new Map<string, ByteView | Error>();
  readonly #waits: Missing[] = [];
  #missing = 0;
  #resolve: () => void = () => {};

  /** Whether the key was asked for. */
  has(key: string): boolean {
    return this.#values.has(key);
  }

  /** What a key has come to; `undefined`: it will be waited for. */
  set(key: string, value: ByteView | Error | undefined): void {
    this.#values.set(key, value ?? NOT_YET);
  }

  /** Waits for a key that was set to nothing. `join` joins its flight. */
  wait(key: string, join: Join): void {
    this.#missing++;
    const one = new Missing(this, key);
    const leaver = join(one);
    if (this.#values.get(key) !== NOT_YET) return;
    one.leaver = leaver;
    this.#waits.push(one);
  }

  /** What a key has come to that was waited for. */
  land(key: string, value: ByteView | Error): void {
    this.#values.set(key, value);
    if (--this.#missing === 0) this.#resolve();
  }

  /** Nobody waits any more. */
  leave(reason: unknown): void {
    for (const { leaver } of this.#waits) leaver?.leave(reason);
    this.#resolve();
  }

  /** Resolves when nothing is missing, or nobody waits any more. */
  async all(): Promise<Map<string, ByteView | Error>> {
    if (this.#missing > 0) {
      await new Promise<void>((resolve) => this.#resolve = resolve);
    }
    return this.#values;
  }
}
