/**
 * Writes to one peer: values and removals, at once, and later what it missed.
 *
 * @module
 */

import { PeerError } from "../base/errors.ts";
import type { Observer } from "../base/observer.ts";
import type { PeerRequestOptions, PeerValue } from "../base/peers.ts";
import type { Watchers } from "../base/watchers.ts";
import { encodeKeys, maxKeyBytes } from "../protocol/key_lists.ts";
import { groupPath, HEADER, keyPath, writeLife } from "../protocol/wire.ts";
import type { Requests } from "./requests.ts";
import type { MissedRemoves, Removal } from "./missed_removes.ts";
import type { Answer, Question } from "./transport.ts";

/** A body of keys to remove is cut into several of at most so many bytes, or one key. */
const MAX_KEYS_BYTES = 1024 * 1024;

/** How often a value is sent. It takes more than two only while others clear the group. */
const MAX_TRIES = 8;

/** The groups whose newest write at the peer is remembered. */
const MAX_GROUPS = 1_000;

/** Sent where no write of the peer is known. The peer then gives a ticket. */
const UNKNOWN = "unknown";

/** Sends a question to the peer. */
type Ask = (question: Question) => Promise<Answer>;

/** The writes to one peer. */
export class PeerWrites {
  readonly #requests: Requests;
  readonly #observer: Observer;
  readonly #watchers: Watchers;
  /** What it missed. */
  readonly missed: MissedRemoves;
  /** The newest write that the peer told of, by group. */
  readonly #latest = new Map<string, string>();

  constructor(
    requests: Requests,
    missed: MissedRemoves,
    observer: Observer,
    watchers: Watchers,
  ) {
    this.#requests = requests;
    this.missed = missed;
    this.#observer = observer;
    this.#watchers = watchers;
  }

  set(
    group: string,
    key: string,
    stored: PeerValue,
    { signal }: PeerRequestOptions = {},
  ): Promise<void> {
    const { basePath } = this.#requests.transport;
    const { value } = stored;
    // If this fails, a removal is told later, never the value: it may be old by then.
    return this.#write("set", { group, keys: [key] }, signal, async () => {
      const path = keyPath(basePath, group, key);
      const question: Question = path === undefined
        ? {
          method: "POST",
          path: groupPath(basePath, group),
          headers: { [HEADER.method]: "PUT" },
          body: encodeKeys([key], value),
        }
        : { method: "PUT", path, body: value.bytes() };
      let latest = this.#latest.get(group) ?? UNKNOWN;
      for (let tries = 1;; tries++) {
        const headers: Record<string, string> = {
          ...question.headers,
          [HEADER.write]: latest,
        };
        writeLife(headers, stored);
        const answer = await this.#requests.ask(
          { ...question, headers },
          signal,
        );
        if (answer.meaning === "204 done") return this.#note(group, answer);
        const ticket = answer.headers.get(HEADER.write);
        if (
          answer.meaning !== "409 outdated" || ticket === null ||
          tries === MAX_TRIES
        ) throw this.#requests.refusal(answer);
        // For this value alone: somebody waits for it still.
        latest = ticket;
      }
    });
  }

  remove(
    group: string,
    keys: readonly string[],
    { signal }: PeerRequestOptions = {},
  ): Promise<void> {
    return this.#remove({ group, keys }, { signal });
  }

  clear(group: string, { signal }: PeerRequestOptions = {}): Promise<void> {
    return this.#remove({ group, keys: undefined }, { signal });
  }

  /** Drops copies of these keys, or of all keys, and what the peer inherited of them. */
  clearCopies(group: string, keys?: readonly string[]): Promise<void> {
    return this.#remove({ group, keys }, { what: "copies" });
  }

  /** The peer missed a removal. A probe will tell it. */
  owe(removal: Removal): void {
    // Go's protocols have no way to tell it.
    if (!this.#requests.transport.protocol.native) return;
    this.missed.add(removal);
    this.#requests.lookLater();
  }

  /**
   * Tells the peer all that it missed.
   *
   * @throws {PeerError} If it cannot be told; what is left is owed still.
   */
  async deliver(): Promise<void> {
    const { missed } = this;
    for (let removal = missed.take(); removal; removal = missed.take()) {
      try {
        await this.#watch(
          kindOf(removal),
          removal,
          undefined,
          () =>
            this.#drop(removal, (question) => this.#requests.tell(question)),
        );
        this.#observer.emit("outdated", {
          peer: this.#requests.id,
          ...removal,
        });
      } catch (error) {
        // If the peer does not take keys one by one, it is told to drop them all.
        const { group } = removal;
        missed.add(isTooMuch(error) ? { group, keys: undefined } : removal);
        throw error;
      } finally {
        missed.end(removal);
      }
    }
  }

  #remove(
    removal: Removal,
    { signal, what }: { signal?: AbortSignal | undefined; what?: "copies" },
  ): Promise<void> {
    const ask: Ask = (question) => this.#requests.ask(question, signal);
    return this.#write(
      kindOf(removal),
      removal,
      signal,
      () => this.#drop(removal, ask, what),
    );
  }

  async #write(
    kind: WriteKind,
    removal: Removal,
    signal: AbortSignal | undefined,
    run: () => Promise<void>,
  ): Promise<void> {
    const { native, name } = this.#requests.transport.protocol;
    // Go checks no method: what is meant to write would load the key, and say 200.
    if (!native) throw this.#requests.error(`protocol ${name} has no writes`);
    try {
      const { state } = this.#requests;
      if (state === "open" || state === "half-open") {
        throw this.#requests.unavailable();
      }
      await this.#watch(kind, removal, signal, run);
    } catch (error) {
      // A caller that ends a write knows about it.
      if (!signal?.aborted) this.owe(removal);
      throw error;
    }
  }

  /** Runs what tells the peer, as those observe it who want to. */
  async #watch(
    kind: WriteKind,
    { group, keys = [] }: Removal,
    signal: AbortSignal | undefined,
    run: () => Promise<void>,
  ): Promise<void> {
    if (!this.#watchers.hear("peer")) return await run();
    const { id, transport } = this.#requests;
    const start = { peer: id, kind, group, keys };
    const work = this.#watchers.begin("peer", start, transport.clock);
    const done = work.run(run);
    work.follow(done, signal);
    await done;
  }

  /** Has the peer drop keys, or a whole group. A peer without the group has nothing. */
  async #drop(removal: Removal, ask: Ask, what?: "copies"): Promise<void> {
    for (const question of this.#questions(removal, what)) {
      const answer = await ask(question);
      const { meaning } = answer;
      this.#note(removal.group, answer);
      if (meaning === "204 done" || meaning === "404 no-group") continue;
      throw this.#requests.refusal(answer);
    }
  }

  /** Keeps what the peer said of its newest write. */
  #note(group: string, { meaning, headers }: Answer): void {
    const latest = headers.get(HEADER.write);
    if (meaning !== "204 done" || latest === null) return;
    // The group that was written longest ago is first.
    this.#latest.delete(group);
    this.#latest.set(group, latest);
    if (this.#latest.size <= MAX_GROUPS) return;
    for (const oldest of this.#latest.keys()) {
      this.#latest.delete(oldest);
      return;
    }
  }

  *#questions(
    { group, keys }: Removal,
    what?: "copies",
  ): IterableIterator<Question> {
    const { basePath, maxBodyBytes } = this.#requests.transport;
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

/** What a peer is told. */
type WriteKind = "set" | "remove" | "clear";

function kindOf({ keys }: Removal): WriteKind {
  return keys === undefined ? "clear" : "remove";
}

/** Whether the peer is in order, but refused what it was told. */
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
