/**
 * examples/pm2 under PM2 on Node 24: `deno task test:deploy`. PM2 keeps all its files in a
 * folder of the test, and the daemon that it starts there is ended.
 */

import { installRuntime, npmInstall, run } from "../../scripts/runtimes.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { freePorts } from "../support/process.ts";
import { inFolder } from "../support/serve.ts";
import { packInto } from "../support/service.ts";

/** Not a dependency: only this test installs it. */
const PM2 = "pm2@7.0.4";
const ROUNDS = 24;

const ignore = Deno.build.os === "windows";
if (ignore) console.log("PM2: left out: Windows has no signals");

/** What `pm2 jlist` says of a process. */
interface Listed {
  readonly name: string;
  readonly pid: number;
  readonly pm2_env: { readonly status: string; readonly restart_time: number };
}

Deno.test({
  name:
    "examples/pm2 is one cache in three processes, and a reload fails no get",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      await packInto(folder, ["service.ts", "../pm2/ecosystem.config.cjs"]);
      await npmInstall([PM2], folder);
      const node = await installRuntime("node24", folder);
      const ports = freePorts(3);
      const pm2 = async (...args: string[]): Promise<string> => {
        const { code, output } = await run("/usr/bin/env", [
          `PATH=${node.path.replace(/\/node$/, "")}:/usr/bin:/bin`,
          `PM2_HOME=${folder}/home`,
          "PM2_DISABLE_VERSION_CHECK=true",
          `PORTS=${ports}`,
          node.path,
          ...[`${folder}/node_modules/pm2/bin/pm2`, ...args],
        ], folder);
        assertEquals(code, 0, output);
        return output;
      };
      const list = async (): Promise<Listed[]> => {
        const output = await pm2("jlist");
        return JSON.parse(output.slice(output.indexOf("[{"))) as Listed[];
      };
      /** Asks as a proxy does that goes on to the next process if one is down. */
      const ask = async (key: number): Promise<void> => {
        for (let i = 0; i < ports.length; i++) {
          const port = ports[(key + i) % ports.length]!;
          const url = `http://127.0.0.1:${port}/squares/${key}`;
          const response = await fetch(url).catch(() => undefined);
          if (response === undefined) continue;
          assertEquals(response.status, 200);
          assertEquals(await response.text(), `${key ** 2}`);
          return;
        }
        throw new Error(`No process answers for ${key}`);
      };
      const loads = async (): Promise<number> => {
        let count = 0;
        for await (const { name } of Deno.readDir(`${folder}/home/logs`)) {
          const log = await Deno.readTextFile(`${folder}/home/logs/${name}`);
          count += [...log.matchAll(/loading/g)].length;
        }
        return count;
      };
      try {
        await pm2("start", "ecosystem.config.cjs");
        for (const port of ports) {
          for (let key = 0; key < ROUNDS; key++) {
            const response = await fetch(
              `http://127.0.0.1:${port}/squares/${key}`,
            );
            assertEquals(await response.text(), `${key ** 2}`);
          }
        }
        assertEquals(await loads(), ROUNDS);
        const before = await list();
        assertEquals(
          before.map(({ pm2_env }) => pm2_env.status),
          ports.map(() => "online"),
        );

        let reloaded = false;
        const reload = pm2("reload", "ecosystem.config.cjs").finally(() =>
          reloaded = true
        );
        let asked = 0;
        while (!reloaded) await ask(asked++ % ROUNDS);
        await reload;
        assert(asked > ROUNDS, `${asked}`);
        const after = await list();
        for (const [i, { name, pid, pm2_env }] of after.entries()) {
          assertEquals(name, before[i]!.name);
          assert(pid !== before[i]!.pid, name);
          assertEquals([pm2_env.status, pm2_env.restart_time], ["online", 1]);
        }
        // What a process had in memory, the others had taken over when it ended.
        console.log(
          `PM2: ${asked} gets, ${await loads() - ROUNDS} loads again`,
        );
        await pm2("delete", "ecosystem.config.cjs");
        assertEquals((await pm2("jlist")).trim().endsWith("[]"), true);
      } finally {
        await pm2("kill");
      }
    }),
});
