/**
 * The commands of the Dockerfiles, run one after the other in empty folders, and what
 * they start, as another user: `deno task test:deploy`. No image is built, so what the
 * base images have is not tested.
 */

import { installRuntime, npmInstall } from "../../scripts/runtimes.ts";
import { build, type Container } from "../support/dockerfile.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { freePorts, Program, sendHalf } from "../support/process.ts";
import { inFolder } from "../support/serve.ts";
import { packInto } from "../support/service.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
/** What docs/deploy.md says that the program needs, beside budgets and garbage. */
const PROGRAM_BYTES = 100 * 2 ** 20;
/** Only root can become somebody else. */
const isRoot = Deno.build.os !== "windows" && Deno.uid() === 0;
const ignore = Deno.build.os === "windows";
if (ignore) console.log("Images: left out: Windows has no /bin/sh");
else if (!isRoot) console.log("Images: run as this user, who is not root");

/** What a process has in memory; 0 where the system does not say it in a file. */
function residentBytes(pid: number): number {
  if (Deno.build.os !== "linux") return 0;
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** What runs an image's commands with other variables and arguments. */
function starter(
  { folder, env, uid, entrypoint, health }: Container,
  more: Record<string, string>,
): { start: (args: string[]) => Program; isHealthy: () => Promise<boolean> } {
  const start = ([program, ...args]: readonly string[]): Program =>
    new Program(args, {
      path: `${env["PATH"]!.split(":")[0]}/${program}`,
      cwd: folder,
      env: { ...env, ...more },
      clearEnv: true,
      uid: isRoot ? uid : undefined,
    });
  return {
    start: (args) => start([...entrypoint, ...args]),
    isHealthy: async () => await start(health).ended === 0,
  };
}

Deno.test({
  name:
    "Dockerfile: its commands make a program that runs without rights, is healthy and stops on SIGTERM",
  ignore,
  fn: () =>
    inFolder(async (root) => {
      // Anybody may read an image.
      await Deno.chmod(root, 0o755);
      const bin = `${root}/bin`;
      await Deno.mkdir(bin);
      await Deno.copyFile(Deno.execPath(), `${bin}/deno`);
      await Deno.chmod(`${bin}/deno`, 0o755);
      const dockerfile = await Deno.readTextFile(`${ROOT}Dockerfile`);
      const context = ROOT.replace(/\/$/, "");
      const container = await build({ dockerfile, context, root, bin });
      assert(container.uid > 0);
      const files = [...Deno.readDirSync(container.folder)];
      assertEquals(files.map(({ name }) => name), ["serve.js"]);

      const source = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen: () => {} },
        (request) => new Response(new URL(request.url).pathname),
      );
      const [port, healthPort] = freePorts(2);
      const { start, isHealthy } = starter(container, {
        GEECACHE_PORT: `${port}`,
        GEECACHE_HEALTH_PORT: `${healthPort}`,
      });
      const program = start([
        ...["--origin", `http://127.0.0.1:${source.addr.port}/{key}`],
      ]);
      try {
        await program.said(/geecache is running/);
        const response = await fetch(`http://127.0.0.1:${port}/api/items/a`);
        assertEquals(await response.text(), "/a");
        assert(await isHealthy());
        assert(residentBytes(program.pid) < PROGRAM_BYTES);
        const half = await sendHalf(port!);
        program.kill("SIGTERM");
        assertEquals(await program.ended, 0, program.lines.join("\n"));
        half.close();
        assert(!await isHealthy());
      } finally {
        await program.stop();
        await source.shutdown();
      }

      // What the program loads only if it is told to is in that file, too.
      const config = `${root}/config.json`;
      await Deno.writeTextFile(config, '{"port": 0, "db": "/tmp/none.db"}');
      const wrong = start(["--config", config, "--query", "select ?"]);
      assertEquals(await wrong.ended, 1);
      assert(wrong.lines[0]!.includes("unable to open database file"));
    }),
});

Deno.test({
  name:
    "examples/node/Dockerfile: its commands make a service that runs without rights, is healthy and stops on SIGTERM",
  ignore,
  fn: () =>
    inFolder(async (root) => {
      // Anybody may read an image.
      await Deno.chmod(root, 0o755);
      const context = `${root}/context`;
      await Deno.mkdir(context);
      // npm has put the package into its cache, and takes it from there as it would from
      // the registry.
      await packInto(context, ["service.ts", "Dockerfile", ".dockerignore"]);
      await Deno.writeTextFile(`${context}/.env`, "SECRET=of-the-developer");

      const node = await installRuntime("node24", root);
      await npmInstall(["npm@11.19.1"], `${root}/node24`);
      const bin = `${root}/bin`;
      await Deno.mkdir(bin);
      await Deno.copyFile(node.path, `${bin}/node`);
      const npm = `${root}/node24/node_modules/npm/bin/npm-cli.js`;
      await Deno.writeTextFile(
        `${bin}/npm`,
        `#!/bin/sh\nexec '${bin}/node' '${npm}' "$@"\n`,
      );
      for (const name of ["node", "npm"]) {
        await Deno.chmod(`${bin}/${name}`, 0o755);
      }

      const dockerfile = await Deno.readTextFile(`${context}/Dockerfile`);
      const container = await build({ dockerfile, context, root, bin });
      assert(container.uid > 0);
      const files = [...Deno.readDirSync(container.folder)];
      assertEquals(
        files.map(({ name }) => name).sort(),
        ["node_modules", "package-lock.json", "package.json", "service.ts"],
      );
      const [port] = freePorts(1);
      const { start, isHealthy } = starter(container, { PORT: `${port}` });
      const program = start([]);
      try {
        await program.said(/Listening on/);
        const url = `http://127.0.0.1:${port}/squares/12`;
        assertEquals(await (await fetch(url)).text(), "144");
        assert(await isHealthy());
        const half = await sendHalf(port!);
        program.kill("SIGTERM");
        assertEquals(await program.ended, 0, program.lines.join("\n"));
        half.close();
        assert(!await isHealthy());
      } finally {
        await program.stop();
      }
    }),
});
