/**
 * Proxies between a node and its peers: one is slow, one cuts answers off.
 *
 * They pass bytes on, late, or only half of them, and look only for what opens a link.
 *
 * @module
 */

import { delay } from "./origin.ts";

/** What a proxy does to a piece of an answer before it passes it on. */
export interface Manner {
  /** How late the piece is passed on. */
  lateMs: () => number;
  /** Whether only half of the piece is passed on, and nothing after it. */
  cuts: () => boolean;
}

/** The header of the request that opens a link. */
const LINK = /geecache-link: /i;

/** What is known of one connection of an asker. */
interface Connection {
  /** Whether its last request opened a link. */
  isLink: boolean;
}

/** A TCP proxy before one port of this machine. */
export class Proxy {
  readonly #listener: Deno.TcpListener;
  readonly #target: number;
  readonly #manner: Manner;
  readonly #open = new Set<Deno.TcpConn>();
  /** How many answers it cut. */
  cuts = 0;
  /** How many of them were links. */
  linkCuts = 0;

  constructor(port: number, target: number, manner: Manner) {
    this.#target = target;
    this.#manner = manner;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.#accept();
  }

  close(): void {
    this.#listener.close();
    for (const socket of this.#open) this.#end(socket);
  }

  async #accept(): Promise<void> {
    try {
      for await (const socket of this.#listener) this.#join(socket);
    } catch {
      // It was closed.
    }
  }

  async #join(asker: Deno.TcpConn): Promise<void> {
    this.#open.add(asker);
    let node: Deno.TcpConn;
    try {
      const port = this.#target;
      node = await Deno.connect({ hostname: "127.0.0.1", port });
    } catch {
      return this.#end(asker);
    }
    this.#open.add(node);
    const connection = { isLink: false };
    const ways = [
      this.#carry(asker, node, false, connection),
      this.#carry(node, asker, true, connection),
    ];
    // When one side hangs up, both connections end.
    await Promise.race(ways);
    this.#end(asker);
    this.#end(node);
    await Promise.all(ways);
  }

  /** Passes on the bytes that come until one side ends; never throws. */
  async #carry(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    isAnswer: boolean,
    connection: Connection,
  ): Promise<void> {
    const decoder = new TextDecoder();
    const bytes = new Uint8Array(16 * 1024);
    try {
      for (;;) {
        const count = await from.read(bytes);
        if (count === null) return;
        let piece = bytes.slice(0, count);
        // A head of a request arrives in one piece here.
        const text = isAnswer ? "" : decoder.decode(piece);
        if (text.includes(" HTTP/1.1")) connection.isLink = LINK.test(text);
        if (isAnswer) await delay(this.#manner.lateMs());
        const cuts = isAnswer && this.#manner.cuts();
        if (cuts) piece = piece.subarray(0, count >> 1);
        for (let sent = 0; sent < piece.length;) {
          sent += await to.write(piece.subarray(sent));
        }
        if (cuts) {
          this.cuts++;
          if (connection.isLink) this.linkCuts++;
          return;
        }
      }
    } catch {
      // One of them is closed.
    }
  }

  #end(socket: Deno.TcpConn): void {
    if (!this.#open.delete(socket)) return;
    try {
      socket.close();
    } catch {
      // It was closed from the other side.
    }
  }
}
