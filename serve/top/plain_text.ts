/**
 * Text as a terminal shows it: measured in columns, cut, filled up, and without anything
 * that a terminal would obey.
 *
 * @module
 */

import cliTruncate from "cli-truncate";
import stringWidth from "string-width";

/** The longest text from outside that is looked at. */
const MAX_LENGTH = 400;
/** What moves, hides or turns text, and what no terminal knows how to draw. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Co}\p{Zl}\p{Zp}]/gu;
/** Marks that pile up on one letter. */
const PILE = /(\p{M}{3})\p{M}+/gu;

/** Text from outside, with escapes such as `\u{1b}` in place of what is not safe. */
export function safe(text: string): string {
  return text.slice(0, MAX_LENGTH)
    .replace(PILE, "$1")
    .replace(UNSAFE, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

/** JSON in one line that is as safe, and means the same. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(
    UNSAFE,
    (char) =>
      [...Array(char.length).keys()].map((i) =>
        `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`
      ).join(""),
  );
}

/** How many columns a text takes. */
export function width(text: string): number {
  return stringWidth(text);
}

/** The text, cut to at most so many columns. */
export function cut(
  text: string,
  columns: number,
  position: "middle" | "end" = "end",
): string {
  return columns < 1 ? "" : cliTruncate(text, columns, { position });
}

/** The text in exactly so many columns. */
export function fit(
  text: string,
  columns: number,
  { align = "left", position = "end" }: {
    align?: "left" | "right";
    position?: "middle" | "end";
  } = {},
): string {
  const shown = cut(text, columns, position);
  const space = " ".repeat(Math.max(0, columns - width(shown)));
  return align === "left" ? shown + space : space + shown;
}

/** Numbers of the page have narrow spaces, which few terminals' fonts have. */
export function plain(text: string): string {
  return text.replaceAll("\u202f", " ");
}
