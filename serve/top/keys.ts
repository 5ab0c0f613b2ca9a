/**
 * What the keys mean.
 *
 * @module
 */

import type { Command } from "./model.ts";

/** A key as `node:readline` tells of it. */
export interface Key {
  /** What was sent for it. */
  readonly sequence?: string | undefined;
  readonly name?: string | undefined;
  readonly ctrl?: boolean | undefined;
  readonly shift?: boolean | undefined;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  q: "quit",
  p: "pause",
  space: "pause",
  s: "sort",
  down: "next",
  right: "next",
  j: "next",
  tab: "next",
  up: "previous",
  left: "previous",
  k: "previous",
  h: "help",
  escape: "leave",
};

/** The command of a key; `undefined`: it has none. */
export function commandOf(key: Key): Command | undefined {
  const { sequence, name = "", ctrl = false, shift = false } = key;
  if (ctrl) return name === "c" || name === "d" ? "quit" : undefined;
  if (sequence === "?") return "help";
  if (name === "tab" && shift) return "previous";
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
}
