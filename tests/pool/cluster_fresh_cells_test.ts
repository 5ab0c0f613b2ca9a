/**
 * Every cell of what memory has of a key, what a load of it comes to, and whence it is
 * asked: what the caller gets and after how long, and how many loads that takes. With
 * `FRESH_TABLE=1` in the environment it prints what it tried.
 */

import process from "node:process";
import {
  type Loaded,
  LoadError,
  NotFoundError,
  type ProtocolName,
} from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import {
  type Cluster,
  linkOf,
  type Node,
  openLink,
  ownerAndAsker,
  withCluster,
} from "../support/cluster.ts";
import { settle } from "../support/time.ts";

const TTL_MS = 10_000;
const REVALIDATE_MS = 20_000;
const ERROR_MS = 60_000;
const SOFT_MS = 200;
const SLOW_MS = 500;
const LIMIT_MS = 1_000;

/** What memory has, by how old it is when the key is asked for; `undefined`: no value. */
const STATES = {
  fresh: TTL_MS / 2,
  stale: TTL_MS + REVALIDATE_MS / 2,
  spare: TTL_MS + (REVALIDATE_MS + ERROR_MS) / 2,
  expired: TTL_MS + ERROR_MS,
  missing: undefined,
  absent: undefined,
} as const;
type State = keyof typeof STATES;

const LOADS = ["gives", "fails", "is slow", "never ends", "has none"] as const;
type Load = typeof LOADS[number];

const PLACES = ["here", "link", "GET", "stand-in", "Go"] as const;
type Place = typeof PLACES[number];

/** What the caller gets, after how many milliseconds, and what the loads were. */
type Outcome = [what: string, ms: number, loads: number];

function expected(state: State, load: Load, place: Place): Outcome {
  // Only an owner remembers what there is not.
  const has = state === "absent" && place === "stand-in" ? "missing" : state;
  switch (has) {
    case "fresh":
      return ["old", 0, 0];
    case "stale":
      return ["stale old", 0, 1];
    case "absent":
      return ["none", 0, 0];
    default: {
      const spares = has === "spare";
      const outcomes: Record<Load, [string, number]> = {
        "gives": ["new", 0],
        "fails": [spares ? "stale old" : "error", 0],
        "is slow": spares ? ["stale old", SOFT_MS] : ["new", SLOW_MS],
        "never ends": spares ? ["stale old", SOFT_MS] : ["error", LIMIT_MS],
        "has none": ["none", 0],
      };
      return [...outcomes[load], 1];
    }
  }
}

/** Asks, and lets time pass until there is an answer. */
async function ask({ clock }: Cluster, { group }: Node): Promise<Outcome> {
  const from = clock.now();
  let what: string | undefined;
  let ms = 0;
  group.getEntry("k").then(({ value, ttlMs }) => {
    // What is stale says so.
    what = ttlMs < 0 ? `stale ${value.text()}` : value.text();
    ms = clock.now() - from;
  }, (error) => {
    if (error instanceof NotFoundError) what = "none";
    else if (error instanceof Error) what = "error";
    ms = clock.now() - from;
  });
  await settle();
  while (what === undefined && clock.now() < from + 10_000) {
    await clock.advance(100);
  }
  // The load goes on until it ends.
  await clock.advance(2 * LIMIT_MS);
  return [`${what}`, ms, 0];
}

async function outcomeOf(
  state: State,
  load: Load,
  place: Place,
): Promise<Outcome> {
  const protocol: ProtocolName = place === "Go" ? "groupcache" : "native";
  let loads = 0;
  let outcome: Outcome | undefined;
  let next: () => Loaded | Promise<Loaded> = () => "old";
  const getter = () => () => {
    loads++;
    return next();
  };
  await withCluster(2, async (cluster) => {
    const { owner, asker: other } = ownerAndAsker(cluster);
    const { clock, network } = cluster;
    const asker = place === "here" ? owner : other;
    const holder = place === "stand-in" ? other : owner;
    if (place === "stand-in") {
      network.fault(owner.origin, () => {
        throw new TypeError("unreachable");
      });
    }
    if (state === "absent") {
      next = () => undefined;
      await holder.group.find("k");
    } else if (state !== "missing") {
      await holder.group.get("k");
      await clock.advance(STATES[state]!);
    }
    if (place === "link") await openLink(cluster, asker, owner);
    loads = 0;
    const results: Record<Load, () => Loaded | Promise<Loaded>> = {
      "gives": () => "new",
      "fails": () => Promise.reject(new LoadError("g", "k", "no db")),
      "is slow": () =>
        new Promise((resolve) => clock.after(SLOW_MS, () => resolve("new"))),
      "never ends": () => new Promise(() => {}),
      "has none": () => undefined,
    };
    next = results[load];
    const [what, ms] = await ask(cluster, asker);
    if (place === "link" && ms === 0) {
      // It was not asked for by a GET instead; idle links end.
      assertEquals(["open", "idle"].includes(linkOf(asker, owner)), true);
    }
    outcome = [what, ms, loads];
  }, {
    getter,
    pool: { protocol },
    group: {
      ttlMs: TTL_MS,
      staleWhileRevalidateMs: REVALIDATE_MS,
      staleIfErrorMs: ERROR_MS,
      negativeTtlMs: 10_000,
      softTimeoutMs: SOFT_MS,
      loadTimeoutMs: LIMIT_MS,
      mirrorTtlMs: 10 * ERROR_MS,
      shouldMirror: () => false,
    },
  });
  return outcome!;
}

for (const place of PLACES) {
  Deno.test(`Whatever memory has and a load comes to, callers get what docs/freshness.md says: ${place}`, async () => {
    const rows: string[] = [];
    for (const state of Object.keys(STATES) as State[]) {
      for (const load of LOADS) {
        const outcome = await outcomeOf(state, load, place);
        const cell = `${place} | ${state} | the load ${load}`;
        rows.push(`${cell} | ${outcome.join(" | ")}`);
        assertEquals(outcome, expected(state, load, place), cell);
      }
    }
    if (process.env.FRESH_TABLE) console.log(rows.join("\n"));
    assertEquals(rows.length, 30);
  });
}
