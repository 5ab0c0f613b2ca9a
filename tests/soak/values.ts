/**
 * The groups, keys and values of the soak, which its nodes and the run agree on.
 *
 * The value of `plain:12` in version 3 is `plain:12@3`, and then as many `~` as that
 * key has in every version.
 *
 * @module
 */

/** How the values of a group live; all times are in milliseconds. */
export const LIVES = {
  /** Values that live until they are written. */
  plain: {},
  /** Values that the source changes without telling anybody. */
  fresh: {
    ttlMs: 1_000,
    staleWhileRevalidateMs: 1_500,
    staleIfErrorMs: 6_000,
    ttlJitter: 0.1,
  },
  /** Keys that do not exist, which is remembered. */
  absent: { negativeTtlMs: 2_000 },
  /** Values for clients that read nothing. */
  large: {},
} as const;

/** The header that opens the doors of the run. */
export const RUN = "x-soak-run";

/** A group of the soak. */
export type GroupName = keyof typeof LIVES;

export const GROUPS = Object.keys(LIVES) as GroupName[];

/** How many keys there are of each kind. */
const COUNTS = { plain: 600, fresh: 300, absent: 200 } as const;

/** How many keys `large` has, and how long its values are: no link carries them. */
export const LARGE_KEYS = 6;
export const LARGE_BYTES: number = 300 * 1024;

const MAX_PADDING = 3_000;

function keysOf(group: keyof typeof COUNTS): string[] {
  return Array.from({ length: COUNTS[group] }, (_, i) => `${group}:${i}`);
}

/** The keys that have values at the source. */
export const KEYS: Readonly<Record<"plain" | "fresh", readonly string[]>> = {
  plain: keysOf("plain"),
  fresh: keysOf("fresh"),
};

export const ABSENT_KEYS: readonly string[] = keysOf("absent");

/** The longest time for which the values of `fresh` are answered after they were loaded. */
export const MAX_AGE_MS: number = LIVES.fresh.ttlMs +
  LIVES.fresh.staleIfErrorMs;

function numberOf(key: string): number {
  return Number(key.slice(key.indexOf(":") + 1));
}

/** The group that a key is asked for in. */
export function groupOf(key: string): GroupName {
  return key.slice(0, key.indexOf(":")) as GroupName;
}

/** Whether the source has a key: what a getter should check before it asks. */
export function exists(group: string, key: string): boolean {
  return key.length < 20 && key.startsWith(`${group}:`) &&
    /^(plain|fresh):\d{1,4}$/.test(key);
}

/** The value of a key in a version. */
export function valueOf(key: string, version: number): string {
  return `${key}@${version}${"~".repeat(numberOf(key) * 37 % MAX_PADDING)}`;
}

/** The version of a value, or NaN if it is no value of that key. */
export function versionOf(key: string, value: string): number {
  const version = Number(/@(\d+)~*$/.exec(value)?.[1]);
  return value === valueOf(key, version) ? version : NaN;
}
