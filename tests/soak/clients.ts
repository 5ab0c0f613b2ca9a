/**
 * The process of the hostile clients, as the run sees it.
 *
 * @module
 */

import { linesOf } from "../../serve/lines.ts";
import type { Counts } from "./hostile.ts";

const PROGRAM = new URL("hostile.ts", import.meta.url).href;

/** Hostile clients, which begin at once. */
export class HostileClients {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #over = false;
  /** What they have done so far. */
  counts: Counts = {};
  /** Resolves if their process ends by itself: a run without them shows nothing. */
  readonly gone: Promise<string>;

  constructor(idle: number, secret: string, ports: readonly number[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--allow-net=127.0.0.1", PROGRAM],
        ...[String(idle), secret, ...ports.map(String)],
      ],
      env: { NO_COLOR: "1" },
      // Held open as long as this process lives: the child ends when it closes.
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#read();
    this.gone = new Promise((resolve) => {
      this.#child.status.then(({ code }) => {
        if (this.#over) return;
        resolve(`the hostile clients ended by themselves, with ${code}`);
      });
    });
  }

  /** Stops them, or lets them go on. Their connections stay open. */
  async tell(what: "pause" | "resume"): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${what}\n`));
  }

  /** Ends them, and with them all their connections. */
  async end(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // They have ended.
    }
    await this.#child.status;
    await this.#input.close().catch(() => {});
  }

  async #read(): Promise<void> {
    for await (const line of linesOf(this.#child.stdout)) {
      if (line.startsWith("{")) this.counts = JSON.parse(line);
    }
  }
}
