/** Answers whose bodies do not end as they should: too late, or too early. */

import { createServer, type Socket } from "node:net";
import { ByteView, HTTPPool } from "../../mod.ts";
import { encodeKeys } from "../../protocol/key_lists.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { fateOf } from "../support/batches.ts";
import { keysOwnedBy, ownerAndAsker, withCluster } from "../support/cluster.ts";
import { FakeClock, settle } from "../support/time.ts";

const VALUE = { "Geecache-Result": "value", "Geecache-Link": "1" };

Deno.test("An answer that drips a byte now and then ends after twelve times timeoutMs, and the key is loaded elsewhere", async () => {
  for (const length of [undefined, "1000000"]) {
    await withCluster(2, async (cluster) => {
      const { owner, asker } = ownerAndAsker(cluster);
      const { clock } = cluster;
      let cancelled = false;
      cluster.network.fault(owner.origin, () => {
        const body = new ReadableStream<Uint8Array>({
          pull: async (controller) => {
            await new Promise<void>((run) => clock.after(4_000, run));
            if (!cancelled) controller.enqueue(new Uint8Array(1));
          },
          cancel: () => void (cancelled = true),
        }, { highWaterMark: 0 });
        const headers: Record<string, string> = { ...VALUE };
        if (length !== undefined) headers["Content-Length"] = length;
        return new Response(body, { headers });
      });
      const fate = fateOf(asker.group.get("k"));
      await clock.advance(60_000);
      assertEquals(asker.loads, []);
      await clock.advance(5_000);
      assertEquals([fate.value?.text(), asker.loads], ["<k>", ["k"]]);
      await settle();
      assert(cancelled);
      await clock.advance(5_000);
    });
  }
});

/** A body whose second half comes 3 s after the first. */
function slowly(clock: FakeClock, bytes: Uint8Array) {
  return new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(bytes.slice(0, bytes.length / 2));
      await new Promise<void>((run) => clock.after(3_000, run));
      controller.enqueue(bytes.slice(bytes.length / 2));
      controller.close();
    },
  });
}

Deno.test("A value whose answer came slowly has only the rest of its ttlMs left", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = ownerAndAsker(cluster);
    const { clock } = cluster;
    const [key] = keysOwnedBy(cluster, owner, 1) as [string];
    await owner.group.set(key, "v", { ttlMs: 10_000 });
    await owner.group.set("k", "for ever");
    cluster.network.fault(owner.origin, async (_request, next) => {
      const answer = await next();
      const bytes = new Uint8Array(await answer.arrayBuffer());
      return new Response(slowly(clock, bytes), answer);
    });
    const gets = Promise.all(["k", key].map((key) => peer.get("g", key)));
    await clock.advance(3_000);
    assertEquals((await gets).map(({ ttlMs }) => ttlMs), [undefined, 7_000]);
    const late = peer.get("g", key);
    await clock.advance(3_000);
    assertEquals((await late).ttlMs, 4_000);
  }));

Deno.test("A value that was sent slowly has only the rest of its ttlMs left", async () => {
  const framed = encodeKeys(["k"], ByteView.from("value"));
  const requests: [path: string, method: string, body: Uint8Array][] = [
    ["g/k", "PUT", new TextEncoder().encode("value")],
    ["g", "POST", framed],
  ];
  for (const [path, method, body] of requests) {
    const clock = new FakeClock();
    const pool = new HTTPPool("http://a", { clock });
    pool.group("g", () => undefined);
    const headers = {
      "Geecache-Peer": "http://b",
      "Geecache-Method": "PUT",
      "Geecache-Ttl": "10000",
    };
    const init = { method, headers, body: slowly(clock, body), duplex: "half" };
    const put = pool.handler(new Request(`http://a/_geecache/${path}`, init));
    await clock.advance(3_000);
    assertEquals((await put).status, 204);
    const get = new Request("http://a/_geecache/g/k");
    const answer = await pool.handler(get);
    assertEquals(answer.headers.get("Geecache-Ttl"), "7000");
    assertEquals(await answer.text(), "value");
    await pool.close();
  }
});

Deno.test("A value that was cut short is no answer, though nothing on its way says how long it is", async () => {
  for (const bytes of [0, 1, 2, 3]) {
    await withCluster(2, async (cluster) => {
      const { owner, asker } = ownerAndAsker(cluster);
      cluster.network.fault(owner.origin, async (_request, next) => {
        const response = await next();
        const whole = new Uint8Array(await response.arrayBuffer());
        const { headers } = response;
        headers.delete("Content-Length");
        return new Response(whole.slice(0, bytes), { headers });
      });
      const value = await asker.group.get("k");
      assertEquals(value.text(), "<k>");
      assertEquals(asker.loads, bytes === 3 ? [] : ["k"]);
    });
  }
});

Deno.test("A value without any length is no answer", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker, peer } = ownerAndAsker(cluster);
    cluster.network.fault(
      owner.origin,
      () => new Response("cut", { headers: VALUE }),
    );
    assertEquals((await asker.group.get("k")).text(), "<k>");
    const error = await peer.get("g", "k").catch((error) => error);
    assert(`${error}`.includes("Geecache-Length is missing"), `${error}`);
  }));

Deno.test("An answer of HTTP/1.0 that ends where the connection broke is not taken as whole", async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.end(
        "HTTP/1.0 200 OK\r\nGeecache-Result: value\r\nGeecache-Link: 1\r\n" +
          "Geecache-Length: 5\r\n\r\nval",
      );
    });
  });
  await new Promise<void>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve())
  );
  const { port } = server.address() as { port: number };
  const pool = new HTTPPool("http://127.0.0.1:1");
  try {
    pool.setPeers([`http://127.0.0.1:${port}`]);
    const group = pool.group("g", () => "whole");
    assertEquals((await group.get("k")).text(), "whole");
  } finally {
    await pool.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});
