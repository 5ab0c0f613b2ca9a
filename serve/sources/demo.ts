/**
 * Values for any key, from a source that takes a moment, so that there is something to
 * see.
 *
 * @module
 */

/** How long the source takes. */
const LOAD_MS = 20;
/** How long a value is, at least. */
const VALUE_BYTES = 256;

/** The value of a key: the key itself, and when it was loaded. */
export async function demoValue(key: string): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
  const time = new Date().toISOString().slice(11, 19);
  return `${key}, loaded at ${time} UTC`.padEnd(VALUE_BYTES);
}
