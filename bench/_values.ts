/** The cached values that benches ask for: three groups, of three sizes. */

/** A group's name, its keys, and how long each of its values is. */
export interface Values {
  readonly group: string;
  readonly keys: readonly string[];
  readonly bytes: number;
}

function values(group: string, count: number, bytes: number): Values {
  return {
    group,
    keys: Array.from({ length: count }, (_, i) => `user:${i}`),
    bytes,
  };
}

export const SMALL: Values = values("bench", 10_000, 64);
export const PAGES: Values = values("pages", 1_000, 4 * 1024);
export const LARGE: Values = values("large", 200, 100 * 1024);

export const ALL: readonly Values[] = [SMALL, PAGES, LARGE];

/** The value of a key. */
export function valueOf({ bytes }: Values, key: string): string {
  return key.padEnd(bytes, ".");
}
