/**
 * Talking to one peer: what its answers mean, and how long it may be silent.
 *
 * @module
 */

import type { ByteView } from "./byte_view.ts";
import { LoadError, NotFoundError } from "./errors.ts";
import { Batcher, Places } from "./http_batch.ts";
import {
  type Answer,
  PeerClient,
  type PeerClientOptions,
  type PeerStats,
  type Question,
  textOf,
} from "./http_client.ts";
import type { Peer, PeerRequestOptions, PeerValue } from "./peers.ts";
import { encodeKeys, maxKeyBytes } from "./frames.ts";
import {
  encodeKey,
  encodeTtl,
  groupPath,
  HEADER,
  keyPath,
  MAX_PATH_LENGTH,
  withTtl,
} from "./wire.ts";

/** A body of keys to remove is cut into several of at most so many bytes, or one key. */
const MAX_KEYS_BYTES = 1024 * 1024;

/** The shortest wait before a peer that did not wait itself is asked again. */
const MIN_WAIT_MS = 50;

/** What an {@linkcode HTTPPeer} is made of. */
export interface HTTPPeerOptions extends PeerClientOptions {
  basePath: string;
  random: () => number;
}

/** A peer behind an HTTP origin. */
export class HTTPPeer implements Peer {
  readonly id: string;
  readonly #options: HTTPPeerOptions;
  readonly #client: PeerClient;
  readonly #batchers = new Map<string, Batcher>();
  readonly #places = new Places();

  constructor(id: string, options: HTTPPeerOptions) {
    this.id = id;
    this.#options = options;
    this.#client = new PeerClient(id, options);
  }

  get(
    group: string,
    key: string,
    options: PeerRequestOptions = {},
  ): Promise<PeerValue> {
    const batcher = this.#batcher(group);
    // The path is made only for a key that needs one: it costs as much as the
    // rest of a key's way.
    const together = this.#client.understandsBatches &&
      (!batcher.idle || key.length > MAX_PATH_LENGTH);
    return together
      ? batcher.get(key, options.signal)
      : this.#getAlone(group, key, batcher, options.signal);
  }

