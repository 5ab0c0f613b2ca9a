/** The programs of the README and of docs/install.md, saved and run as they say. */

import config from "../../deno.json" with { type: "json" };
import { assert, assertEquals } from "../support/assert.ts";
import { serveJsr } from "../support/jsr.ts";
import { freePorts, Program } from "../support/process.ts";
import { doesAsTold, firstProgram, installOf } from "../support/readme.ts";

/** Runs a test in a folder of its own, with a registry in JSR's place. */
async function withJsr(
  run: (
    deno: (command: string) => Program,
    save: (name: string, code: string) => Promise<void>,
    jsr: string,
  ) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const { url, close } = await serveJsr();
  try {
    await run(
      (command) => {
        const [name, ...args] = command.split(" ");
        assertEquals(name, "deno");
        const env = { JSR_URL: url, DENO_DIR: `${folder}/cache` };
        return new Program(args, { cwd: folder, env });
      },
      (name, code) => Deno.writeTextFile(`${folder}/${name}`, code),
      url,
    );
  } finally {
    await close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Adds the package with what a page says. */
async function adds(
  deno: (command: string) => Program,
  command: string,
): Promise<void> {
  assertEquals(command, `deno add geecache@jsr:${config.name}`);
  const adding = deno(command);
  assertEquals(await adding.ended, 0, adding.lines.join("\n"));
}

/** Sees that a program ends by itself and prints a line. */
async function prints(program: Program, line: string): Promise<void> {
  assertEquals(await program.ended, 0, program.lines.join("\n"));
  assert(program.lines.includes(line), program.lines.join("\n"));
}

Deno.test("The README's first program ends by its line 20", () => {
  assert(firstProgram().line <= 20);
});

Deno.test("The README installs one name on each runtime, and starts one file", () => {
  const { install, commands } = firstProgram();
  assertEquals(install.npm, "npm install geecache");
  assertEquals(install.deno, `deno add geecache@jsr:${config.name}`);
  assertEquals(commands, [
    "node first.mjs",
    "deno run first.mjs",
    "bun run first.mjs",
  ]);
});

Deno.test("README, Deno: the first program prints what it says", () =>
  withJsr(async (deno, save) => {
    const { install, code, commands, prints: line } = firstProgram();
    await adds(deno, install.deno);
    await save("first.mjs", code);
    await prints(
      deno(commands.find((command) => /^deno/.test(command))!),
      line,
    );
  }));

Deno.test("docs/install.md, Deno: what is added from JSR prints 630 and answers curl", () =>
  withJsr(async (deno, save) => {
    const [port] = freePorts(1);
    const { commands: [add, run], code } = installOf("Deno");
    await adds(deno, add!);
    await save("server.ts", code.replaceAll("9999", `${port}`));
    await doesAsTold(deno(run!), port!);
  }));

Deno.test("docs/install.md, Deno: the name on JSR can be added as it is", () =>
  withJsr(async (deno, save) => {
    const { code, prints: line } = firstProgram();
    const adding = deno(`deno add jsr:${config.name}`);
    assertEquals(await adding.ended, 0, adding.lines.join("\n"));
    await save("first.mjs", code.replace('"geecache"', `"${config.name}"`));
    await prints(deno("deno run first.mjs"), line);
  }));

Deno.test("docs/install.md, Deno by URL: what is imported from there prints 630 and answers curl", () =>
  withJsr(async (deno, save, jsr) => {
    const [port] = freePorts(1);
    const { commands: [run], code } = installOf("Deno, by URL");
    const url = `https://jsr.io/${config.name}/${config.version}/mod.ts`;
    assert(code.includes(`"${url}"`));
    await save(
      "by_url.ts",
      code.replaceAll("9999", `${port}`).replace("https://jsr.io/", jsr),
    );
    // JSR is among the hosts that code may come from; its stand-in is not.
    const permission = `--allow-import=${new URL(jsr).host}`;
    await doesAsTold(deno(run!.replace(" run ", ` run ${permission} `)), port!);
  }));

Deno.test("docs/install.md, Node: the program prints 630 and answers curl, with Deno as its Node", async () => {
  const folder = await Deno.makeTempDir();
  const [port] = freePorts(1);
  const { code } = installOf("Node");
  const file = `${folder}/server.mjs`;
  await Deno.writeTextFile(file, code.replaceAll("9999", `${port}`));
  try {
    // The names that npm's packages have are mapped to the sources there.
    const args = ["run", "--config", "deno.json", "--allow-net", file];
    await doesAsTold(new Program(args), port!);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
