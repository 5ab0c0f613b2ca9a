/**
 * The `package.json` of the npm package. It is the same whichever tool builds the
 * package.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };
import { SEMVER } from "./version.ts";

/** The fields of `package.json` that we write. */
export interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly keywords: string[];
  readonly license: string;
  readonly type: "module";
  readonly engines: Readonly<Record<string, string>>;
  readonly sideEffects: false;
  readonly homepage?: string;
  readonly bugs?: { url: string };
  readonly repository?: { type: string; url: string };
  readonly exports: Readonly<
    Record<
      string,
      string | { readonly types: string; readonly default: string }
    >
  >;
}

/** The files that the package holds in addition to the code. */
export const PAPERS: readonly string[] = [
  "README.md",
  "LICENSE",
  "CHANGELOG.md",
];

/**
 * Has the types of the package in `folder` name the library that has the type of
 * `Symbol.asyncDispose`. A project with `lib: ["ES2022"]` would have an error in
 * `http.d.ts` otherwise. JSR allows no such line in the source.
 */
export async function nameLibraries(folder: string): Promise<void> {
  const file = `${folder}/http.d.ts`;
  const types = await Deno.readTextFile(file);
  const line = '/// <reference lib="esnext.disposable" />\n';
  await Deno.writeTextFile(file, line + types);
}

/**
 * The version to build: the one in `args`, or the one in `deno.json` if `args` is
 * empty.
 *
 * @throws {RangeError} If `args` is not one valid version
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
 * The `package.json` of a package that has its code in `folder`, such as `./esm`.
 *
 * @param repository the repository that the package is built from, such as
 * `https://github.com/a/b`; npm compares it with the repository in the signed
 * provenance
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
    keywords: [
      "cache",
      "distributed-cache",
      "distributed",
      "read-through",
      "stampede",
      "singleflight",
      "lru",
      "consistent-hashing",
      "groupcache",
      "geecache",
      "node",
      "deno",
      "bun",
    ],
    license: config.license,
    type: "module",
    // From these versions on, `require` takes ESM.
    engines: { node: "^20.19.0 || >=22.12.0" },
    sideEffects: false,
    ...(repository === undefined ? {} : {
      homepage: `${repository}#readme`,
      bugs: { url: `${repository}/issues` },
      repository: { type: "git", url: `git+${repository}.git` },
    }),
    // Without the conditions "import" and "require", both load the same file and
    // get the same classes.
    exports: {
      ...Object.fromEntries(
        Object.entries(config.exports).map(([name, path]) => {
          const file = `${folder}/${path.replace(/^\.\/|\.ts$/g, "")}`;
          return [name, { types: `${file}.d.ts`, default: `${file}.js` }];
        }),
      ),
      // Tools look into it, and without this line they may not.
      "./package.json": "./package.json",
    },
  };
}

/**
 * A paper as the package holds it. Its links lead into the repository, because the
 * files that they name are not in the package, and npm's page has another address.
 * Without a repository it stays as it is.
 */
export function paperOf(text: string, repository?: string): string {
  if (repository === undefined) return text;
  const absolute = (path: string, kind: "blob" | "raw"): string =>
    new URL(path, `${repository}/${kind}/HEAD/`).href;
  return text
    // [text](./path) and [name]: ./path
    .replace(
      /(\]\(|^\[[^\]]+\]: )(\.{1,2}\/[^\s)]+)/gm,
      (_, before, path) =>
        before + absolute(path, path.endsWith(".svg") ? "raw" : "blob"),
    )
    .replace(
      /(\b(?:src|srcset)=")(\.{1,2}\/[^"]+)/g,
      (_, before, path) => before + absolute(path, "raw"),
    );
}

/** The repository of a build on GitHub; `undefined` elsewhere. */
export function repositoryOfCi(): string | undefined {
  const server = Deno.env.get("GITHUB_SERVER_URL");
  const name = Deno.env.get("GITHUB_REPOSITORY");
  if (server !== undefined && name !== undefined) return `${server}/${name}`;
}
