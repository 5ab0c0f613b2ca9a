/**
 * What may be a key, and what may name a group.
 *
 * @module
 */

import { describe, quote } from "./errors.ts";

/**
 * What is wrong with a key, for an error message; `undefined`: nothing. Any
 * well-formed string that is not empty is a key: a lone surrogate has no UTF-8,
 * so that two keys would become one on the way to a peer.
 */
export function keyRule(key: unknown): string | undefined {
  if (typeof key !== "string") {
    return `a key must be a string: received ${describe(key)}`;
  }
  if (key === "") return "key is required";
  if (!key.isWellFormed()) {
    return `a key must be well-formed Unicode: received ${quote(key)}`;
  }
  return undefined;
}

/**
 * Checks a group's name: it is a segment of a URL's path.
 *
 * @throws {TypeError} That says what is wrong with it.
 */
export function checkGroupName(name: unknown): void {
  const action = "Cannot create Group";
  if (typeof name !== "string") {
    throw new TypeError(
      `${action}: name must be a string: received ${describe(name)}`,
    );
  }
  const rule = name === ""
    ? "not be empty"
    : name === "." || name === ".."
    ? 'not be "." or "..", which URLs drop'
    : name.includes("/")
    ? 'not have a "/", which ends it in a URL'
    : !name.isWellFormed()
    ? "be well-formed Unicode"
    : undefined;
  if (rule !== undefined) {
    throw new TypeError(
      `${action}: name must ${rule}: received ${quote(name)}`,
    );
  }
}

/**
 * The origin that a URL is, without a slash at the end: how nodes are named and
 * compared.
 *
 * @throws {TypeError} If it is more or less than an origin.
 */
export function originOf(url: string, what: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const origin = parsed?.origin;
  if (
    parsed === undefined ||
    (parsed.protocol !== "http:" && parsed.protocol !== "https:") ||
    parsed.href !== `${origin}/`
  ) {
    throw new TypeError(
      `${what} must be an http or https origin such as "http://10.0.0.1:8080": received ${
        describe(url)
      }`,
    );
  }
  return parsed.origin;
}
