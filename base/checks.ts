/**
 * Checks of options and arguments.
 *
 * Each message says what could not be done, what was expected and what came.
 *
 * @module
 */

import { describe, quote } from "./errors.ts";

/** The rules for numbers, each in words and in code. */
const RULES = {
  "a number greater than 0": (value: number): boolean => value > 0,
  "a number of at least 1": (value: number): boolean => value >= 1,
  "a non-negative number": (value: number): boolean => value >= 0,
  "a number from 0 to 1": (value: number): boolean => value >= 0 && value <= 1,
} as const;

/** Names that an object may have. A type of them keeps such a list complete. */
export type Names<T> = Readonly<Record<keyof T, true>>;

/**
 * Checks that `options`, if given, is an object with known names only.
 *
 * @param action What could not be done. The message begins with it.
 * @throws {TypeError} If it is something else, or has an unknown option.
 */
export function checkOptions<T>(
  action: string,
  options: T | undefined,
  known: Names<T>,
): void {
  const rule = optionsRule(options, known);
  if (rule !== undefined) throw new TypeError(`${action}: ${rule}`);
}

/**
 * The rule that options break, for an error message, or `undefined` if they break
 * none.
 */
export function optionsRule(
  options: unknown,
  known: Readonly<Record<string, true>>,
): string | undefined {
  if (options === undefined) return undefined;
  return typeof options === "object" && options !== null
    ? namesRule("option", options, known)
    : `options must be an object: received ${describe(options)}`;
}

/**
 * The rule that the names of `object` break, or `undefined` if all are known. What it
 * inherits is not looked at: an `AbortController` may stand for `{ signal }`.
 *
 * @param what What the names are called in the message, such as `"option"`.
 */
export function namesRule(
  what: string,
  object: object,
  known: Readonly<Record<string, true>>,
): string | undefined {
  for (const name in object) {
    if (known[name] === true || !Object.hasOwn(object, name)) continue;
    const names = Object.keys(known);
    const nearest = nearestOf(name, names);
    return `there is no ${what} ${quote(name)}: ` +
      (nearest === undefined
        ? `the ${what}s are ${names.join(", ")}`
        : `did you mean ${quote(nearest)}?`);
  }
  return undefined;
}

/** The name that was probably meant, or `undefined` if none has half of it in common. */
function nearestOf(name: string, names: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Infinity;
  for (const one of names) {
    const distance = distanceOf(name.toLowerCase(), one.toLowerCase());
    const isNear = distance <= Math.max(name.length, one.length) / 2;
    if (!isNear || distance >= least) continue;
    nearest = one;
    least = distance;
  }
  return nearest;
}

/** How many characters have to be added, dropped or changed (Levenshtein, 1965). */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/**
 * Checks several numbers, each given under its name. Text that looks like a
 * number is refused, because `+` would append it and not add it.
 *
 * @throws {TypeError} If one is not a number.
 * @throws {RangeError} If one breaks the rule.
 */
export function checkNumbers(
  action: string,
  rule: keyof typeof RULES,
  options: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(options)) {
    const isNumber = typeof value === "number";
    if (isNumber && RULES[rule](value)) continue;
    throw new (isNumber ? RangeError : TypeError)(
      `${action}: ${name} must be ${rule}: received ${describe(value)}`,
    );
  }
}

/**
 * Checks several options that are either on or off, each given under its name.
 *
 * @throws {TypeError} If one is something else.
 */
export function checkBooleans(
  action: string,
  options: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(options)) {
    if (typeof value === "boolean") continue;
    throw new TypeError(
      `${action}: ${name} must be true or false: received ${describe(value)}`,
    );
  }
}

/**
 * Checks several optional functions, each given under its name.
 *
 * @throws {TypeError} If one is something else.
 */
export function checkFunctions(
  action: string,
  options: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || typeof value === "function") continue;
    throw new TypeError(
      `${action}: ${name} must be a function: received ${describe(value)}`,
    );
  }
}

/** What a write does that could not reach some processes. */
export type Unreachable = "reject" | "later";

/**
 * Checks the optional {@linkcode Unreachable} of a write, a group or a pool.
 *
 * @throws {TypeError} If it is something else.
 */
export function checkUnreachable(action: string, value: unknown): void {
  if (value === undefined || value === "reject" || value === "later") return;
  throw new TypeError(
    `${action}: unreachable must be "reject" or "later": received ${
      describe(value)
    }`,
  );
}

/**
 * Checks that an optional object has the methods that will be called on it.
 *
 * @throws {TypeError} If a method is missing.
 */
export function checkMethods(
  action: string,
  name: string,
  value: unknown,
  methods: readonly string[],
): void {
  if (value === undefined) return;
  const has = (method: string): boolean =>
    typeof (value as Record<string, unknown> | null)?.[method] === "function";
  if (methods.every(has)) return;
  throw new TypeError(
    `${action}: ${name} must have the methods ${methods.join(", ")}: ` +
      `received ${describe(value)}`,
  );
}

/**
 * The rule that options with a signal break, for an error message, or `undefined` if
 * they break none. A signal in the place of the options would never be heard.
 */
export function signalRule(
  options: { readonly signal?: unknown } | undefined,
): string | undefined {
  if (options === undefined) return undefined;
  if (isSignal(options)) {
    return `options must be an object such as { signal }: received ${
      describe(options)
    }`;
  }
  const { signal } = options;
  return signal === undefined || isSignal(signal)
    ? undefined
    : `signal must be an AbortSignal: received ${describe(signal)}`;
}

function isSignal(value: unknown): boolean {
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  return typeof aborted === "boolean" && typeof addEventListener === "function";
}

/**
 * Checks a list of strings. A single string is refused, although it is iterable:
 * nobody means a list of its characters.
 *
 * @throws {TypeError} If it is a string, or not iterable.
 */
export function checkList(action: string, name: string, value: unknown): void {
  const iterates = typeof value === "object" && value !== null &&
    Symbol.iterator in value;
  if (iterates) return;
  throw new TypeError(
    `${action}: ${name} must be an array or another iterable of strings: ` +
      `received ${describe(value)}`,
  );
}

/**
 * Checks what is gone through with `for await`.
 *
 * @throws {TypeError} If it is something else.
 */
export function checkAsyncIterable(
  action: string,
  name: string,
  value: unknown,
): void {
  const iterates = typeof value === "object" && value !== null &&
    Symbol.asyncIterator in value;
  if (iterates) return;
  throw new TypeError(
    `${action}: ${name} must be an async iterable: received ${describe(value)}`,
  );
}

/** Guards an option `random`, which is also called by timers, where nobody catches. */
export function safeRandom(random: () => number): () => number {
  return () => {
    try {
      const number = random();
      if (number >= 0 && number < 1) return number;
    } catch {
      // Jitter of any size will do.
    }
    return Math.random();
  };
}
