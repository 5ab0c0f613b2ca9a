import fc from "fast-check";
import { isOneOf, secretsOf } from "../../protocol/secret.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

const GOOD = "0123456789abcdef";

Deno.test("A secret is a string or several, each of 16 visible ASCII characters or more", () => {
  assertEquals(secretsOf(GOOD), [GOOD]);
  assertEquals(secretsOf([GOOD, `${GOOD}!`]), [GOOD, `${GOOD}!`]);
  for (
    const [bad, message] of [
      [[], "must not be an empty list"],
      ["", "must have at least 16 characters: received 0"],
      [[GOOD, GOOD.slice(1)], "must have at least 16 characters: received 15"],
      [`${GOOD} `, "must be of visible ASCII characters"],
      [`${GOOD}é`, "must be of visible ASCII characters"],
      [`${GOOD}\n`, "must be of visible ASCII characters"],
      [[7], "must be of visible ASCII characters"],
    ] as [string | string[], string][]
  ) {
    const error = assertThrows(() => secretsOf(bad), TypeError, message);
    assert(!error.message.includes(GOOD.slice(1)), "it shows the secret");
  }
});

Deno.test("isOneOf() finds each secret of the list and nothing else", () => {
  const anySecret = fc.string({ maxLength: 20 });
  fc.assert(fc.property(
    fc.array(anySecret),
    anySecret,
    (secrets, given) =>
      assertEquals(isOneOf(secrets, given), secrets.includes(given)),
  ));
  for (const given of [GOOD.slice(1), `${GOOD}0`, `${GOOD}\0`, ""]) {
    assert(!isOneOf([GOOD], given), given);
  }
  assert(isOneOf([`${GOOD}1`, GOOD], GOOD));
});

Deno.test("isOneOf() compares every character of every secret, however soon one differs", () => {
  let looks = 0;
  const watched = (text: string) =>
    new Proxy({ text }, {
      get: ({ text }, name) => {
        if (name !== "charCodeAt") return text[name as "length"];
        return (i: number) => {
          looks++;
          return text.charCodeAt(i);
        };
      },
    }) as unknown as string;
  for (const given of ["x".repeat(16), GOOD, "x", ""]) {
    looks = 0;
    isOneOf([watched(GOOD), watched(`${GOOD}${GOOD}`)], given);
    assertEquals(looks, 48, given);
  }
});
