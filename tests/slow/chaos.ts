/**
 * Checks that the cluster keeps its promises in a short run of `deno task chaos`,
 * and that the run notices when they are broken.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { Program } from "../support/process.ts";

const CHAOS = ["run", "--quiet", "--allow-all", "tests/chaos/chaos.ts"];

/** With this seed the first event is a pause, which shows what breakers and missed removes do. */
const SEED = "2";

/** Runs it for a few seconds; gives its exit code and its lines. */
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

Deno.test("A short run under chaos keeps all promises", async () => {
  const [code, said] = await chaos();
  assertEquals(code, 0, said);
  assert(/^ok +failed gets +0$/m.test(said), said);
  assert(/^ +paused, killed, drained +1, 1, 1$/m.test(said), said);
});

Deno.test("A silent peer is asked again and again without the breaker", async () => {
  const [code, said] = await chaos("--without", "breaker");
  assertEquals(code, 1, said);
  assert(BROKEN_PATIENCE.test(said), said);
});

Deno.test("Removed values come back without the fences", async () => {
  const [code, said] = await chaos("--without", "fences");
  assertEquals(code, 1, said);
  assert(BROKEN_TRUTH.test(said), said);
});
