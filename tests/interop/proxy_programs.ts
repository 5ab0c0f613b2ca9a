/**
 * nginx and haproxy, started at free ports of this machine with all their files in
 * one folder.
 *
 * @module
 */

import { linesOf } from "../../serve/lines.ts";
import { freePorts } from "../support/process.ts";
import { children } from "./nodes.ts";

/** How long one may take to listen. */
const PATIENCE_MS = 10_000;

/** How often another port is tried. */
const TRIES = 5;

/** A proxy before one process. */
export interface Proxy {
  /** Where it is asked. */
  readonly origin: string;
  /** Reads its configuration again, while requests go on. */
  reload(): Promise<void>;
  /** Ends at once, with all its connections. */
  kill(): Promise<void>;
  /** Starts at its earlier port. */
  startAgain(): Promise<void>;
  /** Ends for good. */
  end(): Promise<void>;
}

/** A program that is not on this machine. */
export class Missing extends Error {}

/** A process that listens at a port. */
class Listener {
  readonly #child: Deno.ChildProcess;
  readonly #output: string[] = [];
  readonly #read: Promise<unknown>;
  #over = false;

  constructor(command: string, args: string[]) {
    try {
      this.#child = new Deno.Command(command, {
        args,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        throw new Missing(`${command} is not on this machine`);
      }
      throw error;
    }
    children.add(this.#child);
    const { stdout, stderr, status } = this.#child;
    const read = async (output: ReadableStream<Uint8Array>): Promise<void> => {
      for await (const line of linesOf(output)) this.#output.push(line);
    };
    this.#read = Promise.all([read(stdout), read(stderr), status])
      .then(() => this.#over = true);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it listens at `port`; `false`: it ended, for another one has the port. */
  async listensAt(port: number): Promise<boolean> {
    const end = Date.now() + PATIENCE_MS;
    while (!this.#over && Date.now() < end) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return true;
      } catch {
        await new Promise((next) => setTimeout(next, 10));
      }
    }
    if (this.#output.some((line) => /in use|cannot bind/.test(line))) {
      return false;
    }
    throw new Error(`It does not listen:\n${this.#output.join("\n")}`);
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  async end(name: Deno.Signal): Promise<void> {
    if (!this.#over) this.signal(name);
    await this.#read;
    children.delete(this.#child);
  }
}

abstract class Started implements Proxy {
  readonly port: number;
  readonly origin: string;
  protected listener: Listener | undefined;

  constructor(port: number) {
    this.port = port;
    this.origin = `http://127.0.0.1:${port}`;
  }

  /** Starts the program. */
  protected abstract run(): Listener;
  abstract reload(): Promise<void>;
  abstract kill(): Promise<void>;

  /** Starts it; `false`: another process has the port. */
  async start(): Promise<boolean> {
    this.listener = this.run();
    return await this.listener.listensAt(this.port);
  }

  async startAgain(): Promise<void> {
    if (!await this.start()) throw new Error(`${this.port} is in use`);
  }

  async end(): Promise<void> {
    await this.kill();
  }
}

/** Starts a proxy at a port that is free. */
async function startAt<T extends Started>(
  make: (port: number) => T,
): Promise<T> {
  for (let i = 0; i < TRIES; i++) {
    const proxy = make(freePorts(1)[0]!);
    if (await proxy.start()) return proxy;
    await proxy.end();
  }
  throw new Error(`no port was free, ${TRIES} times`);
}

/** A configuration of nginx that passes all requests on. */
function nginxConfig(
  port: number,
  upstream: number,
  folder: string,
  directives: readonly string[],
): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const lines = [
    "daemon off",
    `pid ${folder}/pid`,
    "error_log stderr crit",
    "events {}",
    "http {",
    "access_log off",
    ...temporary.map((name) => `${name}_temp_path ${folder}/${name}`),
    "server {",
    `listen 127.0.0.1:${port}`,
    "location / {",
    `proxy_pass http://127.0.0.1:${upstream}`,
    ...directives,
    "}",
    "}",
    "}",
  ];
  const text = lines.map((line) => /[{}]$/.test(line) ? line : `${line};`);
  return `${text.join("\n")}\n`;
}

/** nginx before one process. */
export class Nginx extends Started {
  readonly #folder: string;

  private constructor(
    port: number,
    folder: string,
    configOf: (folder: string, port: number) => string,
  ) {
    super(port);
    this.#folder = `${folder}/nginx-${port}`;
    Deno.mkdirSync(this.#folder);
    const user = Deno.uid() === 0 ? "user root;\n" : "";
    Deno.writeTextFileSync(
      `${this.#folder}/conf`,
      user + configOf(this.#folder, port),
    );
  }

  /**
   * Starts it.
   *
   * @param directives Lines of its `location`, beside `proxy_pass`.
   * @throws {Missing} If it is not on this machine.
   */
  static async start(
    upstream: number,
    folder: string,
    directives: readonly string[],
  ): Promise<Proxy> {
    return await Nginx.startWith(
      folder,
      (folder, port) => nginxConfig(port, upstream, folder, directives),
    );
  }

  /**
   * Starts it with a configuration of its own, whose relative paths are below a
   * folder in `folder`.
   *
   * @throws {Missing} If it is not on this machine.
   */
  static async startWith(
    folder: string,
    configOf: (folder: string, port: number) => string,
  ): Promise<Proxy> {
    return await startAt((port) => new Nginx(port, folder, configOf));
  }

  protected run(): Listener {
    const folder = this.#folder;
    return new Listener("nginx", [
      ...["-p", folder, "-c", `${folder}/conf`, "-e", "stderr"],
    ]);
  }

  /** Resolves when the old workers take no more connections. */
  async reload(): Promise<void> {
    const before = workersOf(this.listener!.pid);
    this.listener!.signal("SIGHUP");
    const end = Date.now() + PATIENCE_MS;
    const isSame = (): boolean => {
      const now = workersOf(this.listener!.pid);
      return now.every((pid) => before.includes(pid));
    };
    while (isSame()) {
      if (Date.now() >= end) throw new Error("nginx started no new workers");
      await new Promise((next) => setTimeout(next, 10));
    }
  }

  /** Its workers end at once when it is told so; if it were killed, they would stay. */
  async kill(): Promise<void> {
    await this.listener?.end("SIGTERM");
  }
}

/** The processes that `pid` has started. */
function workersOf(pid: number): string[] {
  return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`)
    .split(" ").filter((pid) => pid !== "");
}

/** haproxy before one process, with the timeouts of Debian's configuration. */
export class HAProxy extends Started {
  readonly #config: string;
  /** Those that were replaced, and serve what they had. */
  readonly #earlier: Listener[] = [];

  private constructor(
    port: number,
    upstream: number,
    folder: string,
    options: readonly string[],
  ) {
    super(port);
    this.#config = `${folder}/haproxy-${port}`;
    const lines = [
      "defaults",
      "mode http",
      "timeout connect 5000",
      "timeout client 50000",
      "timeout server 50000",
      ...options,
      "listen peers",
      `bind 127.0.0.1:${port}`,
      `server peer 127.0.0.1:${upstream}`,
    ];
    Deno.writeTextFileSync(this.#config, `${lines.join("\n")}\n`);
  }

  /**
   * Starts it.
   *
   * @param options Lines of its defaults, beside the timeouts.
   * @throws {Missing} If it is not on this machine.
   */
  static async start(
    upstream: number,
    folder: string,
    options: readonly string[] = [],
  ): Promise<Proxy> {
    return await startAt((port) =>
      new HAProxy(port, upstream, folder, options)
    );
  }

  protected run(): Listener {
    return this.#run();
  }

  #run(...args: string[]): Listener {
    return new Listener("haproxy", ["-db", "-f", this.#config, ...args]);
  }

  /** Another process takes the port; this one serves what it has. */
  async reload(): Promise<void> {
    const earlier = this.listener!;
    this.#earlier.push(earlier);
    this.listener = this.#run("-sf", `${earlier.pid}`);
    if (!await this.listener.listensAt(this.port)) {
      throw new Error("haproxy was not replaced");
    }
  }

  async kill(): Promise<void> {
    const all = [...this.#earlier.splice(0), this.listener];
    await Promise.all(all.map((listener) => listener?.end("SIGKILL")));
  }
}
