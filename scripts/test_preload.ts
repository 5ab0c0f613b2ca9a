/**
 * What the portable tests need of Deno, where there is no Deno: `Deno.test`,
 * over `node:test`, which Node and Bun have. Loaded before the tests.
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
