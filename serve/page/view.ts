/**
 * What the page shows at one moment: made of what all nodes tell, and of what they told
 * a moment ago.
 *
 * @module
 */

import type { HTTPPool, PeerStats } from "../../mod.ts";
import type { NodeAction, NodeProcess, TrafficState } from "./controls.ts";
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
  readonly hottest?: readonly (HotKey & { readonly owner: string })[];
  readonly traffic?: TrafficState;
}

/** What all processes told at one moment, by origin. */
export interface Sample {
  readonly at: number;
  readonly now: number;
  readonly told: ReadonlyMap<string, Told>;
}

/** Over how long rates go, at least: a sample may follow another one at once. */
const RATE_MS = 900;
/** Over how long the hit ratio goes. */
const RATIO_MS = 10_000;
/** How many of the hottest keys are shown. */
const HOTTEST = 8;

/** Makes views of samples. */
export class Viewer {
  readonly #pool: HTTPPool;
  readonly #ring: Ring;
  /** What was counted of late, the oldest first. */
  #past: { now: number; totals: ReadonlyMap<string, Totals> }[] = [];

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
    const { seconds, grown } = this.#grown(states, now, RATE_MS);
    const recent = this.#grown(states, now, RATIO_MS).grown;
    const away = new Set(
      stats.peers.filter(({ state }) => state !== "closed").map(({ id }) => id),
    );
    this.#remember(states, now);
    return {
      point: this.#point(at, { seconds, grown, recent }, [...states.values()]),
      nodes: nodes.map((origin) =>
        nodeView(origin, {
          self,
          told: told.get(origin),
          peer: peers.get(origin),
          process: processes.find((each) => each.origin === origin),
          gets: seconds > 0 ? (grown.get(origin)?.gets ?? 0) / seconds : null,
        })
      ),
      ring: this.#ring.shares(nodes, away),
      name: self,
      admin,
      ...(admin
        ? { groups: groupsOf(states), hottest: this.#hottest(states) }
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

  /** What a process counted last is kept while it does not answer. */
  #remember(states: ReadonlyMap<string, NodeState>, now: number): void {
    const totals = new Map(this.#past.at(-1)?.totals);
    for (const [origin, state] of states) totals.set(origin, state.totals);
    this.#past.push({ now, totals });
    const old = this.#past.findLastIndex((past) => now - past.now >= RATIO_MS);
    this.#past.splice(0, old);
  }

  /** What each process counted during the last `ms`, or since the first sample. */
  #grown(
    states: ReadonlyMap<string, NodeState>,
    now: number,
    ms: number,
  ): { seconds: number; grown: Map<string, Totals> } {
    const grown = new Map<string, Totals>();
    const past = this.#past.findLast((past) => now - past.now >= ms) ??
      this.#past[0];
    for (const [origin, { totals }] of states) {
      const before = past?.totals.get(origin);
      if (before === undefined) continue;
      // A process that has started again counts from 0.
      const isNew = totals.gets < before.gets || totals.loads < before.loads;
      const since = { ...totals };
      for (const name of Object.keys(since) as (keyof Totals)[]) {
        if (!isNew) since[name] -= before[name];
      }
      grown.set(origin, since);
    }
    return { seconds: past === undefined ? 0 : (now - past.now) / 1000, grown };
  }

  #point(
    at: number,
    { seconds, grown, recent }: {
      seconds: number;
      grown: ReadonlyMap<string, Totals>;
      recent: ReadonlyMap<string, Totals>;
    },
    states: readonly NodeState[],
  ): Point {
    const now = sumsOf(grown);
    const all = sumsOf(recent);
    const perSecond = (count: number): number =>
      seconds > 0 ? Math.max(0, count) / seconds : 0;
    const loadMs = states.map((state) => state.loadMs);
    const peerMs = states.map((state) => state.peerMs);
    const held = (name: "bytes" | "maxBytes"): number =>
      states.reduce((sum, { totals }) => sum + totals[name], 0);
    return {
      at,
      hitRatio: all.gets > 0
        ? Math.max(0, Math.min(1, 1 - all.loads / all.gets))
        : null,
      gets: perSecond(now.gets),
      loads: perSecond(now.loads),
      questions: perSecond(now.questions),
      loadP50: quantile(loadMs, 0.5) ?? null,
      loadP99: quantile(loadMs, 0.99) ?? null,
      peerP50: quantile(peerMs, 0.5) ?? null,
      peerP99: quantile(peerMs, 0.99) ?? null,
      bytes: held("bytes"),
      maxBytes: held("maxBytes"),
    };
  }
}

function nodeView(
  origin: string,
  { self, told, peer, process, gets }: {
    self: string;
    told: Told | undefined;
    peer: PeerStats | undefined;
    process: NodeProcess | undefined;
    gets: number | null;
  },
): NodeView {
  const totals = told?.state?.totals;
  return {
    origin,
    health: healthOf(told, peer, process),
    self: origin === self,
    getsPerSecond: totals === undefined ? null : gets,
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

/** What all processes together counted. */
function sumsOf(
  grown: ReadonlyMap<string, Totals>,
): { gets: number; loads: number; questions: number } {
  const sum = (name: keyof Totals): number =>
    [...grown.values()].reduce((sum, totals) => sum + totals[name], 0);
  return {
    // A get that another process answered was counted there, too.
    gets: Math.max(0, sum("gets") - sum("peerLoads")),
    loads: sum("loads"),
    questions: sum("questions"),
  };
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
