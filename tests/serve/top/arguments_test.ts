/** The flags of `deno task top`. */

import { Exit } from "../../../serve/exit.ts";
import { readFlags, USAGE } from "../../../serve/top/arguments.ts";
import { assert, assertEquals, assertThrows } from "../../support/assert.ts";

Deno.test("Without flags, top shows what deno task serve and deno task cluster listen at", () => {
  assertEquals(readFlags([]), {
    urls: ["http://localhost:9999"],
    once: false,
    json: false,
    color: true,
    help: false,
  });
});

Deno.test("top takes addresses with and without a scheme, and a path is no part of them", () => {
  const { urls } = readFlags([
    "n1:8001",
    "https://n2/_page/",
    "[::1]:9",
  ]);
  assertEquals(urls, ["http://n1:8001", "https://n2", "http://[::1]:9"]);
});

Deno.test("top takes each of its flags, and explains it", () => {
  const flags = readFlags(["--once", "--json", "--no-color", "--help"]);
  const { urls: _, ...rest } = flags;
  assertEquals(rest, { once: true, json: true, color: false, help: true });
  for (const flag of ["--once", "--json", "--no-color", "--help"]) {
    assert(USAGE.includes(`  ${flag} `), flag);
  }
});

Deno.test("top refuses other flags and what is no address, with code 2", () => {
  const codeOf = (args: string[], message: string): void => {
    const error = assertThrows(() => readFlags(args), Exit, message);
    assertEquals(error.code, 2);
  };
  codeOf(["--twice"], "Unknown argument --twice: see --help");
  codeOf(["ftp://n1"], 'received "ftp://n1"');
  codeOf(["http://"], 'received "http://"');
});
