/** Servers of `node:http`, and raw clients that send exactly the bytes that a test gives. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { connect } from "node:net";

/** Serves until `run` has ended. */
export async function withServer<T>(
  listener: (req: IncomingMessage, res: ServerResponse) => void,
  run: (port: number, server: Server) => Promise<T>,
): Promise<T> {
  const server = createServer(listener);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    return await run(portOf(server), server);
  } finally {
    await end(server);
  }
}

export function portOf(server: { address(): unknown }): number {
  return (server.address() as { port: number }).port;
}

export async function end(
  server: Pick<Server, "close" | "closeAllConnections">,
): Promise<void> {
  const closed = new Promise((done) => server.close(done));
  server.closeAllConnections();
  await closed;
}

/** A connection that collects everything it receives. */
export class Client {
  readonly socket: Socket;
  text = "";
  closed = false;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (data: Uint8Array) => {
      for (const byte of data) this.text += String.fromCharCode(byte);
      this.#wake();
    });
    this.socket.on("error", () => {});
    // A test that waits in vain fails, and its error shows what came.
    this.socket.setTimeout(30_000, () => this.socket.destroy());
    this.socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  get(path: string, ...headers: string[]): this {
    return this.send(
      [`GET ${path} HTTP/1.1`, "Host: h", ...headers, "", ""].join("\r\n"),
    );
  }

  /** Everything received, once it matches; rejects if the connection closes before. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text)) {
      if (this.closed) throw new Error(`closed after ${this.text}`);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.text;
  }

  /** Everything received, once the connection is closed. */
  async whole(): Promise<string> {
    while (!this.closed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.text;
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await this.whole();
  }
}

/** The answer to one request whose text is sent unchanged. */
export async function answerTo(port: number, text: string): Promise<string> {
  const client = new Client(port);
  client.send(text);
  return await client.whole();
}

/** Gives sockets time to do whatever they can without a reader, by several other exchanges. */
export async function exchanges(port: number, path: string): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await answerTo(
      port,
      `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`,
    );
  }
}
