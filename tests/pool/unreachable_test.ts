/** Writes while a process is down: they reject, or resolve and are told later. */

import { Group, type Peer } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  type Cluster,
  type ClusterOptions,
  copyEverywhere,
  MIRROR_ALL,
  type Node,
  owedTo,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { settle } from "../support/time.ts";

const LATER = { unreachable: "later" } as const;

type Write = (node: Node, options?: typeof LATER) => Promise<void>;

const WRITES: Record<string, Write> = {
  set: ({ group }, options) => group.set("k", "new", options),
  remove: ({ group }, options) => group.remove("k", options),
  removeMany: ({ group }, options) => group.removeMany(["k", "l"], options),
  clear: ({ group }, options) => group.clear(options),
};

/** The node keeps its memory, and can be reached again afterwards. */
function restart({ network }: Cluster, { origin, pool }: Node): void {
  network.join(origin, pool.handler);
}

for (const [name, write] of Object.entries(WRITES)) {
  Deno.test(`${name}() with "later" resolves while a process is down, all others were told, and that one is told when it is back`, () =>
    withCluster(4, async (cluster) => {
      const [owner, dead, one, writer] = cluster.inOrder("k") as [
        Node,
        Node,
        Node,
        Node,
      ];
      await copyEverywhere(cluster);
      cluster.network.kill(dead.origin);
      await assertRejects(() => write(writer), AggregateError, dead.origin);
      await copyEverywhere(
        { ...cluster, nodes: [owner, one, writer] } as never,
      );
      await write(writer, LATER);
      const held = name === "set" ? "new" : undefined;
      assertEquals(owner.group.peek("k")?.text(), held);
      assertEquals(one.group.peek("k"), undefined);
      assertEquals(dead.group.peek("k")?.text(), "<k>");
      assert(owedTo(writer, dead) > 0);
      restart(cluster, dead);
      await cluster.clock.advance(20_000);
      assertEquals(dead.group.peek("k"), undefined);
      assertEquals(owedTo(writer, dead), 0);
    }, MIRROR_ALL));
}

Deno.test('A set() with "later" whose owner is down keeps the value nowhere, and the next get loads it', () =>
  withCluster(3, async (cluster) => {
    const [owner, one, writer] = cluster.inOrder("k") as [Node, Node, Node];
    await copyEverywhere(cluster);
    cluster.network.kill(owner.origin);
    await writer.group.set("k", "new", LATER);
    for (const { group } of [one, writer]) {
      assertEquals(group.peek("k"), undefined);
      assertEquals(await textOf(group.get("k")), "<k>");
    }
    assertEquals([one.loads, writer.loads], [["k"], []]);
    restart(cluster, owner);
    await cluster.clock.advance(20_000);
    assertEquals(owner.group.peek("k"), undefined);
  }, MIRROR_ALL));

Deno.test('A silent process holds up a write with "later" for timeoutMs, and after three of them not at all', () =>
  withCluster(3, async (cluster) => {
    const [silent, , writer] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.silence(silent.origin);
    for (let i = 0; i < 3; i++) {
      let told = false;
      const write = writer.group.remove("k", LATER).then(() => told = true);
      await cluster.clock.advance(4_999);
      assert(!told);
      await cluster.clock.advance(1);
      await write;
    }
    await writer.group.remove("k", LATER);
  }, { pool: { timeoutMs: 5_000 } }));

const DEFAULTS: Record<string, ClusterOptions> = {
  pool: { pool: LATER },
  group: { group: LATER },
  "group, against its pool's": {
    pool: { unreachable: "reject" },
    group: LATER,
  },
};

for (const [whose, options] of Object.entries(DEFAULTS)) {
  Deno.test(`Writes take unreachable: "later" from the options of the ${whose}, and a call may say otherwise`, () =>
    withCluster(3, async (cluster) => {
      const [dead, , writer] = cluster.inOrder("k") as [Node, Node, Node];
      cluster.network.kill(dead.origin);
      for (const write of Object.values(WRITES)) {
        await write(writer);
        await assertRejects(
          () => write(writer, { unreachable: "reject" } as never),
          AggregateError,
        );
      }
    }, options));
}

Deno.test('A write with "later" rejects where nobody would be told later: in a ring with Go, at a peer of another make, and after close()', async () => {
  await withCluster(2, async (cluster) => {
    for (const write of Object.values(WRITES)) {
      await assertRejects(
        () => write(cluster.nodes[0]!, LATER),
        AggregateError,
      );
    }
  }, { pool: { protocol: "geecache" } });
  const down = () => Promise.reject(new Error("down"));
  const peer: Peer = {
    id: "p",
    get: down,
    set: down,
    remove: down,
    clear: down,
  };
  const peers = { pickPeer: () => peer, peers: () => [peer] };
  const group = new Group("g", () => "v", { peers, ...LATER });
  await assertRejects(() => group.remove("k"), AggregateError, "p");
  const remembering = { ...peer, tellsLater: true };
  const sure = { pickPeer: () => remembering, peers: () => [remembering] };
  await new Group("g", () => "v", { peers: sure, ...LATER }).remove("k");
  await withCluster(2, async ({ network, nodes }) => {
    const [writer, silent] = nodes as [Node, Node];
    network.silence(silent.origin);
    const write = writer.group.remove("k", LATER);
    await settle();
    await writer.pool.close();
    await assertRejects(() => write, Error, "the group is closed");
  });
});

Deno.test("What is to be done about processes out of reach is one of two words", async () => {
  const rule = 'unreachable must be "reject" or "later": received "never"';
  const unreachable = "never" as "later";
  const group = new Group("g", () => "v");
  for (
    const [call, action] of [
      [
        () => new Group("g", () => "v", { unreachable }),
        'Cannot create Group "g"',
      ],
      [
        () => group.set("k", "v", { unreachable }),
        'Cannot set "k" of group "g"',
      ],
      [
        () => group.remove("k", { unreachable }),
        'Cannot remove keys of group "g"',
      ],
      [
        () => group.removeMany(["k"], { unreachable }),
        'Cannot remove keys of group "g"',
      ],
      [() => group.clear({ unreachable }), 'Cannot clear group "g"'],
    ] as [() => unknown, string][]
  ) {
    const error = await assertRejects(async () => await call(), TypeError);
    assertEquals(error.message, `${action}: ${rule}`);
  }
});
