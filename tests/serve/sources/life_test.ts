/** How long a response of an HTTP source lives. */

import { lifeOf } from "../../../serve/sources/life.ts";
import { assert, assertEquals } from "../../support/assert.ts";

const life = (control: string, more: Record<string, string> = {}) =>
  lifeOf(
    new Headers({ ...(control && { "Cache-Control": control }), ...more }),
  );

const NONE = { ttlMs: 0 };
const NO_WINDOWS = { staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };

Deno.test("A response without a life leaves it to the group", () => {
  assertEquals(life(""), {});
  assertEquals(life("public"), {});
  // A date of change says nothing of the next one.
  const changed = { "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT" };
  assertEquals(life("", changed), {});
});

Deno.test("s-maxage comes before max-age, and that before Expires, less Age", () => {
  const now = Date.now();
  const dates = {
    "Date": new Date(now).toUTCString(),
    "Expires": new Date(now + 30_000).toUTCString(),
  };
  assertEquals(life("max-age=60, s-maxage=90", dates), { ttlMs: 90_000 });
  assertEquals(life("max-age=60", dates), { ttlMs: 60_000 });
  assertEquals(life("Max-Age=60"), { ttlMs: 60_000 });
  assertEquals(life("", dates), { ttlMs: 30_000 });
  assertEquals(life("max-age=60", { Age: "20" }), { ttlMs: 40_000 });
  assertEquals(life("max-age=60", { Age: "80" }), NONE);
  assertEquals(life("", { Expires: "0" }), NONE);
});

Deno.test("What a shared cache may not keep is not kept, whatever else it says", () => {
  for (const no of ["no-store", "no-cache", "private", "No-Store"]) {
    assertEquals(life(`${no}, max-age=60, stale-if-error=60`), NONE);
  }
  assertEquals(life("max-age=60", { Vary: "*" }), NONE);
  assertEquals(life("max-age=60", { Vary: "Accept, *" }), NONE);
  assertEquals(life("max-age=60", { "Set-Cookie": "a=b" }), NONE);
  const open = life("public, max-age=60", { "Set-Cookie": "a=b" });
  assertEquals(open, { ttlMs: 60_000 });
});

Deno.test("The windows of RFC 5861 are those of the value", () => {
  assertEquals(
    life("max-age=60, stale-while-revalidate=30, stale-if-error=90"),
    { ttlMs: 60_000, staleWhileRevalidateMs: 30_000, staleIfErrorMs: 90_000 },
  );
  assertEquals(life("stale-if-error=90"), { staleIfErrorMs: 90_000 });
  assertEquals(life("max-age=60, stale-if-error=x"), { ttlMs: 60_000 });
});

Deno.test("A number that is none says nothing, and one that is too large is the largest", () => {
  const most = 2 ** 31 * 1000;
  assertEquals(life("max-age=99999999999999999999999"), { ttlMs: most });
  assertEquals(life("max-age=60", { Age: "-99999999999" }), { ttlMs: 60_000 });
  for (const seconds of ["1e-7", "1e999", "-1", "0x10", ""]) {
    const control = `max-age=60, stale-while-revalidate=${seconds}`;
    assertEquals(life(control), { ttlMs: 60_000 });
  }
  assertEquals(
    life("max-age=60, stale-while-revalidate=9999999999999999999999"),
    { ttlMs: 60_000, staleWhileRevalidateMs: most },
  );
});

Deno.test("A value that is stale at once is kept if it has a window", () => {
  const { ttlMs, staleWhileRevalidateMs } = life(
    "max-age=0, stale-while-revalidate=30",
  );
  assertEquals(staleWhileRevalidateMs, 30_000);
  assert(ttlMs! > 0 && ttlMs! < 1000);
});

Deno.test("must-revalidate and proxy-revalidate end the windows of the settings, too", () => {
  for (const must of ["must-revalidate", "proxy-revalidate"]) {
    assertEquals(life(`max-age=60, ${must}, stale-if-error=90`), {
      ttlMs: 60_000,
      ...NO_WINDOWS,
    });
  }
});
