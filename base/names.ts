/**
 * The rules for keys and for the names of groups and nodes.
 *
 * @module
 */

import { describe, quote } from "./errors.ts";

/**
 * The rule that a key breaks, for an error message, or `undefined` if it breaks
 * none.
 *
 * Any well-formed string that is not empty is a key. A lone surrogate has no
 * UTF-8, so two keys with one could become the same key on the way to a peer.
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
 * Checks a group's name, which is one segment of a URL's path.
 *
 * @throws {TypeError} If the name would not survive there.
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
 * Reads an origin and returns it without a slash at the end. Nodes are named and
 * compared in this form.
 *
 * @param what Names the value in the error message.
 * @throws {TypeError} If `url` is more or less than an http or https origin.
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
