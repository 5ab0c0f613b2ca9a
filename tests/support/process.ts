/** Programs that tests start, with the lines that they print and their exit codes. */

import { linesOf } from "../../serve/lines.ts";

const root = new URL("../../", import.meta.url);

/** How long a line may take to come. Only a test that fails waits so long. */
const PATIENCE_MS = 30_000;

export class Program {
  /** The lines that it printed, on standard output and standard error. */
  readonly lines: string[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<number>;
  #wake: () => void = () => {};
  #over = false;

  /** Starts `deno`, or another program, with `args`, in the project's folder or another. */
  constructor(
    args: string[],
    options: {
      cwd?: string | URL;
      path?: string;
      env?: Record<string, string>;
      /** Whether it gets no other variables. */
      clearEnv?: boolean;
      /** The user that it runs as, and the group of the same number. */
      uid?: number | undefined;
    } = {},
  ) {
    this.#child = new Deno.Command(options.path ?? Deno.execPath(), {
      args,
      cwd: options.cwd ?? root,
      env: { NO_COLOR: "1", ...options.env },
      clearEnv: options.clearEnv ?? false,
      ...(options.uid === undefined
        ? {}
        : { uid: options.uid, gid: options.uid }),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const outputs = [this.#child.stdout, this.#child.stderr];
    this.#ended = Promise.all([
      this.#child.status,
      ...outputs.map((output) => this.#read(output)),
    ]).then(([{ code }]) => {
      this.#over = true;
      this.#wake();
      return code;
    });
  }

  async #read(output: ReadableStream<Uint8Array>): Promise<void> {
    for await (const line of linesOf(output)) {
      this.lines.push(line);
      this.#wake();
    }
  }

  /** Waits for the first match of `pattern` in its lines; rejects if the program ends before. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    const patience = setTimeout(() => {
      this.#over = true;
      this.#wake();
    }, PATIENCE_MS);
    try {
      return await this.#find(pattern);
    } finally {
      clearTimeout(patience);
    }
  }

  async #find(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      for (const line of this.lines) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      if (this.#over) {
        throw new Error(`It never said ${pattern}:\n${this.lines.join("\n")}`);
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** How many of its lines match `pattern`. */
  count(pattern: RegExp): number {
    return this.lines.filter((line) => pattern.test(line)).length;
  }

  get pid(): number {
    return this.#child.pid;
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Its exit code, once it has ended and all its output was read. */
  get ended(): Promise<number> {
    return this.#ended;
  }

  /** Ends it, if it has not ended, and waits for that. */
  async stop(): Promise<number> {
    try {
      this.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    return await this.ended;
  }
}

/** Ports that were free a moment ago, since nodes must know each other's before they start. */
export function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  return ports;
}

/** Connects to a server and sends half a request; resolves when the server has begun to read it. */
export async function sendHalf(port: number): Promise<Deno.Conn> {
  const half = await Deno.connect({ hostname: "127.0.0.1", port });
  const lines = ["PUT / HTTP/1.1", "Host: h", "Content-Length: 9", "", "half"];
  await half.write(new TextEncoder().encode(lines.join("\r\n")));
  // The answer comes before the rest of the body.
  await half.read(new Uint8Array(1024));
  return half;
}
