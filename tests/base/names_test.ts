import fc from "fast-check";
import { checkGroupName, keyRule } from "../../base/names.ts";
import {
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { CHARACTER } from "../support/text.ts";

const NOT_WELL_FORMED = ["\ud83d", "\ude00", "a\ud83d", "\ude00\ud83d"];

Deno.test("keyRule() accepts every well-formed string that is not empty", () => {
  const text = fc.string({ unit: CHARACTER, minLength: 1 });
  fc.assert(fc.property(text, (key) => {
    assertEquals(keyRule(key), undefined);
  }));
  const odd = [".", "..", "/", "a//b", "%2e", " ", "\0", "\ufeff", "\ufffd"];
  for (const key of [...odd, "k".repeat(65536)]) {
    assertEquals(keyRule(key), undefined);
  }
});

Deno.test("keyRule() says what is wrong with a key", () => {
  assertStringIncludes(keyRule("")!, "key is required");
  for (const key of NOT_WELL_FORMED) {
    assertStringIncludes(
      keyRule(key)!,
      `well-formed Unicode: received ${JSON.stringify(key)}`,
    );
  }
  const others: [unknown, string][] = [
    [undefined, "undefined"],
    [null, "null"],
    [1, "1"],
    [Symbol("k"), "Symbol(k)"],
    [["k"], "[object Array]"],
    [new String("k"), "[object String]"],
  ];
  for (const [key, received] of others) {
    assertStringIncludes(
      keyRule(key)!,
      `must be a string: received ${received}`,
    );
  }
});

Deno.test("checkGroupName() accepts what can be a segment of a path", () => {
  const odd = ["...", ".a", "a.", "%2F", "a b", "\\", "?", "#", "é", "😀"];
  for (const name of ["scores", ...odd]) checkGroupName(name);
  const text = fc.string({ unit: CHARACTER, minLength: 1 })
    .filter((name) => !name.includes("/") && !/^\.\.?$/.test(name));
  fc.assert(fc.property(text, checkGroupName));
});

Deno.test("checkGroupName() says what is wrong with a name", () => {
  const wrong: [unknown, string][] = [
    ["", "not be empty"],
    [".", "which URLs drop"],
    ["..", "which URLs drop"],
    ["/", 'not have a "/"'],
    ["a/b", 'not have a "/"'],
    ...NOT_WELL_FORMED.map((name): [string, string] => [name, "well-formed"]),
    [undefined, "must be a string: received undefined"],
    [1, "must be a string: received 1"],
    [new String("scores"), "must be a string: received [object String]"],
  ];
  for (const [name, rule] of wrong) {
    const { message } = assertThrows(
      () => checkGroupName(name),
      TypeError,
      rule,
    );
    assertStringIncludes(message, "Cannot create Group: name must ");
    if (typeof name === "string") {
      assertStringIncludes(message, `received ${JSON.stringify(name)}`);
    }
  }
});
