/**
 * Gives the portable tests `Deno.test` on Node and Bun, where it runs on top of
 * `node:test`. It is loaded before the tests.
 *
 * @module
 */

import test from "node:test";

Object.assign(globalThis, {
  Deno: {
    test: (name: string, run: () => void | Promise<void>): void =>
      void test(name, () => run()),
  },
});
