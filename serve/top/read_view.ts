/**
 * Reads what a node sends: it may be of another version, or no node at all.
 *
 * @module
 */

import type { HotKey } from "../page/hottest.ts";
import { hasTypes, isRecord, listOf } from "../page/state.ts";
import type { GroupView, Health, NodeView, Point, View } from "../page/view.ts";

type Fields = Record<string, unknown>;

const HEALTHS: readonly string[] = [
  "up",
  "returning",
  "draining",
  "silent",
  "down",
] satisfies Health[];

/** A view; `undefined`: that is none. */
export function readView(sent: unknown): View | undefined {
  if (!isRecord(sent) || !isRecord(sent.ring)) return undefined;
  const point = readPoint(sent.point);
  const nodes = listOf<Fields>(sent.nodes, isNode)?.map(readNode);
  if (point === undefined || nodes === undefined) return undefined;
  const groupViews = listOf<Fields>(
    sent.groupViews,
    (each) =>
      hasTypes(each, {
        name: "string",
        items: "number",
        bytes: "number",
        maxBytes: "number",
      }),
  )?.map(readGroup);
  const hottest = listOf<HotKey & { owner: string }>(
    sent.hottest,
    (each) =>
      hasTypes(each, {
        group: "string",
        key: "string",
        count: "number",
        owner: "string",
      }),
  );
  const { share, owners, answering } = sent.ring;
  return {
    point,
    nodes,
    ring: {
      share: numbersOf(share),
      owners: numbersOf(owners),
      answering: numbersOf(answering),
    },
    name: textOrNull(sent.name) ?? "",
    admin: sent.admin === true,
    ...(groupViews === undefined ? {} : { groupViews }),
    ...(hottest === undefined ? {} : { hottest }),
  };
}

/** The points of the last minutes. */
export function readPoints(sent: unknown): Point[] {
  return (listOf(sent, isRecord) ?? []).map(readPoint)
    .filter((point) => point !== undefined);
}

function readPoint(sent: unknown): Point | undefined {
  const needed = {
    at: "number",
    gets: "number",
    loads: "number",
    questions: "number",
    bytes: "number",
    maxBytes: "number",
  };
  if (!isRecord(sent) || !hasTypes(sent, needed)) return undefined;
  return {
    at: sent.at as number,
    hitRatio: numberOrNull(sent.hitRatio),
    gets: sent.gets as number,
    loads: sent.loads as number,
    questions: sent.questions as number,
    loadP50: numberOrNull(sent.loadP50),
    loadP99: numberOrNull(sent.loadP99),
    peerP50: numberOrNull(sent.peerP50),
    peerP99: numberOrNull(sent.peerP99),
    bytes: sent.bytes as number,
    maxBytes: sent.maxBytes as number,
  };
}

function isNode(sent: unknown): boolean {
  return isRecord(sent) && typeof sent.origin === "string" &&
    HEALTHS.includes(sent.health as string);
}

function readNode(sent: Fields): NodeView {
  return {
    origin: sent.origin as string,
    health: sent.health as Health,
    self: sent.self === true,
    getsPerSecond: numberOrNull(sent.getsPerSecond),
    loadsPerSecond: numberOrNull(sent.loadsPerSecond),
    hitRatio: numberOrNull(sent.hitRatio),
    items: numberOrNull(sent.items),
    bytes: numberOrNull(sent.bytes),
    maxBytes: numberOrNull(sent.maxBytes),
    owed: numberOrNull(sent.owed) ?? 0,
    ringDiffers: sent.ringDiffers === true,
    link: textOrNull(sent.link),
    error: textOrNull(sent.error),
    ...(isProcess(sent.process) ? { process: sent.process } : {}),
  };
}

function readGroup(sent: Fields): GroupView {
  return {
    name: sent.name as string,
    getsPerSecond: numberOrNull(sent.getsPerSecond),
    loadsPerSecond: numberOrNull(sent.loadsPerSecond),
    hitRatio: numberOrNull(sent.hitRatio),
    items: sent.items as number,
    bytes: sent.bytes as number,
    maxBytes: sent.maxBytes as number,
  };
}

function isProcess(sent: unknown): sent is NonNullable<NodeView["process"]> {
  return sent === "starting" || sent === "running" || sent === "frozen" ||
    sent === "ended";
}

function numbersOf(sent: unknown): number[] {
  return listOf<number>(sent, (each) => typeof each === "number") ?? [];
}

function numberOrNull(sent: unknown): number | null {
  return typeof sent === "number" ? sent : null;
}

function textOrNull(sent: unknown): string | null {
  return typeof sent === "string" ? sent : null;
}
