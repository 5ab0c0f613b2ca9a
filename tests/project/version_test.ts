import { SEMVER, whyNot } from "../../scripts/version.ts";
import { assert, assertEquals } from "../support/assert.ts";

const CHANGELOG = "# Changelog\n\n## 1.2.3\n\nNew.\n\n## 1.2.2\n\nOld.\n";

Deno.test("whyNot() accepts a tag that deno.json and CHANGELOG.md name", () => {
  assertEquals(whyNot("v1.2.3", "1.2.3", CHANGELOG), undefined);
  const early = CHANGELOG.replace("1.2.3", "1.2.3-rc.1");
  assertEquals(whyNot("v1.2.3-rc.1", "1.2.3-rc.1", early), undefined);
});

Deno.test("whyNot() says what is wrong with a tag", () => {
  for (
    const tag of [
      "",
      "1.2.3",
      "v1.2",
      "v01.2.3",
      "v1.2.3-",
      "v1.2.3 x",
      "x1.2.3",
    ]
  ) {
    assertEquals(
      whyNot(tag, "1.2.3", CHANGELOG),
      `the tag must be one such as v1.2.3-rc.1: received "${tag}"`,
    );
  }
  assertEquals(
    whyNot("v1.2.4", "1.2.3", CHANGELOG),
    "deno.json has another version: received v1.2.4, and 1.2.3",
  );
});

Deno.test("whyNot() wants the newest entry of the changelog, and wants it to be released", () => {
  const reason = "the newest entry of CHANGELOG.md must be 1.2.3: received";
  for (
    const [changelog, received] of [
      ["# Changelog\n", "none"],
      [`## 1.2.4\n\n${CHANGELOG}`, "1.2.4"],
      [CHANGELOG.replace("1.2.3", "1.2.3 (unreleased)"), "1.2.3 (unreleased)"],
    ] as const
  ) {
    assertEquals(whyNot("v1.2.3", "1.2.3", changelog), `${reason} ${received}`);
  }
});

Deno.test("SEMVER matches versions as semver.org defines them, and nothing else", () => {
  for (const good of ["0.0.0", "1.2.3", "1.2.3-rc.1", "1.0.0-a-b.0+x.01"]) {
    assert(SEMVER.test(good), good);
  }
  for (const bad of ["1", "1.2", "v1.2.3", "1.2.03", "1.2.3-01", "1.2.3\n"]) {
    assert(!SEMVER.test(bad), bad);
  }
});
