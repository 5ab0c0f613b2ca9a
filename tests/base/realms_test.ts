/**
 * What another realm made, as in Jest or `node:vm`, and what another copy of this
 * package made.
 */

import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import {
  BusyError,
  ByteView,
  Group,
  HTTPPool,
  type Loaded,
  LoadError,
  NotFoundError,
  PeerError,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";

/** A second copy of a file of the library, which imports nothing. */
async function copyOf<T>(name: string): Promise<T> {
  // Node 20 runs the tests compiled.
  const { url } = import.meta;
  const file = name + url.slice(url.lastIndexOf("."));
  const folder = await mkdtemp(join(tmpdir(), "geecache-"));
  try {
    await writeFile(join(folder, "package.json"), '{"type":"module"}');
    await copyFile(new URL(`../../base/${file}`, url), join(folder, file));
    return await import(pathToFileURL(join(folder, file)).href);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What `get()` gives of a getter that runs `code` in another realm. */
function getFrom(code: string): Promise<ByteView> {
  const getter = runInNewContext(`(key) => ${code}`);
  return new Group("g", getter as () => Loaded).get("k");
}

Deno.test("A getter may answer with what another realm made", async () => {
  for (
    const code of [
      `({ value: "v", ttlMs: 1000 })`,
      `({ value: new Uint8Array([118]) })`,
      `Object.assign(Object.create(null), { value: "v" })`,
      `new Uint8Array([118])`,
      `Promise.resolve("v")`,
    ]
  ) assertEquals((await getFrom(code)).text(), "v", code);
  // An object of a class is no envelope there either.
  await assertRejects(
    () => getFrom(`new (class { value = "v" })()`),
    TypeError,
    "the value must be",
  );
});

Deno.test("An error of another realm reaches the caller as it is, and a peer with its message", async () => {
  const other = runInNewContext(`
    class Down extends TypeError {}
    [new Error("down"), new Down("down"), new AggregateError([], "down")]
  `) as Error[];
  for (const error of [...other, new DOMException("down")]) {
    const pool = new HTTPPool("http://localhost:9999");
    const group = pool.group("g", () => Promise.reject(error));
    const caught = await group.get("k").catch((error) => error);
    assertStrictEquals(caught, error);
    const answer = await pool.handler(
      new Request("http://localhost:9999/_geecache/g/k"),
    );
    assertEquals([answer.status, await answer.text()], [500, "down\n"]);
    await pool.close();
  }
});

Deno.test("A getter whose error has no readable message fails alone", async () => {
  const errors = [
    Object.assign(new Error(), { message: 5 }),
    Object.defineProperty(new Error(), "message", {
      get: () => {
        throw new Error("no message");
      },
    }),
    Object.create(null),
  ];
  for (const [i, expected] of ["5\n", "[object Error]\n"].entries()) {
    const pool = new HTTPPool("http://localhost:9999");
    pool.group("g", () => Promise.reject(errors[i]));
    const answer = await pool.handler(
      new Request("http://localhost:9999/_geecache/g/k"),
    );
    assertEquals([answer.status, await answer.text()], [500, expected]);
    await pool.close();
  }
  const group = new Group("g", () => Promise.reject(errors[2]));
  await assertRejects(() => group.get("k"), LoadError, "[object Object]");
});

Deno.test("A view of another copy of the package is a value", async () => {
  const copy = await copyOf<{ ByteView: typeof ByteView }>("byte_view");
  assert(copy.ByteView !== ByteView);
  for (const text of ["v", "v".repeat(1_000)]) {
    const view = copy.ByteView.from(text);
    assertEquals(ByteView.from(view).text(), text);
    assert(ByteView.from(text).equals(view));
    const group = new Group("g", () => ({ value: view }));
    assertEquals((await group.get("k")).text(), text);
    await group.set("k2", view);
    assertEquals(group.peek("k2")?.text(), text);
  }
});

Deno.test("An error of another copy of the package is an instance of its class", async () => {
  const copy = await copyOf<
    {
      NotFoundError: typeof NotFoundError;
      LoadError: typeof LoadError;
      PeerError: typeof PeerError;
      BusyError: typeof BusyError;
    }
  >("errors");
  assert(copy.NotFoundError !== NotFoundError);
  const pairs: [Error, new (...args: never[]) => Error][] = [
    [new copy.NotFoundError("g", "k"), NotFoundError],
    [new copy.LoadError("g", "k", "down"), LoadError],
    [new copy.PeerError("http://p", "down"), PeerError],
    [new copy.BusyError("busy"), BusyError],
  ];
  for (const [error, kind] of pairs) {
    assertEquals(
      pairs.map(([, other]) => error instanceof other),
      pairs.map(([, other]) => other === kind),
    );
    assertEquals({ name: kind.name } instanceof kind, false);
  }
  class Own extends NotFoundError {}
  assertEquals(
    [
      new Own("g", "k") instanceof NotFoundError,
      new NotFoundError("g", "k") instanceof Own,
      new Own("g", "k") instanceof Own,
    ],
    [true, false, true],
  );
  const group = new Group("g", (key) => {
    throw new copy.NotFoundError("g", key);
  });
  assertEquals(await group.find("k"), undefined);
});

Deno.test("A logger that rejects as another realm does disturbs nothing", async () => {
  let calls = 0;
  const reject = runInNewContext("() => Promise.reject(new Error('full'))");
  const write = (): void => {
    calls++;
    return reject();
  };
  const logger = { debug: write, info: write, warn: write, error: write };
  const pool = new HTTPPool("http://a", { logger });
  pool.setPeers(["http://b"]);
  assertEquals(calls, 1);
  await pool.close();
  // The runtime reports rejections that nobody handles before the next timer.
  await new Promise((resolve) => setTimeout(resolve));
});
