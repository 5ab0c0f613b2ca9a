/**
 * The `traceparent` of W3C Trace Context: which span something belongs to, in 55
 * characters.
 *
 * @module
 */

/** How long one is. */
const LENGTH = 55;

/** Version, trace, span and flags. Neither the version `ff` nor zeros alone are allowed. */
const FORM =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/**
 * Reads what may be a `traceparent`, or gives `undefined` if it is none. What stands
 * behind a comma is skipped: where a program is traced by itself, its `fetch` adds another
 * one to the header, and ours is the first.
 */
export function readTraceparent(given: unknown): string | undefined {
  if (typeof given !== "string") return undefined;
  const isAlone = given.length === LENGTH || given[LENGTH] === ",";
  if (!isAlone) return undefined;
  const first = given.slice(0, LENGTH);
  return FORM.test(first) ? first : undefined;
}
