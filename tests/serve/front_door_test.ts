/** The front door, without a server. */

import { ByteView, Group, type Loaded } from "../../mod.ts";
import { askedOf, frontDoor, shownOf } from "../../serve/front_door.ts";
import type { GroupSettings } from "../../serve/groups.ts";
import { UnderWay } from "../../serve/handlers.ts";
import { readSettings } from "../../serve/config.ts";
import { wrap } from "../../serve/sources/wrapped.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { gate, settle } from "../support/time.ts";

const QUERY = "a.db#select v from t where k = ?";

/** The settings of a group, with other flags beside it. */
async function settingsOf(
  group: string,
  ...flags: string[]
): Promise<GroupSettings> {
  const args = ["--group", group, ...flags];
  return (await readSettings(args, {}, () => "")).groups[0]!;
}

type Load = (key: string) => Loaded | Promise<Loaded>;

/** A front door to groups, each with its settings and its getter. */
function doorOf(...groups: [GroupSettings, Load][]) {
  const underWay = new UnderWay();
  const open = groups.map(([settings, load]) => {
    const { name, ttlMs, negativeTtlMs } = settings;
    const group = new Group(name, load, { ttlMs, negativeTtlMs });
    return { settings, group };
  });
  const heard: string[] = [];
  const door = frontDoor({
    groups: open,
    underWay,
    asked: (group, key) => heard.push(`${group}/${key}`),
  });
  const ask = async (path: string, init?: RequestInit) => {
    const answer = await door(
      new Request(`http://localhost:9999${path}`, init),
    );
    if (answer === undefined) return undefined;
    const { status, headers } = answer;
    return { status, headers, text: await answer.text() };
  };
  return { ask, underWay, heard };
}

Deno.test("A path asks for a key of the first group or of any", () => {
  const asked = (path: string) =>
    askedOf(new URL(`http://localhost${path}`), "first");
  const key = (group: string, key: string) => ({ group, key });
  for (
    const [path, what] of [
      ["/api?key=Tom", key("first", "Tom")],
      ["/api/?key=Tom", key("first", "Tom")],
      ["/api/items/Tom", key("items", "Tom")],
      ["/api/items/a/b", key("items", "a/b")],
      ["/api/items/a%2Fb%20c", key("items", "a/b c")],
      ["/api/items/a//b/", key("items", "a//b/")],
      ["/api/items?key=..", key("items", "..")],
      ["/api/items/?key=x", key("items", "x")],
      ["/api/it%20ems/x", key("it ems", "x")],
      ["/apis", undefined],
      ["/", undefined],
      ["/_geecache/items/x", undefined],
    ] as const
  ) assertEquals(asked(path), what as ReturnType<typeof asked>, path);
  for (const path of ["/api", "/api?key=", "/api/items", "/api/items/"]) {
    assertEquals(asked(path), { fault: "key is required", status: 400 });
  }
  const { fault } = asked("/api/items/%ff") as { fault: string };
  assertEquals(fault, "the path is not percent-encoded UTF-8");
});

Deno.test("The front door tells of each key that it is asked for, and of nothing else", async () => {
  const { ask, heard } = doorOf([await settingsOf(`rows=${QUERY}`), () => "v"]);
  for (
    const path of ["/api?key=a", "/api/rows/b", "/api", "/api/none/c", "/other"]
  ) await ask(path);
  await ask("/api?key=d", { method: "POST" });
  assertEquals(heard, ["rows/a", "rows/b"]);
});

Deno.test("A value of an HTTP source has its type, its life, and a tag of its own", async () => {
  const { ask } = doorOf([
    await settingsOf("items=http://a/{key}"),
    () => ({
      value: wrap(
        new Headers({
          "Content-Type": "text/plain",
          "ETag": '"of the source"',
          "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT",
          "Cache-Control": "stale-while-revalidate=30",
        }),
        [new TextEncoder().encode("6"), new TextEncoder().encode("30")],
      ),
      ttlMs: 60_500,
    }),
  ]);
  const { status, headers, text } = (await ask("/api/items/Tom"))!;
  assertEquals([status, text], [200, "630"]);
  assertEquals(headers.get("Content-Type"), "text/plain");
  assertEquals(
    headers.get("Cache-Control"),
    "max-age=60, stale-while-revalidate=30, stale-if-error=300",
  );
  assertEquals(headers.get("Content-Security-Policy"), "sandbox");
  assertEquals(headers.get("X-Content-Type-Options"), "nosniff");
  assertEquals(headers.get("Last-Modified"), "Mon, 01 Jan 2024 00:00:00 GMT");
  const tag = headers.get("ETag")!;
  assert(tag !== '"of the source"');
  const again = await ask("/api/items/Tom", {
    headers: { "If-None-Match": tag },
  });
  assertEquals([again!.status, again!.text], [304, ""]);
});

