/**
 * What a peer is told: values, removes, and later on what it missed.
 *
 * @module
 */

import { PeerError } from "../base/errors.ts";
import { encodeKeys, maxKeyBytes } from "../protocol/frames.ts";
import type { Answer, Question } from "./client.ts";
import type { Link } from "./link.ts";
import type { MissedRemoves, Removal } from "./missed_removes.ts";
import type { PeerRequestOptions, PeerValue } from "../base/peers.ts";
import type { Protocol } from "../protocol/protocols.ts";
import { encodeTtl, groupPath, HEADER, keyPath } from "../protocol/wire.ts";

/** A body of keys to remove is cut into several of at most so many bytes, or one key. */
const MAX_KEYS_BYTES = 1024 * 1024;

/** What {@linkcode PeerWrites} are made of. */
export interface PeerWritesOptions {
  /**
   * Hears of what the peer was told late, keys or all of a group: others may have
   * copied old values from it.
   */
  onDelivered: (
    id: string,
    group: string,
    keys: readonly string[] | undefined,
  ) => void;
  basePath: string;
  maxBodyBytes: number;
  protocol: Protocol;
}

/** Sends a question, to whoever may be asked it now. */
type Ask = (question: Question) => Promise<Answer>;

/** The writes to one peer. */
export class PeerWrites {
  readonly #options: PeerWritesOptions;
  readonly #link: Link;
  /** What it missed. */
  readonly owed: MissedRemoves;

  constructor(link: Link, options: PeerWritesOptions, owed: MissedRemoves) {
    this.#link = link;
    this.#options = options;
    this.owed = owed;
  }

  set(
    group: string,
    key: string,
    { value, ttlMs }: PeerValue,
    { signal }: PeerRequestOptions = {},
  ): Promise<void> {
    const { basePath } = this.#options;
    const ttl = encodeTtl(ttlMs);
    const headers: Record<string, string> = ttl === undefined
      ? {}
      : { [HEADER.ttl]: ttl };
    // What is told late must not be a value: it may be older by then.
    return this.#write({ group, keys: [key] }, signal, async () => {
      const path = keyPath(basePath, group, key);
      const answer = await this.#link.ask(
        path === undefined
          ? {
            method: "POST",
            path: groupPath(basePath, group),
            headers: { ...headers, [HEADER.method]: "PUT" },
            body: encodeKeys([key], value),
          }
          : { method: "PUT", path, headers, body: value.bytes() },
        signal,
      );
      if (answer.meaning !== "204 done") throw this.#link.refusal(answer);
    });
  }

  remove(
    group: string,
    keys: readonly string[],
    { signal }: PeerRequestOptions = {},
  ): Promise<void> {
    const debt = { group, keys };
    return this.#write(
      debt,
      signal,
      () => this.#drop(debt, (question) => this.#link.ask(question, signal)),
    );
  }

  clear(group: string, { signal }: PeerRequestOptions = {}): Promise<void> {
    const debt = { group, keys: undefined };
    return this.#write(
      debt,
      signal,
      () => this.#drop(debt, (question) => this.#link.ask(question, signal)),
    );
  }

  /** Drops what it has of others' keys, or took over: of these keys, or of all. */
  clearCopies(group: string, keys?: readonly string[]): Promise<void> {
    const debt = { group, keys };
    return this.#write(
      debt,
      undefined,
      () => this.#drop(debt, (question) => this.#link.ask(question), "copies"),
    );
  }

  /** It missed something, and is to be told. */
  owe(debt: Removal): void {
    // Go's protocols have no way to tell it.
    if (!this.#options.protocol.native) return;
    this.owed.add(debt);
    this.#link.lookLater();
  }

  /**
   * Tells the peer all that it missed.
   *
   * @throws {PeerError} If it cannot be told; what is left is owed still.
   */
  async deliver(): Promise<void> {
    for (let debt = this.owed.take(); debt; debt = this.owed.take()) {
      try {
        await this.#drop(debt, (question) => this.#link.tell(question));
        this.#options.onDelivered(this.#link.id, debt.group, debt.keys);
      } catch (error) {
        // Keys that it does not take one by one are owed as a whole.
        const { group } = debt;
        this.owed.add(isTooMuch(error) ? { group, keys: undefined } : debt);
        throw error;
      } finally {
        this.owed.end(debt);
      }
    }
  }

  async #write(
    debt: Removal,
    signal: AbortSignal | undefined,
    run: () => Promise<void>,
  ): Promise<void> {
    const { native, name } = this.#options.protocol;
    // Go checks no method: what is meant to write would load the key, and say 200.
    if (!native) throw this.#link.error(`protocol ${name} has no writes`);
    try {
      const { state } = this.#link;
      if (state === "open" || state === "half-open") {
        throw this.#link.unavailable();
      }
      await run();
    } catch (error) {
      // Who calls off a write knows of it.
      if (!signal?.aborted) this.owe(debt);
      throw error;
    }
  }

  /** Drops what is told; a peer without the group has nothing. */
  async #drop(debt: Removal, ask: Ask, what?: "copies"): Promise<void> {
    for (const question of this.#questions(debt, what)) {
      const answer = await ask(question);
      const { meaning } = answer;
      if (meaning === "204 done" || meaning === "404 no-group") continue;
      throw this.#link.refusal(answer);
    }
  }

  *#questions(
    { group, keys }: Removal,
    what?: "copies",
  ): IterableIterator<Question> {
    const { basePath, maxBodyBytes } = this.#options;
    const all = groupPath(basePath, group);
    const path = what === undefined ? all : `${all}?clear=${what}`;
    if (keys === undefined) {
      yield {
        method: "DELETE",
        path: what === undefined ? `${all}?clear` : path,
      };
      return;
    }
    const own = what === undefined && keys.length === 1
      ? keyPath(basePath, group, keys[0]!)
      : undefined;
    if (own !== undefined) {
      yield { method: "DELETE", path: own };
      return;
    }
    const limit = Math.min(MAX_KEYS_BYTES, maxBodyBytes);
    const headers = { [HEADER.method]: "DELETE" };
    for (const body of framesOf(keys, limit)) {
      yield { method: "POST", path, headers, body };
    }
  }
}

/** Whether a peer is in order, but does not take what it was told. */
function isTooMuch(error: unknown): boolean {
  return error instanceof PeerError &&
    (error.status === 400 || error.status === 413);
}

/** Keys as bodies of at most `limit` bytes, or one key. */
function* framesOf(
  keys: readonly string[],
  limit: number,
): IterableIterator<Uint8Array<ArrayBuffer>> {
  let from = 0;
  let bytes = 0;
  for (const [index, key] of keys.entries()) {
    const size = maxKeyBytes(key);
    if (index > from && bytes + size > limit) {
      yield encodeKeys(keys.slice(from, index));
      from = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (from < keys.length) yield encodeKeys(keys.slice(from));
}
