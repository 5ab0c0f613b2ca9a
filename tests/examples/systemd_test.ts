/** The unit of examples/systemd is what systemd takes, and fits the program. */

import { readSettings } from "../../serve/config.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { stagesOf } from "../support/dockerfile.ts";
import { run } from "../../scripts/runtimes.ts";

const root = new URL("../../", import.meta.url);
const file = new URL("examples/systemd/geecache.service", root);
const unit = await Deno.readTextFile(file);
/** What `systemd-analyze security` may say at most, of 10; lower is better. */
const MAX_EXPOSURE = 1.5;

function valueOf(name: string): string {
  const found = [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))];
  assertEquals(found.length, 1, name);
  return found[0]![1]!;
}

const hasSystemd = await run("systemd-analyze", ["--version"], root)
  .then(({ code }) => code === 0, () => false);
if (!hasSystemd) {
  console.log("systemd: left out: systemd-analyze is not on this machine");
}

Deno.test({
  name: "The unit is valid, and exposes little, for systemd-analyze",
  ignore: !hasSystemd,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      // It looks whether the program is there.
      const copy = `${folder}/geecache.service`;
      const here = unit.replace("/usr/local/bin/deno", Deno.execPath());
      await Deno.writeTextFile(copy, here);
      const { code, output } = await run(
        "systemd-analyze",
        ["verify", copy],
        root,
      );
      assertEquals([code, output], [0, ""]);
      const security = await run("systemd-analyze", [
        ...["security", "--offline=true", "--no-pager", copy],
      ], root);
      const [, exposure] = /exposure level for \S+: ([\d.]+)/
        .exec(security.output)!;
      assert(Number(exposure) <= MAX_EXPOSURE, exposure);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("The unit starts the program as the image does, and leaves it time to stop", async () => {
  const [program, ...args] = valueOf("ExecStart").split(" ");
  assertEquals(program, "/usr/local/bin/deno");
  const script = args.indexOf("/opt/geecache/serve.js");
  const { lines } = stagesOf(
    await Deno.readTextFile(new URL("Dockerfile", root)),
  ).at(-1)!;
  const { list } = lines.find(({ name }) => name === "ENTRYPOINT")!;
  // Only the demo writes a file.
  const inImage = list.slice(1, -1).filter((arg) => !/-write/.test(arg));
  assertEquals(args.slice(0, script), inImage);

  const settings = await readSettings(args.slice(script + 1), {}, () => "");
  const [credential] = valueOf("LoadCredential").split(":");
  assertEquals(settings["secret-file"], `%d/${credential}`);
  assert(settings["stop-timeout"] > settings["drain-timeout"]);
  const stopSeconds = Number(valueOf("TimeoutStopSec").slice(0, -1));
  assert(stopSeconds * 1_000 > settings["stop-timeout"]);
});
