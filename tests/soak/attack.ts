/**
 * What an attack is, and what attacks of several kinds need.
 *
 * @module
 */

/** A node that is attacked. */
export interface Target {
  readonly port: number;
  /** The secret: some attackers are peers that have gone wrong. */
  readonly secret: string;
}

/** What a hostile client does, over and over. */
export interface Attack {
  readonly name: string;
  /** How many clients do it at a time. */
  readonly clients: number;
  /** How long each rests before it does it again. */
  readonly pauseMs: number;
  run(target: Target): Promise<void>;
}

/** The head of a request. */
export function head(line: string, headers: readonly string[] = []): string {
  return [`${line} HTTP/1.1`, "Host: 127.0.0.1", ...headers, "", ""].join(
    "\r\n",
  );
}

/** The headers of a peer of the same cluster. */
export function peerHeaders({ secret }: Target): string[] {
  return [
    "Geecache-Peer: http://127.0.0.1:1",
    "Geecache-Cluster: soak",
    `Geecache-Secret: ${secret}`,
  ];
}

/** A piece of a chunked body. */
export function chunk(bytes: Uint8Array): Uint8Array {
  const size = new TextEncoder().encode(`${bytes.length.toString(16)}\r\n`);
  const whole = new Uint8Array(size.length + bytes.length + 2);
  whole.set(size);
  whole.set(bytes, size.length);
  whole.set([13, 10], size.length + bytes.length);
  return whole;
}

export function randomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}

export function randomText(length: number): string {
  const least = Math.random().toString(36).slice(2, 10).padEnd(8, "x");
  return least + "k".repeat(Math.max(0, length - least.length));
}

export function oneOf<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)]!;
}
