/** The assertions of `@std/assert` that the tests use, typed: its npm form has no types. */
import * as std from "@std/assert";

// deno-lint-ignore no-explicit-any
type Class<E extends Error> = new (...args: any[]) => E;

export function assert(value: unknown, message?: string): asserts value {
  std.assert(value, message);
}

export function assertEquals<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  if (actual instanceof Set) {
    // On every runtime, so that a test that would fail on Node 20 fails everywhere.
    throw new TypeError("Cannot compare sets on Node 20: compare arrays");
  }
  std.assertEquals(actual, expected, message);
}

export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T {
  std.assertStrictEquals(actual, expected, message);
}

export function assertNotStrictEquals(
  actual: unknown,
  expected: unknown,
  message?: string,
): void {
  std.assertNotStrictEquals(actual, expected, message);
}

export function assertMatch(actual: string, expected: RegExp): void {
  std.assertMatch(actual, expected);
}

export function assertStringIncludes(actual: string, expected: string): void {
  std.assertStringIncludes(actual, expected);
}

export function assertThrows<E extends Error>(
  run: () => unknown,
  kind: Class<E>,
  includes?: string,
): E {
  return std.assertThrows(run, kind, includes);
}

export function assertRejects<E extends Error>(
  run: () => PromiseLike<unknown>,
  kind: Class<E>,
  includes?: string,
): Promise<E> {
  return std.assertRejects(run, kind, includes);
}
