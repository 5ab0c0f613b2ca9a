/**
 * Builds the npm package `geecache` without JSR: `deno task pack [version]`
 * leaves `geecache-<version>.tgz`.
 *
 * `deno pack` makes the code and the types. Its package has JSR's name and knows
 * no `engines`, so its `package.json` gives way to ours.
 *
 * @module
 */

import { create, extract, list } from "tar";
import {
  packageJson,
  PAPERS,
  repositoryOfCi,
  versionOf,
} from "./package_json.ts";
import { run } from "./runtimes.ts";

const ROOT = new URL("../", import.meta.url);

/** What a package came to. */
export interface Packed {
  readonly file: string;
  /** How many files there are in it. */
  readonly files: number;
  /** What it takes in the registry, in bytes. */
  readonly size: number;
  /** What it takes where it is installed, in bytes. */
  readonly unpacked: number;
}

/** Counts what is in a package. */
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
    for (const name of PAPERS) {
      await Deno.copyFile(new URL(name, ROOT), `${root}/${name}`);
    }
    const { dependencies } = JSON.parse(
      await Deno.readTextFile(`${root}/package.json`),
    );
    if (dependencies !== undefined) {
      throw new Error(`the package depends on ${Object.keys(dependencies)}`);
    }
    const manifest = packageJson(version, ".", repositoryOfCi());
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
      `${packed.file}: ${packed.files} files, ${packed.size} bytes, ${packed.unpacked} unpacked`,
    );
  } catch (error) {
    console.error(`Cannot pack: ${(error as Error).message}`);
    Deno.exit(error instanceof RangeError ? 2 : 1);
  }
}
