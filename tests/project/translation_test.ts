/**
 * README.zh-CN.md is README.md in Chinese: what needs no translation is the same
 * in both. That holds its programs and commands to the README's own tests.
 */

import { readFile } from "node:fs/promises";
import { assertEquals } from "../support/assert.ts";

const read = (name: string) =>
  readFile(new URL(`../../${name}`, import.meta.url), "utf8");

const FENCE = /^```[\s\S]*?^```$/gm;

/** What each pattern finds: its first group, or all of it where it has none. */
function all(text: string, ...patterns: RegExp[]): string[] {
  return patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map(([whole, part]) => part ?? whole)
  );
}

/** What is the same in every language; the link to the other one is counted apart. */
function partsOf(paper: string, otherLanguage: string) {
  const prose = paper.replace(FENCE, "");
  const links = all(
    prose,
    /\]\(([^)]+)\)/g, // [text](target)
    /\]\[([^\]]+)\]/g, // [text][name]
    /^(\[[^\]]+\]: \S+)$/gm, // [name]: target
    /(?:src|srcset)="([^"]+)"/g,
  );
  const others = links.filter((link) => link !== otherLanguage);
  return {
    programs: all(paper, FENCE),
    headings: all(prose, /^(#+) /gm),
    // Word order differs between languages.
    links: others.sort(),
    languageLinks: links.length - others.length,
    code: all(prose, /`([^`]+)`/g).sort(),
    numbers: all(prose, /\d+(?:\.\d+)*/g).sort(),
    items: all(prose, /^(?:-|\d+\.) /gm),
  };
}

Deno.test("README.zh-CN.md has the README's programs, headings, links, code and numbers", async () => {
  const english = partsOf(await read("README.md"), "./README.zh-CN.md");
  const chinese = partsOf(await read("README.zh-CN.md"), "./README.md");
  assertEquals(chinese, english);
  assertEquals(english.languageLinks, 1);
});