  /** One key in one request, and again for as long as the peer still loads it. */
  async #getAlone(
    group: string,
    key: string,
    batcher: Batcher,
    signal: AbortSignal | undefined,
  ): Promise<PeerValue> {
    const { basePath, timeoutMs, clock } = this.#options;
    const path = this.#path(group, key);
    if (path === undefined && this.#client.understandsBatches) {
      return await batcher.get(key, signal);
    }
    // Half of its time to be silent: "pending" arrives before that is over.
    const waitMs = Math.floor(timeoutMs / 2);
    const headers = { [HEADER.wait]: String(waitMs) };
    const question: Question = path === undefined
      ? {
        method: "POST",
        path: groupPath(basePath, group),
        headers,
        body: encodeKey(key),
      }
      : { method: "GET", path, headers };
    for (;;) {
      const askedAt = clock.now();
      const onHead = batcher.begin();
      let answer: Answer;
      try {
        answer = await this.#ask({ ...question, onHead }, signal);
      } catch (error) {
        if (!signal?.aborted) batcher.fail(error);
        throw error;
      } finally {
        onHead();
      }
      switch (answer.meaning) {
        case "200 value":
          return this.#value(answer);
        case "404 not-found":
          throw new NotFoundError(group, key);
        case "500 failed":
          throw new LoadError(group, key, textOf(answer));
        case "202 pending":
          // One that does not hold a request must not be asked in a tight loop.
          if (clock.now() - askedAt <= waitMs / 2) await this.#pause(signal);
          if (this.#client.understandsBatches && !batcher.idle) {
            return await batcher.get(key, signal);
          }
          break;
        default:
          throw this.#client.refusal(answer);
      }
    }
  }

  async set(
    group: string,
    key: string,
    { value, ttlMs }: PeerValue,
    options: PeerRequestOptions = {},
  ): Promise<void> {
    this.#checkWritable();
    const { basePath } = this.#options;
    const ttl = encodeTtl(ttlMs);
    const headers: Record<string, string> = ttl === undefined
      ? {}
      : { [HEADER.ttl]: ttl };
    const path = keyPath(basePath, group, key);
    const answer = await this.#ask(
      path === undefined
        ? {
          method: "POST",
          path: groupPath(basePath, group),
          headers: { ...headers, [HEADER.method]: "PUT" },
          body: encodeKeys([key], value),
        }
        : { method: "PUT", path, headers, body: value.bytes() },
      options.signal,
    );
    if (answer.meaning !== "204 done") throw this.#client.refusal(answer);
  }

  async remove(
    group: string,
    keys: readonly string[],
    options: PeerRequestOptions = {},
  ): Promise<void> {
    this.#checkWritable();
    const { basePath } = this.#options;
    const path = keys.length === 1
      ? keyPath(basePath, group, keys[0]!)
      : undefined;
    if (path !== undefined) {
      return await this.#drop({ method: "DELETE", path }, options.signal);
    }
    const limit = Math.min(MAX_KEYS_BYTES, this.#options.maxBodyBytes);
    for (const body of framesOf(keys, limit)) {
      const headers = { [HEADER.method]: "DELETE" };
      await this.#drop(
        { method: "POST", path: groupPath(basePath, group), headers, body },
        options.signal,
      );
    }
  }

  async clear(group: string, options: PeerRequestOptions = {}): Promise<void> {
    this.#checkWritable();
    const path = `${groupPath(this.#options.basePath, group)}?clear`;
    await this.#drop({ method: "DELETE", path }, options.signal);
  }

  /** What was asked of it so far. */
  stats(): PeerStats {
    return this.#client.stats();
  }

  /** Ends the requests under way, and all later ones, with an error. */
  close(): void {
    this.#client.close();
  }

  /** A write after which nothing is left; a peer without the group has nothing. */
  async #drop(question: Question, signal?: AbortSignal): Promise<void> {
    const answer = await this.#ask(question, signal);
    if (answer.meaning !== "204 done" && answer.meaning !== "404 no-group") {
      throw this.#client.refusal(answer);
    }
  }

  #value(answer: Answer): PeerValue {
    const ttl = answer.headers.get(HEADER.ttl);
    let view: ByteView;
    try {
      view = this.#options.protocol.decode(answer.body);
    } catch (error) {
      throw this.#client.refusal(answer, `the body is malformed: ${error}`);
    }
    const value = withTtl(view, ttl);
    if (value !== undefined) return value;
    throw this.#client.refusal(
      answer,
      `${HEADER.ttl} is not whole milliseconds: ${ttl}`,
    );
  }

  /**
   * The path of a key; `undefined`: its body has to carry it.
   *
   * @throws {PeerError} If the protocol has no bodies for that: whoever asks
   *   loads the key.
   */
  #path(group: string, key: string): string | undefined {
    const { basePath, protocol } = this.#options;
    const path = keyPath(basePath, group, key, protocol.native);
    if (path === undefined && !protocol.native) {
      throw this.#client.error("its protocol cannot carry so long a key");
    }
    return path;
  }

  /** Go checks no method: what is meant to write would load the key, and say 200. */
  #checkWritable(): void {
    const { native, name } = this.#options.protocol;
    if (!native) {
      throw this.#client.error(`protocol ${name} has no writes`);
    }
  }

  #batcher(group: string): Batcher {
    let batcher = this.#batchers.get(group);
    if (batcher === undefined) {
      const { basePath, maxBodyBytes, timeoutMs, clock } = this.#options;
      batcher = new Batcher({
        group,
        path: groupPath(basePath, group),
        maxBodyBytes,
        timeoutMs,
        places: this.#places,
        ask: async (question, signal) => {
          const answer = await this.#ask(question, signal);
          if (answer.meaning !== "200 batch") {
            throw this.#client.refusal(answer);
          }
          return answer;
        },
        pause: () => this.#pause(),
        tooLarge: () =>
          this.#client.error(`the value is larger than ${maxBodyBytes} bytes`),
        now: () => clock.now(),
      });
      this.#batchers.set(group, batcher);
    }
    return batcher;
  }

  #pause(signal?: AbortSignal): Promise<void> {
    return this.#client.delay(MIN_WAIT_MS, signal);
  }

  /**
   * Asks, and asks again while the peer is busy, as long as it may be silent. The
   * waits are as long as it says, with some jitter.
   */
  async #ask(question: Question, signal?: AbortSignal): Promise<Answer> {
    const { clock, random, timeoutMs } = this.#options;
    let until: number | undefined;
    for (;;) {
      const answer = await this.#client.ask(question, signal);
      if (answer.meaning !== "429 busy") return answer;
      until ??= clock.now() + timeoutMs;
      const left = until - clock.now();
      if (left <= 0) throw this.#client.refusal(answer);
      const told = Number(answer.headers.get("Retry-After")) * 1000 || 0;
      const wait = Math.max(told, MIN_WAIT_MS) * (1 + random() / 4);
      await this.#client.delay(Math.min(wait, left), signal);
    }
  }
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
