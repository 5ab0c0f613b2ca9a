/** The library is a set of files that any project can import by URL. */

import { libraryFiles } from "../../scripts/library.ts";
import { assertEquals } from "../support/assert.ts";
import { Program } from "../support/process.ts";

const root = new URL("../../", import.meta.url);

const PROGRAM = (url: string) =>
  `import { HTTPPool } from "${url}";
   const pool = new HTTPPool("http://localhost:9999");
   const group = pool.group("scores", (name) => name + "!");
   console.log((await group.get("Tom")).text());
   await pool.close();`;

Deno.test("mod.ts is imported by URL, whatever the importing project's import map says", async () => {
  const library = await libraryFiles();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      // Only the files of the library are served.
      if (!library.includes(pathname.slice(1))) {
        return new Response(null, { status: 404 });
      }
      const code = await Deno.readFile(new URL(`.${pathname}`, root));
      return new Response(code, {
        headers: { "Content-Type": "application/typescript" },
      });
    },
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const captured = Object.fromEntries(
    ["lru", "group", "base", "errors", "@std/assert", "@std/log", "http"]
      .flatMap((name) => [name, `${name}.ts`, `${name}/`])
      .map((name) => [name, name.endsWith("/") ? "./trap/" : "./trap.ts"]),
  );
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/trap.ts`, "throw new Error('trap');");
    await Deno.writeTextFile(`${folder}/main.ts`, PROGRAM(`${origin}/mod.ts`));
    for (const imports of [{}, captured]) {
      await Deno.writeTextFile(
        `${folder}/deno.json`,
        JSON.stringify({ imports }),
      );
      const program = new Program(
        [
          "run",
          "--quiet",
          "--check",
          "--no-lock",
          `--reload=${origin}`,
          `--allow-import=127.0.0.1:${server.addr.port}`,
          "main.ts",
        ],
        { cwd: folder },
      );
      const code = await program.ended;
      assertEquals([code, program.lines], [0, ["Tom!"]]);
    }
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
