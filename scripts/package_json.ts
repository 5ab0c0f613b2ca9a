/**
 * What the npm package says of itself, whichever tool builds it.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };
import { SEMVER } from "./version.ts";

/** A `package.json`, as far as ours goes. */
export interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly keywords: string[];
  readonly license: string;
  readonly type: "module";
  readonly engines: Readonly<Record<string, string>>;
  readonly sideEffects: false;
  readonly repository?: { type: string; url: string };
  readonly exports: Readonly<
    Record<string, { readonly types: string; readonly default: string }>
  >;
}

/** What goes into the package beside the code. */
export const PAPERS: readonly string[] = [
  "README.md",
  "LICENSE",
  "CHANGELOG.md",
];

/**
 * The version that a build was asked for; without one, that of `deno.json`.
 *
 * @throws {RangeError} If it is none, or there are several
 */
export function versionOf(args: readonly string[]): string {
  const version = args[0] ?? config.version;
  if (args.length > 1 || !SEMVER.test(version)) {
    const received = JSON.stringify(args.join(" "));
    throw new RangeError(
      `the version must be one such as 1.2.3-rc.1: received ${received}`,
    );
  }
  return version;
}

/**
 * The `package.json` of a package whose code lies in `folder`, such as `./esm`.
 *
 * @param repository where it is built from, such as `https://github.com/a/b`: npm
 * holds it against the signed statement of where a package comes from
 */
export function packageJson(
  version: string,
  folder: string,
  repository?: string,
): PackageJson {
  return {
    name: "geecache",
    version,
    description:
      "A read-through cache that lives inside your processes: every key is loaded once, kept within a byte budget, and shared over HTTP",
    keywords: ["cache", "groupcache", "geecache", "lru", "singleflight"],
    license: config.license,
    type: "module",
    engines: { node: ">=20.19" },
    sideEffects: false,
    ...(repository === undefined
      ? {}
      : { repository: { type: "git", url: `git+${repository}.git` } }),
    // No "import" or "require": either may take it, and gets the same classes.
    exports: Object.fromEntries(
      Object.entries(config.exports).map(([name, path]) => {
        const file = `${folder}/${path.replace(/^\.\/|\.ts$/g, "")}`;
        return [name, { types: `${file}.d.ts`, default: `${file}.js` }];
      }),
    ),
  };
}

/** Where a build on GitHub comes from; `undefined` elsewhere. */
export function repositoryOfCi(): string | undefined {
  const server = Deno.env.get("GITHUB_SERVER_URL");
  const name = Deno.env.get("GITHUB_REPOSITORY");
  if (server !== undefined && name !== undefined) return `${server}/${name}`;
}
