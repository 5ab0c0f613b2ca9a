/** What a getter throws is a failed load, whatever class the error is of. */

import { BusyError, NotFoundError, PeerError } from "../../mod.ts";
import { assertEquals, assertStrictEquals } from "../support/assert.ts";
import { keysOwnedBy, ownerAndAsker, withCluster } from "../support/cluster.ts";

const ERRORS: readonly Error[] = [
  new BusyError("another group is busy"),
  new NotFoundError("another group", "k"),
  new NotFoundError("g", "another key"),
  new PeerError("http://elsewhere", "about to close", { status: 503 }),
  new PeerError("http://elsewhere", "busy", { cause: new BusyError("busy") }),
];

Deno.test("A BusyError, PeerError or NotFoundError that a getter throws is a failed load, and the getter is called once", async () => {
  for (const error of ERRORS) {
    // One key alone, and keys that travel together.
    for (const count of [1, 9]) {
      await withCluster(3, async (cluster) => {
        const { owner, asker } = ownerAndAsker(cluster);
        const mine = keysOwnedBy(cluster, owner, count);
        const getting = asker.group.getMany(mine);
        await cluster.clock.advance(20_000);
        for (const answer of (await getting).values()) {
          assertEquals(
            [(answer as Error).name, (answer as Error).message],
            ["LoadError", error.message],
          );
        }
        assertEquals([owner.loads.length, asker.loads.length], [
          mine.length,
          0,
        ]);
        const own = await owner.group.get("k").catch((error) => error);
        assertStrictEquals(own, error);
        assertEquals(cluster.loads.length, mine.length + 1);
      }, { getter: () => () => Promise.reject(error) });
    }
  }
});

Deno.test("A getter may say itself that its group has no such key", () =>
  withCluster(2, async (cluster) => {
    const { asker } = ownerAndAsker(cluster);
    const error = await asker.group.get("k").catch((error) => error);
    assertEquals([error.name, error.key], ["NotFoundError", "k"]);
    assertEquals(await asker.group.find("k"), undefined);
  }, { getter: () => (key) => Promise.reject(new NotFoundError("g", key)) }));
