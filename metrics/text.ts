/**
 * Writes numbers in Prometheus's text format, version 0.0.4.
 *
 * @module
 */

/** What a family of series counts or measures. */
export type FamilyType = "counter" | "gauge" | "histogram";

/** A label as it is written, such as `group="scores"`. Any text is a value. */
export function label(name: string, value: string): string {
  const text = value.replace(/[\\"\n]/g, (c) => c === "\n" ? "\\n" : `\\${c}`);
  return `${name}="${text}"`;
}

/** A page of numbers, as it is written. Each family is written in one go. */
export class MetricsText {
  #text = "";
  /** The head of a family that has no series so far. Without any, it is left out. */
  #head = "";
  #name = "";

  /** Begins a family. Neither text has a backslash or an end of a line in it. */
  family(name: string, type: FamilyType, help: string): void {
    this.#name = name;
    this.#head = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  /**
   * Writes one number of the family.
   *
   * @param labels As `label()` makes them, with commas between; `""`: none.
   * @param suffix What follows the family's name, such as `_sum`.
   */
  sample(value: number, labels: string, suffix = ""): void {
    const at = labels === "" ? "" : `{${labels}}`;
    this.#text += `${this.#head}${this.#name}${suffix}${at} ${number(value)}\n`;
    this.#head = "";
  }

  /** All that was written. */
  toString(): string {
    return this.#text;
  }
}

function number(value: number): string {
  return value === Infinity ? "+Inf" : `${value}`;
}
