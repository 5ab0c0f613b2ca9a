/** The words that the spell check is told to accept are few, and easy to find. */

import { readdir, readFile } from "node:fs/promises";
import config from "../../cspell.json" with { type: "json" };
import { assert, assertEquals } from "../support/assert.ts";

const root = new URL("../../", import.meta.url);
/** Folders of what is installed or built. */
const LEFT_OUT = /^(\.(?!github$).*|coverage|node_modules|npm|site)$/;

/** All that is spell-checked under `folder`, in lower case. */
async function textOf(folder: URL): Promise<string> {
  const texts: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const { name } = entry;
    if (entry.isDirectory() && !LEFT_OUT.test(name)) {
      texts.push(await textOf(new URL(`${name}/`, folder)));
    } else if (entry.isFile() && /\.(md|ts|yml)$/.test(name)) {
      texts.push((await readFile(new URL(name, folder), "utf8")).toLowerCase());
    }
  }
  return texts.join("\n");
}

Deno.test("The words in cspell.json are in order, and none is there twice", () => {
  assertEquals(config.words, [...new Set(config.words)].sort());
});

Deno.test("Every word in cspell.json is used somewhere", async () => {
  const text = await textOf(root);
  for (const word of config.words) assert(text.includes(word), word);
});
