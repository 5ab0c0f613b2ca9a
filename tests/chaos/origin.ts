/**
 * The slow source behind all nodes, and the truth about every key.
 *
 * @module
 */

import type { Settings } from "./settings.ts";

/** Waits in real time, which the chaos run is about. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A whole number in a range, both ends included. */
export function between([from, to]: readonly [number, number]): number {
  return from + Math.floor(Math.random() * (to - from + 1));
}

/** The settings of a source. */
export type OriginSettings = Pick<Settings, "keys" | "originMs" | "heldMs">;

/** Each key has a version, which a write raises; its value is `key@version`. */
export class Origin {
  readonly #settings: OriginSettings;
  readonly #versions = new Map<string, number>();
  readonly #loads = new Map<string, number>();
  /** The keys whose next load is to take long, and what to call when it has begun. */
  readonly #held = new Map<string, () => void>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(settings: OriginSettings) {
    this.#settings = settings;
    for (const key of settings.keys) {
      this.#versions.set(key, 1);
      this.#loads.set(key, 0);
    }
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  version(key: string): number {
    return this.#versions.get(key)!;
  }

  loads(key: string): number {
    return this.#loads.get(key)!;
  }

  /** Writes to the source: from now on, that version is read. */
  raise(key: string): number {
    const version = this.version(key) + 1;
    this.#versions.set(key, version);
    return version;
  }

  /** Makes the next load of `key` take long; resolves when it has begun. */
  hold(key: string): Promise<void> {
    return new Promise((resolve) => this.#held.set(key, resolve));
  }

  /** Lets the next load of `key` take its usual time after all. */
  release(key: string): void {
    this.#held.delete(key);
  }

  async close(): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const key = new URL(request.url).searchParams.get("key") ?? "";
    const version = this.#versions.get(key);
    if (version === undefined) return new Response("no key", { status: 404 });
    this.#loads.set(key, this.loads(key) + 1);
    const begun = this.#held.get(key);
    this.#held.delete(key);
    begun?.();
    // The version was read above, so a write from now on is not in this answer.
    const { originMs, heldMs } = this.#settings;
    await delay(begun === undefined ? between(originMs) : heldMs);
    return new Response(`${key}@${version}`);
  }
}
