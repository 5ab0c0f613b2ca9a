/**
 * What the page shows at one moment: made of what all nodes tell, and of what they told
 * a moment ago.
 *
 * @module
 */

import type { HTTPPool, PeerStats } from "../../mod.ts";
import type { NodeAction, NodeProcess, TrafficState } from "./controls.ts";
import {
  type Growth,
  Past,
  perSecond,
  placeOf,
  ratioOf,
  sumsOf,
} from "./growth.ts";
import { quantile } from "./latencies.ts";
import type { HotKey } from "./hottest.ts";
import type { Told } from "./nodes.ts";
import type { Ring, Shares } from "./shares.ts";
import type { NodeState, Totals } from "./state.ts";

/**
 * How a node is. `"returning"`: it answers, but the pool does not ask it yet.
 * `"silent"`: nothing comes, and nothing says that it has ended.
 */
export type Health = "up" | "returning" | "draining" | "silent" | "down";

/** A node as it is drawn. */
export interface NodeView {
  readonly origin: string;
  readonly health: Health;
  /** Whether it is the process that shows the page. */
  readonly self: boolean;
  readonly getsPerSecond: number | null;
  readonly loadsPerSecond: number | null;
  /** The part of the gets it counted, also those of other nodes, that it did not load. */
  readonly hitRatio: number | null;
  readonly items: number | null;
  readonly bytes: number | null;
  readonly maxBytes: number | null;
  /** Removals that it missed and is to be told. */
  readonly owed: number;
  /** Whether it has another list of nodes. */
  readonly ringDiffers: boolean;
  readonly link: string | null;
  readonly error: string | null;
  readonly process?: NodeProcess["process"];
  readonly can?: readonly NodeAction[];
}

/** A group, in all nodes together. */
export interface GroupView {
  readonly name: string;
  readonly getsPerSecond: number | null;
  readonly loadsPerSecond: number | null;
  readonly hitRatio: number | null;
  readonly items: number;
  readonly bytes: number;
  readonly maxBytes: number;
}

/** A point of all charts. `null`: there is nothing to show. */
export interface Point {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The part of gets that needed no load, from 0 to 1, during the last seconds. */
  readonly hitRatio: number | null;
  readonly gets: number;
  readonly loads: number;
  readonly questions: number;
  readonly loadP50: number | null;
  readonly loadP99: number | null;
  readonly peerP50: number | null;
  readonly peerP99: number | null;
  readonly bytes: number;
  readonly maxBytes: number;
}

/** Everything at one moment. */
export interface View {
  readonly point: Point;
  readonly nodes: readonly NodeView[];
  readonly ring: Shares;
  readonly name: string;
  /** Whether keys are shown, and may be asked for and removed. */
  readonly admin: boolean;
  readonly groups?: readonly string[];
  readonly groupViews?: readonly GroupView[];
  readonly hottest?: readonly (HotKey & { readonly owner: string })[];
  readonly traffic?: TrafficState;
}

/** What all processes told at one moment, by origin. */
export interface Sample {
  readonly at: number;
  readonly now: number;
  readonly told: ReadonlyMap<string, Told>;
}

/** How many of the hottest keys are shown. */
const HOTTEST = 8;

/** Makes views of samples. */
export class Viewer {
  readonly #pool: HTTPPool;
  readonly #ring: Ring;
  readonly #past = new Past();

  constructor(pool: HTTPPool, ring: Ring) {
    this.#pool = pool;
    this.#ring = ring;
  }

  view(
    { at, now, told }: Sample,
    admin: boolean,
    processes: readonly NodeProcess[] = [],
  ): View {
    const { self } = this.#pool;
    const stats = this.#pool.stats();
    const nodes = stats.nodes.length === 0 ? [self] : stats.nodes;
    const peers = new Map(stats.peers.map((peer) => [peer.id, peer]));
    const states = new Map<string, NodeState>();
    for (const [origin, { state }] of told) {
      if (state !== undefined) states.set(origin, state);
    }
    const growth = this.#past.grow(states, now);
    const away = new Set(
      stats.peers.filter(({ state }) => state !== "closed").map(({ id }) => id),
    );
    return {
      point: pointOf(at, growth, states),
      nodes: nodes.map((origin) =>
        nodeView(origin, {
          self,
          told: told.get(origin),
          peer: peers.get(origin),
          process: processes.find((each) => each.origin === origin),
          growth,
        })
      ),
      ring: this.#ring.shares(nodes, away),
      name: self,
      admin,
      ...(admin
        ? {
          groups: groupsOf(states),
          groupViews: groupViewsOf(states, growth),
          hottest: this.#hottest(states),
        }
        : {}),
    };
  }

