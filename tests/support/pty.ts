/**
 * Programs in a pseudo terminal, which `script` of util-linux makes, and their screen,
 * which xterm.js keeps.
 */

import xterm from "@xterm/headless";

const root = new URL("../../", import.meta.url);

/** How long the screen may take to be as it should be. Only a test that fails waits so long. */
const PATIENCE_MS = 30_000;

/** Whether programs can be started in a pseudo terminal here. */
export const HAS_PTY: boolean = Deno.build.os === "linux" && hasScript();

function hasScript(): boolean {
  try {
    return new Deno.Command("script", { args: ["--version"] }).outputSync()
      .success;
  } catch {
    return false;
  }
}

/** `deno` with arguments, in a terminal of its own. */
export class Pty {
  /** All that it wrote. */
  output = "";
  readonly #terminal: xterm.Terminal;
  readonly #child: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;
  readonly #ended: Promise<number>;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(
    args: readonly string[],
    { columns = 80, rows = 24, env = {} }: {
      columns?: number;
      rows?: number;
      env?: Record<string, string>;
    } = {},
  ) {
    this.#terminal = new xterm.Terminal({
      cols: columns,
      rows,
      allowProposedApi: true,
    });
    // The screen before the program tells of its terminal and its process, and the one
    // after it of its exit code and of whether lines are edited again.
    const command = [
      `stty cols ${columns} rows ${rows}`,
      `echo "on $(tty)"`,
      `sh -c 'echo "pid $$"; exec "$0" "$@"' "$@"`,
      `echo "code $? $(stty -a | grep -o -- '-\\?icanon')"`,
    ].join("; ");
    const quoted = [Deno.execPath(), ...args].map((arg) => `'${arg}'`);
    const shell = `set -- ${quoted.join(" ")}; ${command}`;
    this.#child = new Deno.Command("script", {
      args: ["--quiet", "--flush", "--command", shell, "/dev/null"],
      cwd: root,
      clearEnv: true,
      env: {
        PATH: Deno.env.get("PATH")!,
        HOME: Deno.env.get("HOME")!,
        SHELL: "/bin/sh",
        TERM: "xterm-256color",
        TZ: "UTC",
        ...env,
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#keys = this.#child.stdin.getWriter();
    this.#ended = this.#read();
  }

  async #read(): Promise<number> {
    const decoder = new TextDecoder();
    for await (const bytes of this.#child.stdout) {
      this.output += decoder.decode(bytes, { stream: true });
      await new Promise<void>((resolve) =>
        this.#terminal.write(bytes, () => resolve())
      );
      this.#wake();
    }
    const { code } = await this.#child.status;
    this.#isOver = true;
    this.#wake();
    return code;
  }

  /** The lines of the screen, without spaces at their ends. */
  get lines(): string[] {
    const { active } = this.#terminal.buffer;
    return Array.from(
      { length: this.#terminal.rows },
      (_, y) =>
        active.getLine(active.baseY + y)?.translateToString().trimEnd() ?? "",
    );
  }

  /** Whether the screen is the one beside the shell's. */
  get isAlternate(): boolean {
    return this.#terminal.buffer.active.type === "alternate";
  }

  /** Waits until the screen has `pattern`. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    let isLate = false;
    const patience = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, PATIENCE_MS);
    try {
      for (;;) {
        const match = pattern.exec(this.lines.join("\n"));
        if (match !== null) return match;
        if (isLate || this.#isOver) {
          throw new Error(
            `It never showed ${pattern}:\n${this.lines.join("\n")}`,
          );
        }
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      clearTimeout(patience);
    }
  }

  /** Presses keys, as the bytes that they send. */
  async press(keys: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(keys));
  }

  /** Changes the size of the terminal. */
  async resize(columns: number, rows: number): Promise<void> {
    const [, terminal] = /on (\/dev\/\S+)/.exec(this.output)!;
    this.#terminal.resize(columns, rows);
    await new Deno.Command("stty", {
      args: ["-F", terminal!, "cols", `${columns}`, "rows", `${rows}`],
    }).output();
  }

  kill(signal: Deno.Signal): void {
    const [, pid] = /pid (\d+)/.exec(this.output)!;
    Deno.kill(Number(pid), signal);
  }

  /** What the shell said about its end: its exit code, and `icanon` or `-icanon`. */
  async ended(): Promise<string> {
    const [, said] = await this.until(/^code (\d+ -?icanon)$/m);
    await this.close();
    return said!;
  }

  /** Closes the terminal, which ends what runs in it. */
  async close(): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await this.#ended;
    await this.#keys.close().catch(() => {});
    this.#terminal.dispose();
  }
}
