import { posix } from "node:path";
import {
  DENO_ONLY,
  portableTests,
  readsTheRepository,
} from "../../scripts/portable.ts";
import { assertEquals, assertMatch } from "../support/assert.ts";

const script = new URL("../../scripts/build_npm.ts", import.meta.url);

function dataUrl(type: string, text: string): string {
  return `data:${type},${encodeURIComponent(text)}`;
}

/** Stands in for dnt: it prints the pattern and builds nothing. */
const dnt = dataUrl(
  "text/javascript",
  `export function emptyDir() {}
  export function build({ testPattern }) { console.log(testPattern); }`,
);
const importMap = dataUrl(
  "application/json",
  JSON.stringify({ imports: { "@deno/dnt": dnt } }),
);

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

Deno.test("deno task npm names every test for Node in a pattern that dnt can read", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-lock", "--no-config", "--allow-all"],
      ...["--import-map", importMap, script.href],
    ],
    stdin: "null",
  }).output();
  // dnt splits a pattern at each slash before it reads the braces.
  const [folders, names, ...rest] = new TextDecoder().decode(stdout).trim()
    .split("/");
  assertEquals([folders, rest], ["**", []]);
  const portable = await portableTests();
  const found: string[] = [];
  const expected: string[] = [];
  for (const test of [...portable, ...Object.keys(DENO_ONLY)]) {
    if (posix.matchesGlob(posix.basename(test), names!)) found.push(test);
    if (portable.includes(test) && !await readsTheRepository(test)) {
      expected.push(test);
    }
  }
  assertEquals(found, expected);
});
