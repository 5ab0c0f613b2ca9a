/**
 * The terminal: its alternate screen, its keys and its size. Whatever ends the program,
 * it is left as it was.
 *
 * @module
 */

import process from "node:process";
import { emitKeypressEvents } from "node:readline";
import {
  beginSynchronizedOutput,
  clearViewport,
  cursorHide,
  cursorShow,
  cursorTo,
  endSynchronizedOutput,
  enterAlternativeScreen,
  eraseLine,
  exitAlternativeScreen,
} from "ansi-escapes";
import type { Key } from "./keys.ts";

/** Signals that end the program, with their numbers. */
const ENDING = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/** Who hears of the terminal. */
export interface Hears {
  key(key: Key): void;
  resized(): void;
  /** The program is told to end. */
  signal(code: number): void;
}

/** The screen of the program until it is closed. */
export class Terminal {
  readonly #encoder = new TextEncoder();
  readonly #stops: (() => void)[] = [];
  /** The lines that are on the screen. */
  #lines: readonly string[] = [];
  #isOpen = true;

  constructor(hears: Hears) {
    this.#write(enterAlternativeScreen + cursorHide + clearViewport);
    // An error that nobody catches is printed after these.
    for (const type of ["error", "unhandledrejection", "unload"]) {
      this.#listen(type);
    }
    this.#signals(hears);
    this.#keys(hears);
  }

  get size(): { columns: number; rows: number } {
    const { columns, rows } = Deno.consoleSize();
    // Some terminals do not know.
    return { columns: columns || 80, rows: rows || 24 };
  }

  /** Draws those lines that have changed. */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    const changed = lines.flatMap((line, y) =>
      line === this.#lines[y] ? [] : [cursorTo(0, y) + eraseLine + line]
    );
    for (let y = lines.length; y < this.#lines.length; y++) {
      changed.push(cursorTo(0, y) + eraseLine);
    }
    this.#lines = lines;
    if (changed.length === 0) return;
    this.#write(
      beginSynchronizedOutput + changed.join("") + endSynchronizedOutput,
    );
  }

  /** Forgets what was drawn: the terminal may have moved it. */
  clear(): void {
    if (!this.#isOpen) return;
    this.#lines = [];
    this.#write(clearViewport);
  }

  /** Leaves the terminal as it was. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const stop of this.#stops.splice(0)) stop();
    try {
      this.#write(cursorShow + exitAlternativeScreen);
    } catch {
      // It is gone.
    }
  }

  #write(text: string): void {
    let bytes = this.#encoder.encode(text);
    while (bytes.length > 0) {
      bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
    }
  }

  #listen(type: string): void {
    const close = (): void => this.close();
    globalThis.addEventListener(type, close);
    this.#stops.push(() => globalThis.removeEventListener(type, close));
  }

  #signals({ resized, signal }: Hears): void {
    const listen = (name: Deno.Signal, run: () => void): void => {
      Deno.addSignalListener(name, run);
      this.#stops.push(() => Deno.removeSignalListener(name, run));
    };
    const isWindows = Deno.build.os === "windows";
    for (const [name, number] of Object.entries(ENDING)) {
      // Windows has no others.
      if (isWindows && name !== "SIGINT") continue;
      listen(name as Deno.Signal, () => signal(128 + number));
    }
    if (!isWindows) listen("SIGWINCH", resized);
  }

  #keys({ key }: Hears): void {
    const { stdin } = process;
    if (!Deno.stdin.isTerminal()) return;
    Deno.stdin.setRaw(true);
    const pressed = (_text: unknown, pressed: Key): void => key(pressed);
    emitKeypressEvents(stdin);
    stdin.on("keypress", pressed);
    stdin.resume();
    this.#stops.push(() => {
      stdin.off("keypress", pressed);
      stdin.pause();
      Deno.stdin.setRaw(false);
    });
  }
}
