/**
 * Asks for a key and notes which way the get took: memory, other processes, the getter.
 *
 * @module
 */

import type { Group, HTTPPool } from "../../mod.ts";
import { messageOf } from "../exit.ts";
import { hasTypes, isRecord, type NodeState } from "./state.ts";

/** One step of a get. */
export interface Step {
  /** What was asked. */
  readonly what: "memory" | "peer" | "getter";
  /** The process where that was, or that was asked. */
  readonly node: string;
  /** Such as `"hit"`, `"copy"`, `"stale"`, `"miss"`, or how a question ended. */
  readonly result: string;
  /** `null`: it is part of another step. */
  readonly ms: number | null;
  /** Of a question: whether it was only for what is in memory there. */
  readonly peeks?: boolean;
}

/** The way of a get, and what came of it. */
export interface Way {
  readonly group: string;
  readonly key: string;
  /** The process that was asked. */
  readonly node: string;
  /** The node that owns the key, as that process sees it. */
  readonly owner: string;
  readonly ms: number;
  readonly steps: readonly Step[];
  readonly value?: {
    readonly text: string;
    readonly bytes: number;
    readonly isCut: boolean;
    /** The time that it has left; `null`: no end; below 0: it has been stale for so long. */
    readonly ttlMs: number | null;
  };
  readonly error?: string;
}

/** How much of a value is shown. */
const MAX_TEXT = 1_000;

/**
 * Asks `group` for `key`.
 *
 * @param stateOf What another process tells of itself: it knows of a load there.
 */
export async function wayOf(
  pool: HTTPPool,
  group: Group,
  key: string,
  stateOf: (origin: string) => Promise<NodeState | undefined>,
  signal: AbortSignal,
): Promise<Way> {
  const { self } = pool;
  const owner = pool.pickPeer(key)?.id ?? self;
  const steps: Step[] = [];
  const stop = pool.observe({
    peer: ({ peer, kind, group: name, keys }) => {
      if (name !== group.name || !keys.includes(key)) return;
      if (kind !== "get" && kind !== "peek") return;
      return {
        end: ({ ms, result }) => {
          const peeks = kind === "peek";
          steps.push({ what: "peer", node: peer, result, ms, peeks });
        },
      };
    },
    load: ({ group: name, keys }) => {
      if (name !== group.name || !keys.includes(key)) return;
      return {
        end: ({ ms, result }) => {
          steps.push({ what: "getter", node: self, result, ms });
        },
      };
    },
  });
  const startedAt = performance.now();
  const about = { group: group.name, key, node: self, owner };
  try {
    const { value, from, ttlMs } = await group.getEntry(key, { signal });
    const ms = performance.now() - startedAt;
    const isHere = from === "main" || from === "hot";
    const kind = ttlMs < 0 ? "stale" : from === "hot" ? "copy" : "hit";
    // What a stale answer began goes on behind it.
    const seen: Step[] = [
      memory(self, isHere ? kind : "miss"),
      ...(isHere ? [] : steps),
    ];
    const answered = from === "peer" ? seen.at(-1) : undefined;
    if (answered?.what === "peer") {
      seen.push(...await stepsAt(answered.node, about, ms, stateOf));
    }
    const text = value.text();
    return {
      ...about,
      ms,
      steps: seen,
      value: {
        text: text.slice(0, MAX_TEXT),
        bytes: value.byteLength,
        isCut: text.length > MAX_TEXT,
        ttlMs: ttlMs === Infinity ? null : ttlMs,
      },
    };
  } catch (error) {
    const ms = performance.now() - startedAt;
    const seen = [memory(self, "miss"), ...steps];
    const last = steps.at(-1);
    const wasLoaded = last?.result === "failed" || last?.result === "not_found";
    if (last?.what === "peer" && wasLoaded) {
      seen.push(...await stepsAt(last.node, about, ms, stateOf));
    }
    return { ...about, ms, steps: seen, error: messageOf(error) };
  } finally {
    stop();
  }
}

function memory(node: string, result: string): Step {
  return { what: "memory", node, result, ms: null };
}

/** What happened in the process that answered, if it tells: memory had it, or it was loaded. */
async function stepsAt(
  node: string,
  { group, key }: { group: string; key: string },
  ms: number,
  stateOf: (origin: string) => Promise<NodeState | undefined>,
): Promise<Step[]> {
  const askedAt = performance.now() - ms;
  const { loads, recordedMs = 0 } = await stateOf(node) ?? {};
  const since = performance.now() - askedAt;
  const load = loads?.findLast((load) =>
    load.group === group && load.key === key && load.agoMs <= since
  );
  if (load !== undefined) {
    return [{ what: "getter", node, result: load.result, ms: load.ms }];
  }
  return loads !== undefined && recordedMs > since ? [memory(node, "hit")] : [];
}

/** Reads what another process sent; `undefined`: that is no way of a get. */
export function readWay(sent: unknown): Way | undefined {
  const text = "string";
  const about = { group: text, key: text, node: text, owner: text };
  if (!isRecord(sent) || !hasTypes(sent, { ...about, ms: "number" })) {
    return undefined;
  }
  const { steps, value, error } = sent;
  const isOver = value === undefined
    ? typeof error === "string"
    : error === undefined && isValue(value);
  return isOver && Array.isArray(steps) && steps.length > 0 &&
      steps.every(isStep)
    ? sent as unknown as Way
    : undefined;
}

function isStep(step: unknown): boolean {
  return isRecord(step) &&
    hasTypes(step, { what: "string", node: "string", result: "string" }) &&
    (step.ms === null || typeof step.ms === "number");
}

function isValue(value: unknown): boolean {
  return isRecord(value) &&
    hasTypes(value, { text: "string", bytes: "number", isCut: "boolean" }) &&
    (value.ttlMs === null || typeof value.ttlMs === "number");
}
