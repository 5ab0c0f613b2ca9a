/** The examples for Node in a project of their own, with the package as npm installs it. */

import { npmInstall, run } from "../../scripts/runtimes.ts";

const root = new URL("../../", import.meta.url);

/** Makes a project of Node in a folder, with files of `examples/node/` or their paths. */
export async function packInto(
  folder: string,
  files: readonly string[],
): Promise<void> {
  const { code, output } = await run(Deno.execPath(), [
    ...["pack", "--quiet", "--allow-dirty", "--no-source-maps"],
    ...["--output", `${folder}/geecache.tgz`],
  ], new URL(root).pathname);
  if (code !== 0) throw new Error(`Cannot pack: exit code ${code}: ${output}`);
  await Deno.writeTextFile(
    `${folder}/package.json`,
    JSON.stringify({ private: true, type: "module" }),
  );
  await npmInstall(["geecache@file:geecache.tgz"], folder);
  for (const file of files) {
    const from = new URL(`examples/node/${file}`, root);
    await Deno.copyFile(from, `${folder}/${file.split("/").at(-1)}`);
  }
}
