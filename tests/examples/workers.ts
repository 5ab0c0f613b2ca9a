/**
 * examples/node/cluster.ts on Node 24, deployed anew: `deno task test:deploy`. That it is
 * one cache, and that a worker that was killed is followed, is a test of on_node.ts.
 */

import { installRuntime } from "../../scripts/runtimes.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { freePorts, Program } from "../support/process.ts";
import { inFolder } from "../support/serve.ts";
import { packInto } from "../support/service.ts";

/** A get that takes so long has failed. */
const HANGS_MS = 10_000;

const ignore = Deno.build.os === "windows";
if (ignore) console.log("node:cluster: left out: Windows has no SIGHUP");

Deno.test({
  name:
    "examples/node/cluster.ts replaces its workers on SIGHUP without a failed get, and stops on SIGTERM",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      await packInto(folder, ["cluster.ts"]);
      const { path } = await installRuntime("node24", folder);
      const [port, ...ports] = freePorts(4);
      const args = ["cluster.ts", `${port}`, ports.join(), "1000"];
      const program = new Program(args, { path, cwd: folder });
      // Each request on a connection of its own: the primary hands those out in turn.
      const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
      const ask = async (key: number): Promise<void> => {
        const response = await fetch(
          `http://127.0.0.1:${port}/squares/${key}`,
          { client, signal: AbortSignal.timeout(HANGS_MS) },
        );
        assertEquals(await response.text(), `${key ** 2}`);
      };
      const processes = (): string[] =>
        program.lines.flatMap((line) =>
          / Listening on .*, process (\d+)$/.exec(line)?.slice(1) ?? []
        );
      try {
        for (const port of ports) {
          await program.said(new RegExp(`^\\[${port}\\] Listening`));
        }
        for (let key = 0; key < 24; key++) await ask(key);
        assertEquals(program.count(/loading/), 24);
        let over = false;
        const replaced = program.said(/^All workers were replaced$/)
          .finally(() => over = true);
        program.kill("SIGHUP");
        let asked = 0;
        const askOn = async (): Promise<void> => {
          while (!over) await ask(asked++ % 24);
        };
        await Promise.all(Array.from({ length: 8 }, askOn));
        await replaced;
        assert(asked > 24, `${asked}`);
        assertEquals(new Set(processes()).size, 6, program.lines.join("\n"));
        const again = program.count(/loading/) - 24;
        console.log(`node:cluster: ${asked} gets, ${again} loads again`);
        program.kill("SIGTERM");
        assertEquals(await program.ended, 0);
        const isAlive = (pid: string): boolean => {
          try {
            Deno.kill(Number(pid), "SIGCONT");
            return true;
          } catch {
            return false;
          }
        };
        assertEquals(processes().filter(isAlive), []);
      } finally {
        client.close();
        await program.stop();
      }
    }),
});
