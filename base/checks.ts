/**
 * Checks of options and arguments.
 *
 * Each message says what could not be done, what was expected and what came.
 *
 * @module
 */

import { describe } from "./errors.ts";

/** The rules for numbers, each in words and in code. */
const RULES = {
  "a number greater than 0": (value: number): boolean => value > 0,
  "a number of at least 1": (value: number): boolean => value >= 1,
  "a non-negative number": (value: number): boolean => value >= 0,
} as const;

/**
 * Checks that `options`, if given, is an object.
 *
 * @param action What could not be done. The message begins with it.
 * @throws {TypeError} If it is something else.
 */
export function checkObject(action: string, options: unknown): void {
  if (options === undefined) return;
  if (typeof options === "object" && options !== null) return;
  throw new TypeError(
    `${action}: options must be an object: received ${describe(options)}`,
  );
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
 * The rule that an optional signal breaks, for an error message, or `undefined` if
 * it breaks none.
 */
export function signalRule(signal: unknown): string | undefined {
  if (signal === undefined) return undefined;
  const { aborted, addEventListener } = (signal ?? {}) as Partial<AbortSignal>;
  return typeof aborted === "boolean" && typeof addEventListener === "function"
    ? undefined
    : `signal must be an AbortSignal: received ${describe(signal)}`;
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
