/** Values with headers in front of them. */

import { ByteView } from "../../../mod.ts";
import { unwrap, wrap } from "../../../serve/sources/wrapped.ts";
import { assertEquals } from "../../support/assert.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("What was wrapped comes back, headers and bytes", () => {
  for (
    const [headers, body] of [
      [{}, ""],
      [{}, "\n\n"],
      [{ "content-type": "text/plain" }, "a: b\n\nc"],
      [{ etag: 'W/"é: x"', "content-type": "a/b; c=d" }, "\0\xff"],
    ] as [Record<string, string>, string][]
  ) {
    const value = ByteView.from(wrap(new Headers(headers), [bytes(body)]));
    const found = unwrap(value);
    assertEquals(Object.fromEntries(found.headers), headers);
    assertEquals(found.body.bytes(), bytes(body));
  }
});

Deno.test("A value that is not wrapped is its own body", () => {
  for (const text of ["", "630", "no header\n\nx", "a: b\n", "a: b"]) {
    const { headers, body } = unwrap(ByteView.from(text));
    assertEquals([[...headers].length, body.text()], [0, text]);
  }
});