  #hottest(
    states: ReadonlyMap<string, NodeState>,
  ): (HotKey & { owner: string })[] {
    return hottestOf(states).map((hot) => ({
      ...hot,
      owner: this.#pool.pickPeer(hot.key)?.id ?? this.#pool.self,
    }));
  }
}

function pointOf(
  at: number,
  growth: Growth,
  states: ReadonlyMap<string, NodeState>,
): Point {
  const { seconds } = growth;
  const origins = [...states.keys()];
  const now = sumsOf(growth.now, origins);
  const all = [...states.values()];
  const loadMs = all.map((state) => state.loadMs);
  const peerMs = all.map((state) => state.peerMs);
  const held = heldOf(all.map(({ totals }) => totals));
  return {
    at,
    hitRatio: ratioOf(sumsOf(growth.recent, origins)),
    gets: perSecond(now.gets, seconds) ?? 0,
    loads: perSecond(now.loads, seconds) ?? 0,
    questions: perSecond(now.questions, seconds) ?? 0,
    loadP50: quantile(loadMs, 0.5) ?? null,
    loadP99: quantile(loadMs, 0.99) ?? null,
    peerP50: quantile(peerMs, 0.5) ?? null,
    peerP99: quantile(peerMs, 0.99) ?? null,
    bytes: held.bytes,
    maxBytes: held.maxBytes,
  };
}

function heldOf(
  all: readonly Totals[],
): { items: number; bytes: number; maxBytes: number } {
  const sum = (name: "items" | "bytes" | "maxBytes"): number =>
    all.reduce((sum, totals) => sum + totals[name], 0);
  return {
    items: sum("items"),
    bytes: sum("bytes"),
    maxBytes: sum("maxBytes"),
  };
}

function groupViewsOf(
  states: ReadonlyMap<string, NodeState>,
  { seconds, now, recent }: Growth,
): GroupView[] {
  return groupsOf(states).map((name) => {
    const places = [...states.keys()].map((origin) => placeOf(origin, name));
    const grown = sumsOf(now, places);
    const told = [...states.values()].flatMap(({ groupTotals = [] }) =>
      groupTotals.filter((each) => each.name === name)
    );
    return {
      name,
      getsPerSecond: perSecond(grown.gets, seconds),
      loadsPerSecond: perSecond(grown.loads, seconds),
      hitRatio: ratioOf(sumsOf(recent, places)),
      ...heldOf(told.map(({ totals }) => totals)),
    };
  });
}

function nodeView(
  origin: string,
  { self, told, peer, process, growth }: {
    self: string;
    told: Told | undefined;
    peer: PeerStats | undefined;
    process: NodeProcess | undefined;
    growth: Growth;
  },
): NodeView {
  const totals = told?.state?.totals;
  const { seconds } = growth;
  const now = growth.now.get(origin);
  const recent = growth.recent.get(origin);
  const rate = (count: number | undefined): number | null =>
    totals === undefined ? null : perSecond(count ?? 0, seconds);
  return {
    origin,
    health: healthOf(told, peer, process),
    self: origin === self,
    getsPerSecond: rate(now?.gets),
    loadsPerSecond: rate(now?.loads),
    hitRatio: recent === undefined ? null : ratioOf(recent),
    items: totals?.items ?? null,
    bytes: totals?.bytes ?? null,
    maxBytes: totals?.maxBytes ?? null,
    owed: peer?.owed ?? 0,
    ringDiffers: peer?.ringDiffers ?? false,
    link: peer?.link ?? null,
    error: peer?.state === "open" ? peer.lastError ?? null : null,
    ...(process === undefined
      ? {}
      : { process: process.process, can: process.can }),
  };
}

function healthOf(
  told: Told | undefined,
  peer: PeerStats | undefined,
  process: NodeProcess | undefined,
): Health {
  if (process?.process === "frozen") return "silent";
  if (told?.state?.draining || peer?.state === "draining") return "draining";
  const isAsked = peer === undefined || peer.state === "closed";
  if (told?.state !== undefined) return isAsked ? "up" : "returning";
  // A node without a page is what the pool thinks of it.
  if (told === undefined || told.why === "strange") {
    return isAsked ? "up" : "down";
  }
  return told.why;
}

function groupsOf(states: ReadonlyMap<string, NodeState>): string[] {
  const groups = [...states.values()].flatMap(({ groups }) => groups ?? []);
  return [...new Set(groups)];
}

/** What all nodes were asked for most. */
function hottestOf(states: ReadonlyMap<string, NodeState>): HotKey[] {
  const sums = new Map<string, HotKey>();
  for (const { hottest = [] } of states.values()) {
    for (const { group, key, count } of hottest) {
      const before = sums.get(`${group}/${key}`)?.count ?? 0;
      sums.set(`${group}/${key}`, { group, key, count: before + count });
    }
  }
  return [...sums.values()].sort((a, b) => b.count - a.count)
    .slice(0, HOTTEST);
}
