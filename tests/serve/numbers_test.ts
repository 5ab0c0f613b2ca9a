import { HTTPPool } from "../../mod.ts";
import { numbers } from "../../serve/numbers.ts";
import { assertEquals, assertMatch } from "../support/assert.ts";

Deno.test("/metrics has the pool's numbers, and loads are timed from the start", async () => {
  const pool = new HTTPPool("http://a:1");
  const handler = numbers(pool);
  await pool.group("g", () => "v").get("k");
  const ask = async (path: string, method = "GET") =>
    await handler(new Request(`http://a:1${path}`, { method }));
  const page = (await ask("/metrics"))!;
  assertEquals(
    page.headers.get("Content-Type"),
    "text/plain; version=0.0.4; charset=utf-8",
  );
  assertEquals(page.headers.get("Cache-Control"), "no-store");
  assertMatch(
    await page.text(),
    /^geecache_load_duration_seconds_count\{group="g"\} 1$/m,
  );
  assertEquals((await ask("/metrics", "POST"))!.status, 405);
  assertEquals(await ask("/metrics/other"), undefined);
  await pool.close();
});
