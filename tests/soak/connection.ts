/**
 * A connection of a hostile client, on which it sends whatever bytes it likes.
 *
 * @module
 */

import { delay } from "../chaos/origin.ts";

/** What everybody waits for while the run measures how things are without them. */
let rest: Promise<void> | undefined;
let wake = (): void => {};

/** From now on, nobody connects or sends anything. */
export function pause(): void {
  rest ??= new Promise((resolve) => wake = resolve);
}

/** They go on. */
export function resume(): void {
  rest = undefined;
  wake();
}

const encoder = new TextEncoder();
const READ_BYTES = 64 * 1024;

/** An open connection. What the server does to it ends what is under way, and throws nothing. */
export class Connection {
  readonly #conn: Deno.TcpConn;
  /** How many bytes came. */
  received = 0;
  #isOver = false;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  /** Connects, unless all pause, runs, and closes the connection after `ms` at the latest. */
  static async within(
    ms: number,
    port: number,
    run: (connection: Connection) => Promise<void>,
  ): Promise<void> {
    await rest;
    let conn: Deno.TcpConn;
    try {
      conn = await Deno.connect({ hostname: "127.0.0.1", port });
    } catch {
      // It is refused: more are open than the server allows.
      return;
    }
    const connection = new Connection(conn);
    const timer = setTimeout(() => connection.close(), ms);
    try {
      await run(connection);
    } finally {
      clearTimeout(timer);
      connection.close();
    }
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Sends as much as the server takes. */
  async send(what: string | Uint8Array): Promise<void> {
    await rest;
    const bytes = typeof what === "string" ? encoder.encode(what) : what;
    try {
      for (let sent = 0; sent < bytes.length;) {
        sent += await this.#conn.write(bytes.subarray(sent));
      }
    } catch {
      this.close();
    }
  }

  /** Sends a part again and again, until it was sent so often or the connection is over. */
  async drip(part: string, times: number, everyMs: number): Promise<void> {
    for (let i = 0; i < times && !this.#isOver; i++) {
      await this.send(part);
      await delay(everyMs);
    }
  }

  /** Says that nothing more comes. */
  async sendEnd(): Promise<void> {
    try {
      await this.#conn.closeWrite();
    } catch {
      this.close();
    }
  }

  /** Reads and drops what comes, until the server ends it, or so many bytes have come. */
  async drop(maxBytes: number = Infinity): Promise<void> {
    const bytes = new Uint8Array(READ_BYTES);
    try {
      while (this.received < maxBytes) {
        const count = await this.#conn.read(bytes);
        if (count === null) return;
        this.received += count;
      }
    } catch {
      this.close();
    }
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#conn.close();
  }
}
