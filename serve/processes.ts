/**
 * The processes of nodes on this machine: they are started, followed, frozen, killed and
 * started again.
 *
 * @module
 */

import { linesOf } from "./lines.ts";
import type { NodeAction, NodeProcess } from "./page/controls.ts";

/** How a process of a node came to its end. */
export interface NodeEnd {
  readonly code: number;
  /** Whether the page asked for that. */
  readonly wasAsked: boolean;
}

/** One node: a process after the other. */
export class NodeChild {
  readonly origin: string;
  readonly port: string;
  readonly args: readonly string[];
  readonly #ended: (node: NodeChild, end: NodeEnd) => void;
  #child: Deno.ChildProcess | undefined;
  #process: NodeProcess["process"] = "starting";
  #isAsked = false;

  /**
   * @param args What `serve.ts` is told.
   * @param ended Is told of each end of a process.
   */
  constructor(
    port: string,
    args: readonly string[],
    ended: (node: NodeChild, end: NodeEnd) => void,
  ) {
    this.origin = `http://localhost:${port}`;
    this.port = port;
    this.args = args;
    this.#ended = ended;
  }

  get process(): NodeProcess["process"] {
    return this.#process;
  }

  /** Whether it runs, and nobody has asked for its end. */
  get goesOn(): boolean {
    return this.#process === "running" && !this.#isAsked;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts a process. Resolves with whether it runs, or has ended before it did. */
  async start(): Promise<boolean> {
    const serve = new URL("./serve.ts", import.meta.url);
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--allow-net", "--allow-read"],
        ...["--allow-write", serve.href, ...this.args],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    this.#process = "starting";
    this.#isAsked = false;
    child.status.then(({ code }) => {
      this.#process = "ended";
      this.#ended(this, { code, wasAsked: this.#isAsked });
    });
    return await this.#follow(child);
  }

  /** Sends a signal, unless the process has ended. */
  kill(signal: Deno.Signal): void {
    if (this.#process === "ended") return;
    // What is frozen hears nothing else.
    if (this.#process === "frozen" && signal !== "SIGKILL") {
      this.#child?.kill("SIGCONT");
    }
    this.#child?.kill(signal);
  }

  /** What can be done to it now. */
  get can(): NodeAction[] {
    // It was killed, and has not ended yet.
    if (this.#isAsked && this.#process !== "ended") return [];
    const canFreeze = Deno.build.os !== "windows";
    switch (this.#process) {
      case "running":
        return canFreeze ? ["kill", "freeze"] : ["kill"];
      case "frozen":
        return ["kill", "resume"];
      case "ended":
        return ["restart"];
      default:
        return [];
    }
  }

  /** Does what can be done to it now. */
  async act(action: NodeAction): Promise<void> {
    if (action === "restart") {
      if (await this.start()) return;
      throw new Error(`Cannot start ${this.origin}: the log says why`);
    }
    if (action === "kill") this.#isAsked = true;
    const signals = {
      kill: "SIGKILL",
      freeze: "SIGSTOP",
      resume: "SIGCONT",
    } as const;
    this.#child!.kill(signals[action]);
    if (action === "kill") await this.#child!.status;
    else this.#process = action === "freeze" ? "frozen" : "running";
  }

  /** Prints the output of the process. Resolves as `start()` does. */
  #follow(child: Deno.ChildProcess): Promise<boolean> {
    return new Promise((resolve) => {
      const print = async (
        output: ReadableStream<Uint8Array>,
      ): Promise<void> => {
        for await (const line of linesOf(output)) {
          console.log(`[${this.port}] ${line}`);
          if (!line.includes("geecache is running")) continue;
          if (this.#process === "starting") this.#process = "running";
          resolve(true);
        }
        resolve(false);
      };
      print(child.stdout);
      print(child.stderr);
    });
  }
}
