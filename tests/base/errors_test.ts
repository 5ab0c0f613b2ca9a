import fc from "fast-check";
import {
  lineOf,
  LoadError,
  NotFoundError,
  PeerError,
  quote,
} from "../../base/errors.ts";
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { CHARACTER } from "../support/text.ts";

const cause = new Error("the cause");

Deno.test("Each error class has its own name and extends Error", () => {
  const errors: [Error, string][] = [
    [new NotFoundError("g", "k"), "NotFoundError"],
    [new LoadError("g", "k", "m"), "LoadError"],
    [new PeerError("http://p", "m"), "PeerError"],
  ];
  const classes = [NotFoundError, LoadError, PeerError];
  errors.forEach(([error, name], i) => {
    assertEquals(error.name, name);
    assertStringIncludes(String(error), `${name}: `);
    assert(error instanceof Error);
    assertEquals(
      classes.map((one) => error instanceof one),
      classes.map((_, j) => i === j),
    );
  });
});

Deno.test("NotFoundError names group and key, and has them whole in its fields", () => {
  const key = "k".repeat(1000);
  const error = new NotFoundError("scores", key);
  assertEquals([error.group, error.key], ["scores", key]);
  assertStringIncludes(error.message, 'of group "scores": no such key');
  assert(error.message.length < 200);
});

Deno.test("LoadError has the message it is given, group, key and cause", () => {
  const error = new LoadError("scores", "Tom", "db is down", { cause });
  assertEquals(
    [error.message, error.group, error.key],
    ["db is down", "scores", "Tom"],
  );
  assertStrictEquals(error.cause, cause);
  // A cause of undefined counts: the getter may have thrown just that.
  assertEquals("cause" in new LoadError("g", "k", "m"), false);
  assertEquals(
    "cause" in new LoadError("g", "k", "m", { cause: undefined }),
    true,
  );
});

Deno.test("PeerError has peer, status and cause", () => {
  const error = new PeerError("http://p", "refused", { cause, status: 503 });
  assertEquals(
    [error.message, error.peer, error.status],
    ["refused", "http://p", 503],
  );
  assertStrictEquals(error.cause, cause);
  assertEquals(new PeerError("http://p", "silent").status, undefined);
});

Deno.test("quote() shows a text of up to 100 characters whole and cuts a longer one", () => {
  assertEquals(quote(""), '""');
  assertEquals(quote('a"\n\0'), '"a\\"\\n\\u0000"');
  assertEquals(quote("k".repeat(100)), `"${"k".repeat(100)}"`);
  assertEquals(quote("k".repeat(101)), `"${"k".repeat(100)}…"`);
});

Deno.test("quote() gives one well-formed line, cut within a character or not", () => {
  const text = fc.string({ unit: CHARACTER, minLength: 95, maxLength: 105 });
  for (const cut of ["k".repeat(99) + "😀😀", "\ud83d".repeat(200)]) {
    assert(quote(cut).isWellFormed());
  }
  fc.assert(fc.property(text, (text) => {
    assert(quote(text).isWellFormed());
    // Otherwise a key with a line break could forge lines of a log.
    assertEquals(/[\r\n]/.test(quote(text)), false);
  }));
});

Deno.test("lineOf() makes one short line of another program's text", () => {
  assertEquals(lineOf("no such\r\n\x1b[1m group"), "no such [1m group");
  assertEquals(lineOf("x".repeat(300)), "x".repeat(300));
  assertEquals(lineOf("x".repeat(70_000)), "x".repeat(300) + "…");
});
