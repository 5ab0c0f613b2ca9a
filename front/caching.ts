/**
 * What an answer tells the caches on its way: `Cache-Control` and `Age` (RFC 9111,
 * RFC 5861), and `Cache-Status` (RFC 9211).
 *
 * Times are whole seconds there. They are rounded down, so that no cache keeps a
 * value for longer than its life.
 *
 * @module
 */

/** Who may keep an answer, by RFC 9111, section 5.2.2. */
export type Scope = "public" | "private";

/** How long a value lives, in milliseconds. */
export interface Life {
  readonly ttlMs: number;
  readonly ageMs: number | undefined;
  readonly maxAgeMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

/** The largest number of seconds that every cache can read: RFC 9111, section 1.2.2. */
const MAX_SECONDS = 2 ** 31 - 1;

/** As many whole seconds as there are in `ms`, none if that is negative. */
export function secondsOf(ms: number): number {
  return Math.min(Math.max(Math.floor(ms / 1000), 0), MAX_SECONDS);
}

/** The fields of a `Cache-Control`, as its value. */
function control(scope: Scope | undefined, ...fields: string[]): string {
  return [...(scope === undefined ? [] : [scope]), ...fields].join(", ");
}

/** The `Cache-Control` of a value. */
export function cacheControlOf(life: Life, scope: Scope | undefined): string {
  const { ttlMs } = life;
  // Its getter said that nobody should keep it.
  if (ttlMs === 0) return "no-store";
  const leftMs = Math.min(ttlMs, life.maxAgeMs);
  // A removal reaches no HTTP cache, so that one asks each time.
  if (leftMs === Infinity) return control(scope, "no-cache");
  const age = life.ageMs === undefined ? 0 : secondsOf(life.ageMs);
  const fields = [
    `max-age=${Math.min(secondsOf(leftMs) + age, MAX_SECONDS)}`,
  ];
  // Both windows began when the value went stale.
  const staleMs = Math.max(0, -ttlMs);
  const window = (name: string, ms: number): void => {
    const seconds = secondsOf(ms - staleMs);
    if (seconds > 0) fields.push(`${name}=${seconds}`);
  };
  window("stale-while-revalidate", life.staleWhileRevalidateMs);
  window("stale-if-error", life.staleIfErrorMs);
  return control(scope, ...fields);
}

/** The `Cache-Control` of the answer that there is no such value. */
export function negativeControlOf(
  negativeTtlMs: number,
  scope: Scope | undefined,
): string {
  const seconds = secondsOf(negativeTtlMs);
  return seconds > 0 ? control(scope, `max-age=${seconds}`) : "no-store";
}

/** A name that needs no quotes: RFC 8941, section 3.3.4. */
const TOKEN = /^[A-Za-z*][\w!#$%&'*+\-.^`|~:/]*$/;

/** What may stand between quotes: RFC 8941, section 3.3.3. */
export const PRINTABLE: RegExp = /^[\x20-\x7e]+$/;

function nameOf(cache: string): string {
  return TOKEN.test(cache) ? cache : `"${cache.replace(/["\\]/g, "\\$&")}"`;
}

/** What `Cache-Status` is made of. */
export interface Status {
  readonly from: "main" | "hot" | "peer" | "load";
  readonly ttlMs: number;
  readonly stored: boolean | undefined;
}

/**
 * The `Cache-Status` of a value: a member for each process that it came through, the
 * nearest to its source first.
 */
export function cacheStatusOf(cache: string, status: Status): string {
  const { from, ttlMs, stored } = status;
  const ttl = Number.isFinite(ttlMs)
    ? `; ttl=${Math.max(Math.floor(ttlMs / 1000), -MAX_SECONDS)}`
    : "";
  const here = nameOf(cache);
  if (from === "main" || from === "hot") return `${here}; hit${ttl}`;
  const miss = `${here}; fwd=miss${stored === true ? "; stored" : ""}${ttl}`;
  // The owner does not say whether it had the value or loaded it.
  return from === "load" ? miss : `${nameOf(`${cache}-owner`)}${ttl}, ${miss}`;
}
