/** Links over real sockets: two pools in one process, with Deno.serve. */

import { type ByteView, HTTPPool } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { gate } from "../support/time.ts";

Deno.test("500 concurrent gets over real sockets all get the right value, loaded once, slow ones included", async () => {
  const requests: string[] = [];
  const loads: string[] = [];
  const slow = gate();
  const nodes = [0, 1].map(() => {
    const late: { pool?: HTTPPool } = {};
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => {
        requests.push(request.method);
        return late.pool!.handler(request);
      },
    );
    const pool = new HTTPPool(`http://127.0.0.1:${server.addr.port}`);
    late.pool = pool;
    const group = pool.group("g", async (key) => {
      loads.push(key);
      if (key.startsWith("slow")) await slow.opened;
      return `<${key}>`;
    });
    return { server, pool, group };
  });
  const [a] = nodes as [typeof nodes[number]];
  const origins = nodes.map(({ pool }) => pool.self);
  for (const { pool } of nodes) pool.setPeers(origins);
  try {
    const remote = ({ pool }: typeof a, count: number, prefix: string) => {
      const keys: string[] = [];
      for (let i = 0; keys.length < count; i++) {
        const key = `${prefix}-${i}`;
        if (pool.pickPeer(key) !== undefined) keys.push(key);
      }
      return keys;
    };
    // Each node asks the other until there is a link.
    for (const node of nodes) {
      const keys = remote(node, 1_000, "shown");
      const isOpen = () => node.pool.stats().peers[0]!.link === "open";
      while (!isOpen()) await node.group.get(keys.pop()!);
    }
    requests.length = 0;
    loads.length = 0;
    const asks: [typeof a, string][] = [];
    for (const node of nodes) {
      for (const key of remote(node, 200, "key")) asks.push([node, key]);
      for (const key of remote(node, 50, "slow")) asks.push([node, key]);
    }
    const gets = asks.map(([{ group }, key]) => group.get(key));
    const quick = (_: unknown, i: number) => !asks[i]![1].startsWith("slow");
    // The quick ones do not wait for the slow ones.
    await Promise.all(gets.filter(quick));
    slow.open();
    const values: ByteView[] = await Promise.all(gets);
    assertEquals(
      values.map((value) => value.text()),
      asks.map(([, key]) => `<${key}>`),
    );
    assertEquals([...loads].sort(), asks.map(([, key]) => key).sort());
    // Everything went over the two links.
    assertEquals(requests, []);
    assertEquals(nodes.map(({ pool }) => pool.stats().links), [1, 1]);
  } finally {
    for (const { pool } of nodes) await pool.close();
    for (const { server } of nodes) await server.shutdown();
  }
});
