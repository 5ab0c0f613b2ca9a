/** Whether a process lives, and whether it should get requests. */

import { health, type Surroundings, unready } from "../../serve/health.ts";
import { assertEquals } from "../support/assert.ts";

const SELF = "http://a:1";
const READY: Surroundings = {
  started: true,
  stopping: false,
  self: SELF,
  nodes: [],
  isMember: false,
  minPeers: 0,
};

Deno.test("A process is ready unless it starts, stops, or stands where it should not", () => {
  const member = { isMember: true, minPeers: 1 };
  for (
    const [what, reason] of [
      [{}, undefined],
      [{ started: false }, "starting"],
      [{ stopping: true }, "stopping"],
      [{ started: false, stopping: true }, "stopping"],
      [
        { ...member },
        "alone: 0 of at least 1 other nodes are in the list",
      ],
      [
        { ...member, nodes: [SELF] },
        "alone: 0 of at least 1 other nodes are in the list",
      ],
      [{ ...member, nodes: [SELF, "http://b:1"] }, undefined],
      [
        { ...member, nodes: ["http://b:1", "http://c:1"] },
        "outside: http://a:1 is not in its own list of 2 nodes",
      ],
      [
        { ...member, minPeers: 2, nodes: [SELF, "http://b:1"] },
        "alone: 1 of at least 2 other nodes are in the list",
      ],
      [{ isMember: true, nodes: [SELF] }, undefined],
    ] as [Partial<Surroundings>, string | undefined][]
  ) assertEquals(unready({ ...READY, ...what }), reason);
});

Deno.test("/healthz is 200 while the process runs, and /readyz 503 with the reason", async () => {
  let surroundings: Surroundings = { ...READY, started: false };
  const handler = health(() => surroundings);
  const ask = async (path: string, method = "GET") => {
    const request = new Request(`http://localhost${path}`, { method });
    const answer = await handler(request);
    return answer && [answer.status, await answer.text()];
  };
  assertEquals(await ask("/healthz"), [200, "ok\n"]);
  assertEquals(await ask("/readyz"), [503, "starting\n"]);
  surroundings = READY;
  assertEquals(await ask("/readyz"), [200, "ok\n"]);
  assertEquals((await ask("/readyz", "POST"))![0], 405);
  assertEquals(await ask("/other"), undefined);
});
