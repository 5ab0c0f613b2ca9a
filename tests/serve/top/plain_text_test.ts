/** Text for a terminal. */

import fc from "fast-check";
import {
  cut,
  fit,
  safe,
  safeJson,
  width,
} from "../../../serve/top/plain_text.ts";
import { assert, assertEquals } from "../../support/assert.ts";

Deno.test("safe() leaves letters of all scripts as they are", () => {
  for (const text of ["Tom", "日本語", "naïve", "🦕", "a b"]) {
    assertEquals(safe(text), text);
  }
});

Deno.test("safe() writes out what a terminal would obey, hide or turn around", () => {
  assertEquals(safe("\x1b[2Ja\r\n\x07"), "\\u{1b}[2Ja\\u{d}\\u{a}\\u{7}");
  assertEquals(safe("\x9b2J\x7f"), "\\u{9b}2J\\u{7f}");
  assertEquals(safe("a\u202eb\u200b\u2028"), "a\\u{202e}b\\u{200b}\\u{2028}");
  assertEquals(safe("\ud800"), "\\u{d800}");
});

Deno.test("safe() bounds what piles up on one letter, and the whole", () => {
  assertEquals(safe(`e${"\u0301".repeat(50)}`), "e\u0301\u0301\u0301");
  assertEquals(safe("x".repeat(10_000)).length, 400);
});

Deno.test("No control character passes safe() or safeJson(), and JSON means the same", () =>
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const control = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
    assert(!control.test(safe(text)));
    const json = safeJson({ text, "\x9b": 1 });
    assert(!control.test(json));
    assertEquals(JSON.parse(json), { text, "\x9b": 1 });
  })));

Deno.test("fit() fills exactly as many columns as it is told, also with wide letters", () => {
  assertEquals(fit("ab", 4), "ab  ");
  assertEquals(fit("ab", 4, { align: "right" }), "  ab");
  assertEquals(fit("日本語", 8), "日本語  ");
  assertEquals(fit("日本語", 5), "日本…");
  assertEquals(fit("日本語", 4), "日… ");
  assertEquals(fit("123456789", 5, { position: "middle" }), "12…89");
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      fc.integer({ min: 0, max: 30 }),
      (text, columns) => {
        assertEquals(width(fit(safe(text), columns)), columns);
        assert(width(cut(safe(text), columns)) <= columns);
      },
    ),
  );
});
