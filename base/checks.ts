/**
 * What an option or an argument must be.
 *
 * @module
 */

import { describe } from "./errors.ts";

/** What a number must be, in words and in code. */
const RULES = {
  "a number greater than 0": (value: number): boolean => value > 0,
  "a number of at least 1": (value: number): boolean => value >= 1,
  "a non-negative number": (value: number): boolean => value >= 0,
} as const;

/**
 * Checks the object that options come in, if they do.
 *
 * @param action Begins the message: what could not be done.
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
 * Checks numbers, each under its name. Text that looks like one is none: it
 * would be appended where a number is added.
 *
 * @throws {TypeError} If one is no number.
 * @throws {RangeError} If one does not keep the rule.
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
 * Checks functions that may be left out, each under its name.
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
 * Checks an object that may be left out by the methods that are called.
 *
 * @throws {TypeError} If it lacks one.
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
 * What is wrong with a signal that may be left out, for an error message;
 * `undefined`: nothing.
 */
export function signalRule(signal: unknown): string | undefined {
  if (signal === undefined) return undefined;
  const { aborted, addEventListener } = (signal ?? {}) as Partial<AbortSignal>;
  return typeof aborted === "boolean" && typeof addEventListener === "function"
    ? undefined
    : `signal must be an AbortSignal: received ${describe(signal)}`;
}

/**
 * Checks what several strings come in. One string is an iterable, too: of its
 * characters, which nobody means.
 *
 * @throws {TypeError} If it is one string, or no iterable.
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
