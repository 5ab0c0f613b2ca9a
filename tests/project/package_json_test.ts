import config from "../../deno.json" with { type: "json" };
import { packageJson, versionOf } from "../../scripts/package_json.ts";
import { program } from "../../scripts/package_stories.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

Deno.test("packageJson() exports each public module once, for import and require", () => {
  const { exports } = packageJson("1.2.3", "./esm");
  assertEquals(Object.keys(exports), Object.keys(config.exports));
  assertEquals(exports["./lru"], {
    types: "./esm/lru.d.ts",
    default: "./esm/lru.js",
  });
  assertEquals(exports["."]?.default, "./esm/mod.js");
});

Deno.test("packageJson() names the repository that it was built from, if that is known", () => {
  assertEquals(packageJson("1.2.3", ".").repository, undefined);
  const { repository } = packageJson("1.2.3", ".", "https://example.com/a/b");
  assertEquals(repository, {
    type: "git",
    url: "git+https://example.com/a/b.git",
  });
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
