/**
 * Checks that a tag may be released: `deno task version v1.2.3`.
 *
 * The tag, `deno.json` and `CHANGELOG.md` must all name the same version, so that
 * the changelog describes what JSR and npm get.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };

/** A version in the form that https://semver.org defines. */
export const SEMVER: RegExp =
  /^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-(0|[1-9]\d*|\d*[a-z-][\da-z-]*)(\.(0|[1-9]\d*|\d*[a-z-][\da-z-]*))*)?(\+[\da-z-]+(\.[\da-z-]+)*)?$/i;

/** Why `tag` cannot release `version`, in words; `undefined` if it can. */
export function whyNot(
  tag: string,
  version: string,
  changelog: string,
): string | undefined {
  if (!tag.startsWith("v") || !SEMVER.test(tag.slice(1))) {
    return `the tag must be one such as v1.2.3-rc.1: received ${
      JSON.stringify(tag)
    }`;
  }
  if (tag !== `v${version}`) {
    return `deno.json has another version: received ${tag}, and ${version}`;
  }
  const newest = /^## (.*)$/m.exec(changelog)?.[1];
  if (newest !== version) {
    return `the newest entry of CHANGELOG.md must be ${version}: received ${
      newest ?? "none"
    }`;
  }
}

if (import.meta.main) {
  const changelog = await Deno.readTextFile(
    new URL("../CHANGELOG.md", import.meta.url),
  );
  const reason = whyNot(Deno.args.join(" "), config.version, changelog);
  if (reason !== undefined) {
    console.error(`Cannot release: ${reason}`);
    Deno.exit(1);
  }
  console.log(config.version);
}
