/**
 * One process of the cluster: started, asked, paused, killed.
 *
 * @module
 */

import { linesOf } from "../../serve/lines.ts";

const ROOT = new URL("../../", import.meta.url);
/** Far longer than any answer takes: a get without an answer fails after it. */
const PATIENCE_MS = 15_000;

/** What a process can be, as the run knows it. */
export type State = "up" | "paused" | "down";

/** Settings of a {@linkcode Member}. */
export interface MemberOptions {
  readonly name: string;
  /** The origin by which its peers know it: its own, or that of the proxy before it. */
  readonly origin: string;
  /** Where it listens itself. */
  readonly port: number;
  /** The program to start, and its arguments. It says `running` when it listens. */
  readonly command: readonly [program: string, ...args: string[]];
  /** Is told if it ends by itself. */
  readonly onCrash: (what: string) => void;
}

/** One process. */
export class Member {
  readonly origin: string;
  readonly name: string;
  readonly port: number;
  readonly #command: MemberOptions["command"];
  readonly #onCrash: MemberOptions["onCrash"];
  #child: Deno.ChildProcess | undefined;
  #client: Deno.HttpClient | undefined;
  #state: State = "down";
  /** Changes with each change of its state: a request that was under way then may get any answer. */
  life = 0;

  constructor({ name, origin, port, command, onCrash }: MemberOptions) {
    this.name = name;
    this.origin = origin;
    this.port = port;
    this.#command = command;
    this.#onCrash = onCrash;
  }

  get state(): State {
    return this.#state;
  }

  /** The id of its process, which runs. */
  get pid(): number {
    return this.#child!.pid;
  }

  /** Starts it, and waits until it answers. */
  async start(): Promise<void> {
    const [program, ...args] = this.#command;
    const child = new Deno.Command(program, {
      args,
      cwd: ROOT,
      env: { NO_COLOR: "1", NO_PROXY: "127.0.0.1" },
      // Held open as long as this process lives: the child ends when it closes.
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#child = child;
    const { promise: running, resolve, reject } = Promise.withResolvers<void>();
    const read = async (): Promise<void> => {
      for await (const line of linesOf(child.stdout)) {
        if (line === "running") resolve();
        else console.log(`  [${this.name}] ${line}`);
      }
      reject(new Error(`${this.name} ended before it ran`));
    };
    read().catch(reject);
    await running;
    this.#client = Deno.createHttpClient({});
    this.#become("up");
    this.#watch(child);
  }

  /** Asks its front door. */
  async door(path: string, init: RequestInit = {}): Promise<Response> {
    return await fetch(`http://127.0.0.1:${this.port}${path}`, {
      ...init,
      client: this.#client!,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  }

  /** Closes the connections of those who asked it; it is asked over new ones. */
  hangUp(): void {
    this.#client!.close();
    this.#client = Deno.createHttpClient({});
  }

  /** Ends it at once, by its id. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.leave();
    const ended = this.end();
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await ended;
  }

  /** Marks it as down, so that it is not asked any more: it is about to end. */
  leave(): void {
    if (this.#state !== "down") this.#become("down");
  }

  /** Waits until it has ended by itself. */
  async end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    await child.status;
    await child.stdin.close().catch(() => {});
    this.#client?.close();
    this.#client = undefined;
  }

  /**
   * Stops it for `ms`. A shell does it, so that the process goes on and can end even
   * if this process is killed meanwhile.
   */
  async pause(ms: number, onPause: () => () => void): Promise<void> {
    const { pid } = this.#child!;
    const script = `kill -STOP ${pid}; sleep ${ms / 1000}; kill -CONT ${pid}`;
    this.#become("paused");
    const shell = new Deno.Command("sh", {
      args: ["-c", script],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const onResume = onPause();
    await shell.status;
    onResume();
    this.#become("up");
  }

  async #watch(child: Deno.ChildProcess): Promise<void> {
    const { code } = await child.status;
    // A process that the run ends is forgotten before it ends.
    if (this.#child !== child) return;
    this.leave();
    this.#onCrash(`${this.name} ended by itself, with ${code}`);
  }

  #become(state: State): void {
    this.#state = state;
    this.life++;
  }
}