Deno.test("A value of a database that never expires is asked for each time", async () => {
  const { ask } = doorOf(
    [await settingsOf(`a=${QUERY}`, "--content-type", "text/plain"), () => "1"],
    [await settingsOf(`b=${QUERY}`, "--ttl", "60s"), () => "2"],
  );
  const { headers } = (await ask("/api/a/x"))!;
  assertEquals(headers.get("Cache-Control"), "no-cache");
  assertEquals(headers.get("Content-Type"), "text/plain");
  const b = (await ask("/api/b/x"))!;
  assert(/^max-age=(59|60)$/.test(b.headers.get("Cache-Control")!));
});

Deno.test("A copy of a value that never expires is asked for each time, too", async () => {
  // The copy itself has an end, and nobody tells HTTP caches of a removal.
  const value = ByteView.from("1");
  const headersOf = async (...flags: string[]) =>
    new Headers(
      shownOf({ value }, await settingsOf(`a=${QUERY}`, ...flags)).headers,
    );
  const headers = await headersOf();
  assertEquals(headers.get("Cache-Control"), "no-cache");
  assertEquals(headers.get("Content-Security-Policy"), "sandbox");
  assertEquals((await headersOf("--ttl", "1s")).get("Cache-Control"), null);
});

Deno.test("The windows of the settings are told where a source says nothing", async () => {
  const flags = ["--stale-while-revalidate", "5s", "--stale-if-error", "1h"];
  for (const group of ["items=http://a/{key}", `items=${QUERY}`]) {
    const value = ByteView.from("\n630");
    const shown = shownOf({ value }, await settingsOf(group, ...flags));
    assertEquals(shown.staleWhileRevalidateMs, 5_000);
    assertEquals(shown.staleIfErrorMs, 3_600_000);
  }
});

Deno.test("A client is told that a load failed, and not why", async () => {
  const { ask } = doorOf(
    [
      await settingsOf("items=http://a/{key}", "--negative-ttl", "5s"),
      (key) => {
        if (key === "none") return undefined;
        throw new Error("the source has a secret name");
      },
    ],
  );
  const failed = (await ask("/api/items/x"))!;
  assertEquals([failed.status, failed.text], [500, "Internal Server Error\n"]);
  const none = (await ask("/api/items/none"))!;
  assertEquals([none.status, none.headers.get("Cache-Control")], [
    404,
    "max-age=5",
  ]);
});

Deno.test("The demo tells its clients what went wrong, as it always did", async () => {
  const [scores] = (await readSettings([], {}, () => "")).groups;
  const { ask } = doorOf([scores!, (key) => {
    throw new Error(`${key} not exist`);
  }]);
  const { status, text } = (await ask("/api?key=kkk"))!;
  assertEquals([status, text], [500, "kkk not exist\n"]);
});

Deno.test("A group that is not there is a 404, and other methods are refused", async () => {
  const { ask } = doorOf([await settingsOf("items=http://a/{key}"), () => "1"]);
  const none = (await ask("/api/other/x"))!;
  assertEquals([none.status, none.text], [404, 'no such group: "other"\n']);
  const post = (await ask("/api/items/x", { method: "POST" }))!;
  assertEquals([post.status, post.headers.get("Allow")], [405, "GET, HEAD"]);
  assertEquals(await ask("/elsewhere"), undefined);
});

Deno.test("A door that closes finishes what it has begun, and takes no more", async () => {
  const opened = gate<string>();
  const { ask, underWay } = doorOf([
    await settingsOf("items=http://a/{key}"),
    () => opened.opened,
  ]);
  const first = ask("/api/items/x");
  await settle();
  let isOver = false;
  const over = underWay.close().then(() => isOver = true);
  const late = (await ask("/api/items/x"))!;
  assertEquals([late.status, late.headers.get("Connection")], [503, "close"]);
  await settle();
  assert(!isOver);
  opened.open("1");
  assertEquals((await first)!.status, 200);
  await over;
});
