/** The examples, and the programs of the README, run as they stand. */

import { assert, assertEquals } from "./_assert.ts";
import { Program } from "./_process.ts";

const root = new URL("../", import.meta.url);

async function withProgram(
  args: string[],
  run: (program: Program) => Promise<void>,
): Promise<void> {
  const program = new Program(["run", ...args]);
  try {
    await run(program);
  } finally {
    await program.stop();
  }
}

async function textOf(url: string): Promise<string> {
  return await (await fetch(url)).text();
}

Deno.test("The README's first program prints 630 by its line 20 and answers curl", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", root));
  const code = /```ts ignore\n([\s\S]*?)```/.exec(readme)!;
  const last = readme.slice(0, code.index + code[0].length);
  assert(last.split("\n").length <= 20);
  const folder = await Deno.makeTempDir();
  const file = `${folder}/first.ts`;
  await Deno.writeTextFile(file, code[1]!.replaceAll("9999", "0"));
  try {
    await withProgram(
      ["--config", "deno.json", "--allow-net", file],
      async (program) => {
        await program.said(/^630$/);
        const [, url] = await program.said(/Listening on (\S+)\//);
        assertEquals(await textOf(`${url}/_geecache/scores/Sam`), "567");
      },
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("examples/one_process.ts loads once for three callers", () =>
  withProgram(["examples/one_process.ts"], async (program) => {
    assertEquals(await program.ended, 0);
    assertEquals(program.count(/^loading Oslo$/), 1);
    assertEquals(program.count(/no such key$/), 1);
  }));

Deno.test("examples/router.ts answers on its own routes and on the pool's", () =>
  withProgram(["--allow-net", "examples/router.ts", "0"], async (program) => {
    const [, url] = await program.said(/Listening on (\S+)\//);
    assertEquals(await textOf(`${url}/squares/12`), "144");
    assertEquals(await textOf(`${url}/_geecache/squares/12`), "144");
    assertEquals(JSON.parse(await textOf(`${url}/stats`)).localLoads, 1);
    assertEquals(await textOf(`${url}/elsewhere`), "not found\n");
  }));
