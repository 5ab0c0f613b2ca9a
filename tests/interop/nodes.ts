/**
 * The processes of one ring, started and asked.
 *
 * @module
 */

import type { PeerStats, PoolStats } from "../../mod.ts";
import { linesOf } from "../../serve/lines.ts";

const ROOT = new URL("../../", import.meta.url);
const PATIENCE_MS = 20_000;

/** How the run asks those that have certificates. */
export const trust: { client?: Deno.HttpClient } = {};

/** The running processes, which are ended whatever happens. */
export const children: Set<Deno.ChildProcess> = new Set();

export function killAll(): void {
  for (const child of children) {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

/** One process of a ring. */
export class Node {
  readonly name: string;
  readonly origin: string;
  readonly ours: boolean;
  /** Where the run asks it: not its origin if that is a proxy's. */
  readonly #door: string;
  readonly #child: Deno.ChildProcess;
  readonly #running: Promise<void>;

  constructor(
    name: string,
    origin: string,
    command: string[],
    door: string = origin,
  ) {
    this.name = name;
    this.origin = origin;
    this.#door = door;
    this.ours = name === "ours";
    this.#child = new Deno.Command(command[0]!, {
      args: command.slice(1),
      cwd: ROOT,
      env: { NO_COLOR: "1", NO_PROXY: "127.0.0.1" },
      // Held open as long as this process lives: the child ends when it closes.
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    children.add(this.#child);
    const { stdout, stderr } = this.#child;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#running = promise;
    // It is awaited after all have been started.
    promise.catch(() => {});
    this.#print(stderr);
    this.#print(stdout, resolve)
      .then(() => reject(new Error(`${name} ended before it ran`)));
  }

  /** Prints its lines, except the one that says that it is running. */
  async #print(
    output: ReadableStream<Uint8Array>,
    onRunning?: () => void,
  ): Promise<void> {
    for await (const line of linesOf(output)) {
      if (line === `running at ${this.origin}`) onRunning?.();
      else console.log(`    [${this.name}] ${line}`);
    }
  }

  get running(): Promise<void> {
    return this.#running;
  }

  /** Ends it at once, by its id. */
  async kill(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.stdin.close().catch(() => {});
    await this.#child.status;
    children.delete(this.#child);
  }

  /** Asks one of its paths for a key; bytes and long keys travel in a body. */
  async door(path: string, key: string | Uint8Array = ""): Promise<Response> {
    // Node accepts no head of more than 16 KiB.
    const inUrl = typeof key === "string" &&
      encodeURIComponent(key).length < 10_000;
    const query = inUrl ? `?key=${encodeURIComponent(key)}` : "";
    return await fetch(this.#door + path + query, {
      ...trust,
      ...(inUrl ? {} : { method: "POST", body: key as BodyInit }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  }

  /** Its answer to a get of a key: the status and the text. */
  async get(key: string): Promise<string> {
    return await said(await this.door("/get", key));
  }

  /** The owner of a key in the ring of a Go node. */
  async ownerOf(key: string | Uint8Array): Promise<string> {
    return await (await this.door("/owner", key)).text();
  }

  /** What its pool knows of the peer at `origin`. */
  async peer(origin: string): Promise<PeerStats> {
    const { peers } = await this.stats();
    const peer = peers.find(({ id }) => id === origin);
    if (peer === undefined) throw new Error(`${this.name} has no ${origin}`);
    return peer;
  }

  /** What its pool knows of its cluster. */
  async stats(): Promise<PoolStats> {
    return await (await this.door("/stats")).json();
  }

  /** How often its getter was called for each key. */
  async loads(): Promise<Record<string, number>> {
    return await (await this.door("/loads")).json();
  }
}

export async function said(response: Response): Promise<string> {
  const bytes = await response.arrayBuffer();
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const { status } = response;
  // Errors end with a line feed in all nodes.
  return `${status} ${status === 200 ? text : text.replace(/\n$/, "")}`;
}
