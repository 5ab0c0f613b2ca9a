/**
 * Checks that a cluster of healthy nodes passes a short run of `deno task soak`, and that
 * the run notices what is wrong with broken ones.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { Program } from "../support/process.ts";

const SOAK = ["run", "--quiet", "--allow-all", "tests/soak/soak.ts"];

/** Only Linux tells what a process uses. */
const ignore = Deno.build.os !== "linux";

/** How long it is beside hostile clients: 12 s more until it ends. */
const SECONDS = 20;

/** Runs it; gives its exit code and its lines. */
async function soak(broken: string): Promise<[number, string]> {
  const flags = ["--seconds", String(SECONDS)];
  if (broken !== "") flags.push("--broken", broken);
  const program = new Program([...SOAK, ...flags]);
  try {
    const code = await program.ended;
    return [code, program.lines.join("\n")];
  } finally {
    await program.stop();
  }
}

/** A fault, its name, and the line that shows it. */
const FAULTS: readonly (readonly [
  name: string,
  broken: string,
  line: RegExp,
])[] = [
  ["a value from before a write", "answers", /^removed: (plain|fresh):/m],
  ["a value that lives too long", "lives", /^too old: fresh:/m],
  ["memory that leaks", "memory", /^BROKEN +node \d: RSS, MiB a minute/m],
  ["sockets that leak", "sockets", /^BROKEN +node \d: open files/m],
  ["good traffic that is held up", "patience", /^BROKEN +p99 /m],
  [
    "a rejection that nobody caught",
    "rejections",
    /^BROKEN +crashes.+node \d ended by itself/m,
  ],
];

Deno.test({
  name: "A short soak finds nothing wrong with healthy nodes",
  ignore,
  async fn() {
    const [code, said] = await soak("");
    assertEquals(code, 0, said);
    assert(/^ok +wrong answers +0$/m.test(said), said);
    assert(/^ok +hostile: idle connections/m.test(said), said);
  },
});

for (const [name, broken, line] of FAULTS) {
  Deno.test({
    name: `A soak notices ${name}`,
    ignore,
    async fn() {
      const [code, said] = await soak(broken);
      assertEquals(code, 1, said);
      assert(line.test(said), said);
    },
  });
}
