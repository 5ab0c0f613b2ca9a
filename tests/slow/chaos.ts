/**
 * That `deno task chaos` keeps its promises in a short run, and that it would
 * notice if they were broken.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { Program } from "../support/process.ts";

const CHAOS = ["run", "--quiet", "--allow-all", "tests/chaos/chaos.ts"];

/** Its first event is a pause, in which breakers and debts show. */
const SEED = "2";

/** Runs it for a few seconds; returns how it ended, and its lines. */
async function chaos(...flags: string[]): Promise<[number, string]> {
  const args = [...CHAOS, "--seconds", "3", "--seed", SEED, ...flags];
  const program = new Program(args);
  try {
    const code = await program.ended;
    return [code, program.lines.join("\n")];
  } finally {
    await program.stop();
  }
}

const BROKEN_PATIENCE = /^BROKEN +most requests to a process long silent/m;
const BROKEN_TRUTH = /^BROKEN +removed values served later than promised/m;

Deno.test("a short run under chaos keeps all its promises", async () => {
  const [code, said] = await chaos();
  assertEquals(code, 0, said);
  assert(/^ok +failed gets +0$/m.test(said), said);
  assert(/^ +paused, killed, drained +1, 1, 1$/m.test(said), said);
});

Deno.test("without the breaker a silent peer is asked again and again", async () => {
  const [code, said] = await chaos("--without", "breaker");
  assertEquals(code, 1, said);
  assert(BROKEN_PATIENCE.test(said), said);
});

Deno.test("without the fences removed values come back", async () => {
  const [code, said] = await chaos("--without", "fences");
  assertEquals(code, 1, said);
  assert(BROKEN_TRUTH.test(said), said);
});
