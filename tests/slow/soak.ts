/**
 * Checks that a cluster of healthy nodes passes a short run of `deno task soak`, and that
 * the run notices what is wrong with broken ones.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { Program } from "../support/process.ts";

const SOAK = ["run", "--quiet", "--allow-all", "tests/soak/soak.ts"];

/** Only Linux tells what a process uses. */
const ignore = Deno.build.os !== "linux";

/** Runs it for some seconds; gives its exit code and its lines. */
async function soak(
  seconds: number,
  broken: string,
): Promise<[number, string]> {
  const flags = ["--seconds", String(seconds), "--broken", broken];
  const program = new Program([...SOAK, ...flags]);
  try {
    const code = await program.ended;
    return [code, program.lines.join("\n")];
  } finally {
    await program.stop();
  }
}

/** A fault, for how long it is looked for, and the line that names it. */
const FAULTS: readonly (readonly [
  name: string,
  seconds: number,
  broken: string,
  line: RegExp,
])[] = [
  ["an old value", 20, "answers", /^BROKEN +wrong answers +[1-9]/m],
  ["memory that leaks", 20, "memory", /^BROKEN +node \d: RSS, MiB a minute/m],
  ["sockets that leak", 5, "sockets", /^BROKEN +node \d: open files/m],
  ["good traffic that is held up", 20, "patience", /^BROKEN +p99 /m],
  [
    "a rejection that nobody caught",
    20,
    "rejections",
    /^BROKEN +crashes.+node \d ended by itself/m,
  ],
];

Deno.test({
  name: "A short soak finds nothing wrong with healthy nodes",
  ignore,
  async fn() {
    const [code, said] = await soak(20, "");
    assertEquals(code, 0, said);
    assert(/^ok +wrong answers +0$/m.test(said), said);
    assert(/^ok +hostile: idle connections/m.test(said), said);
  },
});

for (const [name, seconds, broken, line] of FAULTS) {
  Deno.test({
    name: `A soak notices ${name}`,
    ignore,
    async fn() {
      const [code, said] = await soak(seconds, broken);
      assertEquals(code, 1, said);
      assert(line.test(said), said);
    },
  });
}
