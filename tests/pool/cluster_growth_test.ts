/** Processes that come up one by one, and follow one name in DNS. */

import { dnsPeers, RendezvousHash } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { numberedKeys, withCluster } from "../support/cluster.ts";

const KEYS = numberedKeys(100);
const EVERY_MS = 5_000;

/** Numbers from 0 to less than 1 that are the same in every run (Park and Miller, 1988). */
function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = state * 48_271 % 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
}

type Answers = (
  chance: () => number,
  addresses: readonly string[],
) => readonly string[];

const whole: Answers = (_, addresses) => addresses;

/** What DNS answers: all addresses; a part of them now and then, or an error. */
const partial: Answers = (chance, addresses) => {
  const fate = chance();
  if (fate < 0.1) throw new Error("getaddrinfo EAI_AGAIN");
  return fate < 0.4 ? addresses.filter(() => chance() < 0.7) : addresses;
};

for (const first of [whole, partial]) {
  Deno.test(`With 24 processes that come up one by one and ${first.name} answers of DNS, no key is loaded more often than lists name owners, and once for all when they agree`, () =>
    withCluster(0, async (cluster) => {
      const { clock, nodes } = cluster;
      const chance = chanceOf(7);
      const addresses: string[] = [];
      const lists = new Map<string, readonly string[]>();
      let answers = first;
      const lookup = async () => {
        await Promise.resolve();
        return answers(chance, addresses).map((address) => ({ address }));
      };
      const askSome = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) {
          const { group } = nodes[Math.floor(chance() * nodes.length)]!;
          const key = KEYS[Math.floor(chance() * KEYS.length)]!;
          assertEquals((await group.get(key)).text(), `<${key}>`);
        }
      };
      for (let i = 1; i <= 24; i++) {
        addresses.push(`10.0.0.${i}`);
        const { pool, origin } = cluster.start(`http://10.0.0.${i}:8080`);
        // A process that knows no others is a list of its own.
        lists.set(origin, [origin]);
        const { setPeers } = pool;
        pool.setPeers = (urls) => {
          setPeers.call(pool, urls);
          lists.set(pool.stats().nodes.join(), pool.stats().nodes);
        };
        pool.follow(dnsPeers(
          { hostname: "cluster", port: 8080 },
          { lookup, clock, everyMs: EVERY_MS, random: chance },
        ));
        await clock.advance(1_000);
        await askSome(12);
      }
      const rings = [...lists.values()].map((list) => new RendezvousHash(list));
      assert(rings.length > 24);
      const before = cluster.loads;
      for (const key of KEYS) {
        const loads = before.filter((one) => one === key).length;
        const named = new Set(rings.map((ring) => ring.get(key)));
        assert(loads <= named.size, `${key}: ${loads} > ${named.size}`);
      }

      answers = whole;
      await clock.advance(2 * EVERY_MS);
      const agreed = new Set(nodes.map(({ pool }) => pool.stats().ring));
      assertEquals([agreed.size, nodes[0]!.pool.stats().nodes.length], [1, 24]);
      for (const node of nodes) node.loads.length = 0;
      for (const { group } of nodes) await group.getMany(KEYS);
      const { loads } = cluster;
      assertEquals(loads.length, new Set(loads).size);
    }, { pool: { handoverMs: 30_000 } }));
}
