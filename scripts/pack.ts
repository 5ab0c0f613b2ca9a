/**
 * Builds the npm package `geecache` without JSR: `deno task pack [version]` writes
 * `geecache-<version>.tgz`.
 *
 * `deno pack` makes the code and the types. Its `package.json` has the name that
 * the package has on JSR, and no `engines`, so we replace it with our own.
 *
 * @module
 */

import { create, extract, list } from "tar";
import {
  nameLibraries,
  packageJson,
  paperOf,
  PAPERS,
  repositoryOfCi,
  versionOf,
} from "./package_json.ts";
import { run } from "./runtimes.ts";

const ROOT = new URL("../", import.meta.url);

/** A finished package and its size. */
export interface Packed {
  readonly file: string;
  /** How many files it holds. */
  readonly files: number;
  /** Its size in the registry, in bytes. */
  readonly size: number;
  /** Its size once it is installed, in bytes. */
  readonly unpacked: number;
}

/** Counts the files and the bytes of a package. */
export async function measure(file: string): Promise<Packed> {
  let files = 0;
  let unpacked = 0;
  await list({
    file,
    onReadEntry: ({ size }: { size: number }) => {
      files++;
      unpacked += size;
    },
  });
  return { file, files, size: (await Deno.stat(file)).size, unpacked };
}

/** Builds the package into `file`. */
export async function pack(version: string, file: string): Promise<Packed> {
  const folder = await Deno.makeTempDir({ prefix: "geecache-" });
  try {
    const { code, output } = await run(Deno.execPath(), [
      ...["pack", "--allow-dirty", "--no-source-maps"],
      ...["--output", `${folder}/jsr.tgz`],
    ], ROOT);
    if (code !== 0) throw new Error(`deno pack failed: ${output}`);
    await extract({ file: `${folder}/jsr.tgz`, cwd: folder });
    const root = `${folder}/package`;
    const repository = repositoryOfCi();
    for (const name of PAPERS) {
      const text = await Deno.readTextFile(new URL(name, ROOT));
      await Deno.writeTextFile(`${root}/${name}`, paperOf(text, repository));
    }
    await nameLibraries(root);
    const { dependencies } = JSON.parse(
      await Deno.readTextFile(`${root}/package.json`),
    );
    if (dependencies !== undefined) {
      throw new Error(`the package depends on ${Object.keys(dependencies)}`);
    }
    const manifest = packageJson(version, ".", repository);
    await Deno.writeTextFile(
      `${root}/package.json`,
      JSON.stringify(manifest, null, 2) + "\n",
    );
    const entries = [...Deno.readDirSync(root)].map(({ name }) =>
      `package/${name}`
    );
    const options = { file, cwd: folder, gzip: true, portable: true };
    await create(options, entries.sort());
    return await measure(file);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    const version = versionOf(Deno.args);
    const packed = await pack(version, `geecache-${version}.tgz`);
    console.log(
      `${packed.file}: ${packed.files} files, ${packed.size} bytes, ${packed.unpacked} bytes unpacked`,
    );
  } catch (error) {
    console.error(`Cannot pack the npm package: ${(error as Error).message}`);
    Deno.exit(error instanceof RangeError ? 2 : 1);
  }
}
