/** Answers whose bodies do not end as they should: too late, or too early. */

import { createServer, type Socket } from "node:net";
import { HTTPPool } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { BATCH, fateOf } from "../support/batches.ts";
import { ownerAndAsker, withCluster } from "../support/cluster.ts";
import { settle } from "../support/time.ts";

const VALUE = { "Geecache-Result": "value", "Geecache-Batch": "1" };

Deno.test("An answer that drips a byte now and then ends after twelve times timeoutMs, and the key is loaded elsewhere", async () => {
  for (const length of [undefined, "1000000"]) {
    for (const meaning of [VALUE, BATCH]) {
      await withCluster(2, async (cluster) => {
        const { owner, asker } = ownerAndAsker(cluster);
        const { clock } = cluster;
        let cancelled = false;
        await cluster.network.fault(owner.origin, () => {
          const body = new ReadableStream<Uint8Array>({
            pull: async (controller) => {
              await new Promise<void>((run) => clock.after(4_000, run));
              if (!cancelled) controller.enqueue(new Uint8Array(1));
            },
            cancel: () => void (cancelled = true),
          }, { highWaterMark: 0 });
          const headers: Record<string, string> = { ...meaning };
          if (length !== undefined) headers["Content-Length"] = length;
          return new Response(body, { headers });
        });
        const fate = fateOf(asker.group.get("k"));
        if (meaning === VALUE) {
          await clock.advance(60_000);
          assertEquals(asker.loads, []);
        }
        await clock.advance(5_000);
        assertEquals([fate.value?.text(), asker.loads], ["<k>", ["k"]]);
        await settle();
        assert(meaning === BATCH || cancelled);
        await clock.advance(5_000);
      });
    }
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
        "HTTP/1.0 200 OK\r\nGeecache-Result: value\r\nGeecache-Batch: 1\r\n" +
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
