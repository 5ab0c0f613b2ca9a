/**
 * What processes of one pool know and others do not.
 *
 * @module
 */

/** What is shorter is soon guessed. */
const MIN_LENGTH = 16;

/**
 * The secrets of an option: the first is sent, any of them is taken.
 *
 * @throws {TypeError} That says what is wrong with one, and shows none.
 */
export function secretsOf(option: string | readonly string[]): string[] {
  const action = "Cannot create HTTPPool: secret";
  if (typeof option !== "string" && !Array.isArray(option)) {
    throw new TypeError(
      `${action} must be a string or an array of strings: received ${typeof option}`,
    );
  }
  const secrets = typeof option === "string" ? [option] : [...option];
  if (secrets.length === 0) {
    throw new TypeError(`${action} must not be an empty list`);
  }
  for (const secret of secrets) {
    // A header carries no more than that unharmed.
    if (typeof secret !== "string" || !/^[!-~]*$/.test(secret)) {
      throw new TypeError(`${action} must be of visible ASCII characters`);
    }
    if (secret.length < MIN_LENGTH) {
      throw new TypeError(
        `${action} must have at least ${MIN_LENGTH} characters: received ${secret.length}`,
      );
    }
  }
  return secrets;
}

/**
 * Whether `given` is one of `secrets`. How long it takes tells nothing of how
 * much of it is right, nor of which it is.
 */
export function isOneOf(secrets: readonly string[], given: string): boolean {
  let found = 0;
  for (const secret of secrets) {
    let differs = secret.length ^ given.length;
    for (let i = 0; i < secret.length; i++) {
      // NaN past the end is 0 here; the lengths have told by then.
      differs |= secret.charCodeAt(i) ^ given.charCodeAt(i);
    }
    found |= Number(differs === 0);
  }
  return found === 1;
}
