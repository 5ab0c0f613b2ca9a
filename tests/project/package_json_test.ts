import config from "../../deno.json" with { type: "json" };
import { packageJson, paperOf, versionOf } from "../../scripts/package_json.ts";
import { program } from "../../scripts/package_stories.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

Deno.test("packageJson() exports each public module once, for import and require", () => {
  const { exports } = packageJson("1.2.3", "./esm");
  const subpaths = [...Object.keys(config.exports), "./package.json"];
  assertEquals(Object.keys(exports), subpaths);
  assertEquals(exports["./lru"], {
    types: "./esm/lru.d.ts",
    default: "./esm/lru.js",
  });
  assertEquals(exports["."], {
    types: "./esm/mod.d.ts",
    default: "./esm/mod.js",
  });
});

Deno.test("packageJson() asks for a Node whose require() takes ESM, and lets tools read it", () => {
  const { engines, exports } = packageJson("1.2.3", ".");
  assertEquals(engines, { node: "^20.19.0 || >=22.12.0" });
  assertEquals(exports["./package.json"], "./package.json");
});

Deno.test("packageJson() has the words that people search for", () => {
  const { keywords } = packageJson("1.2.3", ".");
  for (
    const word of [
      "cache",
      "node",
      "deno",
      "bun",
      "distributed",
      "read-through",
      "stampede",
    ]
  ) assert(keywords.includes(word), word);
});

Deno.test("The links of the README lead into the repository from npm's page", async () => {
  const repository = "https://example.com/a/b";
  const read = (name: string) =>
    Deno.readTextFile(new URL(`../../${name}`, import.meta.url));
  const readme = await read("README.md");
  assertEquals(paperOf(readme), readme);
  const page = paperOf(readme, repository);
  const rest = page.match(/(?:\]\(|\]: |(?:src|srcset)=")\.+\/.*/g);
  assertEquals(rest, null);
  for (
    const link of [
      `](${repository}/blob/HEAD/docs/install.md)`,
      `](${repository}/blob/HEAD/docs/decisions/)`,
      `[ci]: ${repository}/actions/workflows/ci.yml\n`,
      `src="${repository}/raw/HEAD/docs/get.svg"`,
      `srcset="${repository}/raw/HEAD/docs/get-dark.svg"`,
    ]
  ) assert(page.includes(link), link);
  // Nothing but links is changed.
  const short = (text: string) =>
    text.replace(/(\]\(|\]: |=")(\.{1,2}\/|https:\/\/example)[^\s)"]*/g, "$1");
  assertEquals(short(page), short(readme));
});

Deno.test("packageJson() names the repository that it was built from, if that is known", () => {
  const unknown = Object.keys(packageJson("1.2.3", "."));
  const known = packageJson("1.2.3", ".", "https://example.com/a/b");
  assertEquals(
    Object.keys(known).filter((field) => !unknown.includes(field)),
    ["homepage", "bugs", "repository"],
  );
  assertEquals(known.repository, {
    type: "git",
    url: "git+https://example.com/a/b.git",
  });
  assertEquals(known.homepage, "https://example.com/a/b#readme");
  assertEquals(known.bugs, { url: "https://example.com/a/b/issues" });
});

Deno.test("versionOf() is the version that was asked for, or that of deno.json", () => {
  assertEquals(versionOf([]), config.version);
  assertEquals(versionOf(["1.2.3-rc.1"]), "1.2.3-rc.1");
  for (const args of [[""], ["1.2"], ["1.2.3", "1.2.3"]]) {
    assertThrows(() => versionOf(args), RangeError, "the version must be one");
  }
});

Deno.test("program() uses every public module, and refuses a module that it does not know", () => {
  const subpaths = Object.keys(config.exports);
  for (const kind of ["mjs", "cjs", "mts", "cts"] as const) {
    const code = program(kind, subpaths);
    for (const subpath of subpaths) {
      assert(code.includes(`"geecache${subpath.slice(1)}"`), subpath);
    }
  }
  assertThrows(
    () => program("mjs", ["./nothing"]),
    Error,
    "Cannot test ./nothing: nothing is known of it",
  );
});
