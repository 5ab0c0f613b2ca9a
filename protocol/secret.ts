/**
 * The secrets that the processes of one pool share.
 *
 * @module
 */

/** A shorter secret is soon guessed. */
const MIN_LENGTH = 16;

/**
 * The secrets of an option. The first is sent, and any of them is accepted.
 *
 * @throws {TypeError} If one is unfit. The message says why and shows no secret.
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
    // A header carries only these characters unharmed.
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
 * Whether `given` is one of `secrets`. The time it takes does not tell how much of
 * `given` is right, or which secret it is.
 */
export function isOneOf(secrets: readonly string[], given: string): boolean {
  let found = 0;
  for (const secret of secrets) {
    let differs = secret.length ^ given.length;
    for (let i = 0; i < secret.length; i++) {
      // Past the end of `given`, NaN counts as 0. The lengths differ by then.
      differs |= secret.charCodeAt(i) ^ given.charCodeAt(i);
    }
    found |= Number(differs === 0);
  }
  return found === 1;
}
