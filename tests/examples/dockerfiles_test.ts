/** The Dockerfiles are free of what a linter finds, and keep to what docs/deploy.md promises. */

import dockerignore from "@balena/dockerignore";
import { validate, ValidationSeverity } from "dockerfile-utils";
import config from "../../deno.json" with { type: "json" };
import { packageOf } from "../../scripts/runtimes.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { stagesOf } from "../support/dockerfile.ts";

const root = new URL("../../", import.meta.url);
const FILES = ["Dockerfile", "examples/node/Dockerfile"];
const read = (file: string) => Deno.readTextFile(new URL(file, root));

for (const file of FILES) {
  Deno.test(`${file}: the linter finds nothing`, async () => {
    const { WARNING } = ValidationSeverity;
    const faults = validate(await read(file), {
      deprecatedMaintainer: WARNING,
      directiveCasing: WARNING,
      emptyContinuationLine: WARNING,
      instructionCasing: WARNING,
      instructionCmdMultiple: WARNING,
      instructionEntrypointMultiple: WARNING,
      instructionHealthcheckMultiple: WARNING,
      instructionJSONInSingleQuotes: WARNING,
      instructionWorkdirRelative: WARNING,
    });
    assertEquals(faults.map(({ message }) => message), []);
  });

  Deno.test(`${file}: images are pinned, and what runs is not root and gets signals`, async () => {
    const stages = stagesOf(await read(file));
    assertEquals(stages.length, 2);
    for (const { image } of stages) {
      assert(/:[\w-]*\d+\.\d+[\w.-]*$/.test(image), image);
    }
    const { lines } = stages.at(-1)!;
    const one = (wanted: string) => {
      const found = lines.filter(({ name }) => name === wanted);
      assertEquals(found.length, 1, wanted);
      return found[0]!;
    };
    assert(/^[1-9]\d*:[1-9]\d*$/.test(one("USER").text));
    // A shell in between would not pass signals on.
    assert(one("ENTRYPOINT").list.length > 1);
    assert(one("HEALTHCHECK").list.length > 1);
    // Nothing is installed where it runs.
    assertEquals(lines.filter(({ name }) => name === "RUN"), []);
  });
}

Deno.test("The images have the Deno of the README and the Node of the tests", async () => {
  const versions = async (file: string, image: RegExp) =>
    stagesOf(await read(file)).flatMap((stage) =>
      image.exec(stage.image)?.slice(1) ?? []
    );
  const [, deno] = /deno@([\d.]+\d)/.exec(await read("README.md"))!;
  assertEquals(await versions("Dockerfile", /deno:[a-z-]*([\d.]+)$/), [
    deno!,
    deno!,
  ]);
  const { version } = packageOf("node24", { os: "linux", arch: "x86_64" });
  assertEquals(await versions("examples/node/Dockerfile", /node:([\d.]+)/), [
    version,
  ]);
});

Deno.test("Dockerfile: the program has the unstable features of deno.json, and the permissions of its task", async () => {
  const { lines } = stagesOf(await read("Dockerfile")).at(-1)!;
  const { list } = lines.find(({ name }) => name === "ENTRYPOINT")!;
  for (const feature of config.unstable) {
    assert(list.includes(`--unstable-${feature}`));
  }
  const allowed = (args: readonly string[]) =>
    args.filter((arg) => arg.startsWith("--allow-"))
      .map((arg) => arg.split("=")[0]!).sort();
  assertEquals(allowed(list), allowed(config.tasks.serve.command.split(" ")));
});

Deno.test(".dockerignore lets in what the program imports, and neither tests nor secrets", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "serve/serve.ts"],
    cwd: root,
    stderr: "null",
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: { specifier: string }[];
  };
  const imported = modules.map(({ specifier }) => specifier)
    .filter((specifier) => specifier.startsWith(root.href))
    .map((specifier) => specifier.slice(root.href.length));
  assert(imported.length > 50);
  const ignored = dockerignore.default().add(await read(".dockerignore"));
  for (const file of [...imported, "deno.json", "deno.lock"]) {
    assert(!ignored.ignores(file), file);
  }
  for (
    const file of [
      ...[".git/config", ".env", "scores.db", "secret", "certs/a.key"],
      ...["tests/lru_test.ts", "bench/lru.ts", "examples/tls.ts"],
    ]
  ) {
    assert(ignored.ignores(file), file);
  }
});
