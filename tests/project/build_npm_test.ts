import { assertEquals, assertMatch } from "../support/assert.ts";

const script = new URL("../../scripts/build_npm.ts", import.meta.url);

/** Runs `deno task npm` where JSR cannot be reached. */
async function build(...args: string[]): Promise<[number, string]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-lock", "--allow-all", script.href, ...args],
    env: { NO_COLOR: "1", JSR_URL: "http://127.0.0.1:1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return [code, decoder.decode(stdout) + decoder.decode(stderr)];
}

Deno.test("deno task npm ends with one line if JSR cannot be reached", async () => {
  const [code, said] = await build();
  assertEquals(code, 1);
  assertMatch(
    said,
    /^Cannot build the npm package: @deno\/dnt could not be loaded: [^\n]+\n$/,
  );
});

Deno.test("deno task npm takes a version and nothing else", async () => {
  for (const args of [["1.2"], ["v1.2.3"], ["1.2.3", "x"]]) {
    assertEquals(await build(...args), [
      2,
      `Cannot build the npm package: the version must be one such as 1.2.3-rc.1: received "${
        args.join(" ")
      }"\n`,
    ]);
  }
});
