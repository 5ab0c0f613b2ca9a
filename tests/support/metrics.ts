/** Reads a page of numbers as Prometheus would, by a parser of npm. */

import parse from "parse-prometheus-text-format";
import { assert } from "./assert.ts";

/** What the parser gives. It has no types of its own. */
interface Parsed {
  name: string;
  metrics: { value: string; labels?: Record<string, string> }[];
}

/** One number of a page. */
export interface Series {
  /** With the suffix, if it is a part of a histogram. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A page of numbers. */
export class Page {
  readonly series: readonly Series[];
  /** The type of each family. */
  readonly types: ReadonlyMap<string, string>;

  constructor(text: string) {
    assert(text.endsWith("\n"), "the last line has no end");
    // Only this one ends a line: `$` would find others in a label.
    const lines = text.slice(0, -1).split("\n");
    const types = new Map<string, string>();
    for (const line of lines) {
      const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
      if (name === undefined) continue;
      assert(!types.has(name), `${name} is there twice`);
      types.set(name, type!);
    }
    this.types = types;
    // It gives the parts of a histogram their labels only if it does not know that.
    const flat = lines.filter((line) =>
      !line.startsWith("# HELP ") && !/^# TYPE .* histogram$/.test(line)
    );
    this.series = (parse(`${flat.join("\n")}\n`) as Parsed[]).flatMap((
      { name, metrics },
    ) =>
      metrics.map(({ value, labels = {} }) => ({
        name,
        labels,
        value: value === "+Inf" ? Infinity : Number(value),
      }))
    );
    const numbers = lines.filter((line) => !line.startsWith("#"));
    assert(this.series.length === numbers.length, "a line was not read");
  }

  /** The names of the labels of a family, with those of a histogram's buckets. */
  labelsOf(family: string): string[] {
    const found = this.series.find(({ name }) =>
      this.familyOf(name) === family
    );
    return Object.keys(found!.labels);
  }

  /** The family that a number belongs to. */
  familyOf(name: string): string {
    if (this.types.has(name)) return name;
    return name.replace(/_(?:bucket|sum|count)$/, "");
  }

  /** All numbers of a name that have these labels. */
  all(name: string, labels: Record<string, string> = {}): Series[] {
    return this.series.filter((one) =>
      one.name === name &&
      Object.entries(labels).every(([label, value]) =>
        one.labels[label] === value
      )
    );
  }

  /** The one number of a name that has these labels. */
  get(name: string, labels: Record<string, string> = {}): number {
    const [found, second] = this.all(name, labels);
    const what = `${name} ${JSON.stringify(labels)}`;
    assert(found !== undefined, `there is no ${what}`);
    assert(second === undefined, `there are several ${what}`);
    return found.value;
  }

  /** The numbers of a name that are not 0, by the values of one or several labels. */
  counts(
    name: string,
    by: readonly string[],
    labels: Record<string, string> = {},
  ): Record<string, number> {
    return Object.fromEntries(
      this.all(name, labels).filter(({ value }) => value !== 0).map((
        one,
      ) => [by.map((label) => one.labels[label]).join(" "), one.value]),
    );
  }
}
