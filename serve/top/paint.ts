/**
 * The few colors of the terminal view. None says anything that is not in words, too.
 *
 * @module
 */

import { Ansis } from "ansis";

/** Colors text, or leaves it as it is. */
export interface Paint {
  readonly strong: (text: string) => string;
  readonly quiet: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warning: (text: string) => string;
  readonly bad: (text: string) => string;
  /** What is drawn rather than written. */
  readonly drawn: (text: string) => string;
  readonly chosen: (text: string) => string;
}

/** The 16 colors that every terminal has, so that they fit its own light or dark. */
export function paintOf(hasColors: boolean): Paint {
  const ansis = new Ansis(hasColors ? 1 : 0);
  return {
    strong: ansis.bold,
    quiet: ansis.dim,
    good: ansis.green,
    warning: ansis.yellow,
    bad: ansis.red.bold,
    drawn: ansis.cyan,
    chosen: ansis.inverse,
  };
}
