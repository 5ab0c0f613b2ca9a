/** A pool that asks a peer made by hand. */

import {
  type Group,
  HTTPPool,
  type HTTPPoolOptions,
  type Peer,
} from "../../mod.ts";
import { assertEquals } from "./assert.ts";
import { PeerByHand, type ServedByHand } from "./links.ts";
import { SILENT } from "./logger.ts";
import { FakeClock, settle } from "./time.ts";

type Stats = ReturnType<HTTPPool["stats"]>["peers"][number];

/** A pool whose one peer, made by hand, owns all keys. */
export interface Asking {
  readonly clock: FakeClock;
  readonly pool: HTTPPool;
  readonly hand: PeerByHand;
  /** The peer as the pool asks it. */
  readonly peer: Peer;
  /** What a group gets that the peer does not answer: the pool loads it itself. */
  readonly group: Group;
  /** The keys that the pool loaded itself. */
  readonly loads: string[];
  stats(): Stats;
  /** Asks until there is a link, and gives it. */
  open(): Promise<ServedByHand>;
}

/** Runs a pool and its peer, closes the pool, and checks that no timer is left. */
export async function withHand(
  run: (asking: Asking) => Promise<void>,
  options: HTTPPoolOptions = {},
): Promise<void> {
  const clock = new FakeClock();
  const hand = new PeerByHand();
  const pool = new HTTPPool("http://asker", {
    clock,
    random: () => 0,
    handoverMs: 0,
    logger: SILENT,
    fetch: hand.fetch,
    ...options,
  });
  pool.setPeers(["http://peer"]);
  const loads: string[] = [];
  const group = pool.group("g", (key) => {
    loads.push(key);
    return `own ${key}`;
  });
  const [peer] = [...pool.peers()] as [Peer];
  const stats = () => pool.stats().peers[0]!;
  const open = async (): Promise<ServedByHand> => {
    for (let i = 0; i < 3 && stats().link !== "open"; i++) {
      await peer.get("g", `opens-${i}`);
      await settle();
    }
    assertEquals(stats().link, "open");
    return hand.link;
  };
  try {
    await run({ clock, pool, hand, peer, group, loads, stats, open });
  } finally {
    await pool.close();
  }
  await settle();
  assertEquals(clock.pending, 0, "timers are left over");
}
