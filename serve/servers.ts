/**
 * Listening for requests: plain, with TLS, or with TLS and certificates of clients.
 *
 * @module
 */

import type { AddressInfo } from "node:net";
import { Exit, messageOf } from "./exit.ts";
import type { Answer } from "./handlers.ts";
import { hostInUrl, isLoopbackName } from "./hosts.ts";

/** Certificates, as PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
  /** Whose certificates clients must show; `undefined`: they need none. */
  readonly ca: string | undefined;
}

/** A server that listens. */
interface Listener {
  readonly port: number;
  /** Takes no more connections. Resolves when the last one has ended. */
  shutdown(): Promise<void>;
}

/**
 * Listens for requests.
 *
 * @throws {Exit} if that is not possible
 */
async function listen(
  hostname: string,
  port: number,
  answer: Answer,
  identity?: Identity,
): Promise<Listener> {
  try {
    return identity?.ca === undefined
      ? listenPlainly(hostname, port, answer, identity)
      : await listenMutually(hostname, port, answer, identity);
  } catch (error) {
    const isInUse = error instanceof Deno.errors.AddrInUse ||
      error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    throw new Exit(
      `Cannot listen on ${hostname}:${port}: ${
        isInUse
          ? "the port is in use, and --help says how to choose another"
          : messageOf(error)
      }`,
    );
  }
}

function listenPlainly(
  hostname: string,
  port: number,
  answer: Answer,
  identity?: Identity,
): Listener {
  const { cert, key } = identity ?? {};
  const server = Deno.serve({
    hostname,
    port,
    onListen: () => {},
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  }, answer);
  return { port: server.addr.port, shutdown: () => server.shutdown() };
}

/**
 * Deno's own server cannot ask clients for certificates, and Node's can. A program that
 * needs none does not load it.
 */
async function listenMutually(
  hostname: string,
  port: number,
  answer: Answer,
  identity: Identity,
): Promise<Listener> {
  await checkIdentity(identity);
  const { createServer } = await import("node:https");
  const { toNodeHandler } = await import("../node.ts");
  const server = createServer(
    { ...identity, requestCert: true, rejectUnauthorized: true },
    toNodeHandler(answer),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    shutdown: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

/**
 * Node's server takes any text for a certificate, and finds out when somebody connects.
 *
 * @throws {Error} If a text is no certificate, or the key does not fit.
 */
async function checkIdentity({ cert, key, ca = "" }: Identity): Promise<void> {
  Deno.createHttpClient({ cert, key }).close();
  const { X509Certificate } = await import("node:crypto");
  try {
    new X509Certificate(ca);
  } catch {
    throw new TypeError("there is no certificate in the file of --tls-ca");
  }
}

/** The servers of a node, which listen on one host. */
export class Servers {
  readonly #host: string;
  readonly #identity: Identity | undefined;
  readonly #open: Listener[] = [];

  constructor(host: string, identity: Identity | undefined) {
    this.#host = host;
    this.#identity = identity;
  }

  /**
   * Opens a port. Resolves with its number and the origin that it has on this machine.
   *
   * @param isPlain Whether it has no TLS, whatever the others have.
   * @throws {Exit} if that is not possible
   */
  async open(
    port: number,
    answer: Answer,
    isPlain = false,
  ): Promise<{ port: number; origin: string }> {
    const identity = isPlain ? undefined : this.#identity;
    const server = await listen(this.#host, port, answer, identity);
    this.#open.push(server);
    const scheme = identity === undefined ? "http" : "https";
    const origin = `${scheme}://${urlHost(this.#host)}:${server.port}`;
    return { port: server.port, origin };
  }

  /** Takes no more connections. Resolves when the last one has ended. */
  async shutdown(): Promise<void> {
    await Promise.all(this.#open.map((server) => server.shutdown()));
  }
}

/** `host` as a URL has it. An address that stands for this machine becomes `localhost`. */
function urlHost(host: string): string {
  const isHere = isLoopbackName(host) || host === "0.0.0.0" || host === "::";
  return isHere ? "localhost" : hostInUrl(host);
}
