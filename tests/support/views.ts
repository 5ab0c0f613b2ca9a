/** Views of a cluster that tests of the terminal view make up. */

import type { NodeView, Point, View } from "../../serve/page/view.ts";

/** Half past one in the afternoon, in UTC. */
export const NOON: number = Date.UTC(2026, 10, 26, 13, 30);

export function pointAt(at: number, more: Partial<Point> = {}): Point {
  return {
    at,
    hitRatio: 0.934,
    gets: 249,
    loads: 12.3,
    questions: 1_044,
    loadP50: 25.1,
    loadP99: 44.2,
    peerP50: 0.42,
    peerP99: 1_360,
    bytes: 300 * 1024,
    maxBytes: 1024 * 1024,
    ...more,
  };
}

/** Points of so many seconds before `at`, which rise and fall. */
export function pointsBefore(at: number, seconds: number): Point[] {
  return Array.from({ length: seconds }, (_, i) => {
    const wave = (Math.sin(i / 9) + 1) / 2;
    return pointAt(at - (seconds - i) * 1_000, {
      gets: 249 * wave,
      hitRatio: 0.5 + wave / 2,
      loads: 30 * (1 - wave),
      questions: 1_044 * wave,
    });
  });
}

export function nodeAt(i: number, more: Partial<NodeView> = {}): NodeView {
  return {
    origin: `http://localhost:${8001 + i}`,
    health: "up",
    self: false,
    getsPerSecond: 83,
    loadsPerSecond: 4.1,
    hitRatio: 0.951,
    items: 265,
    bytes: 100 * 1024,
    maxBytes: 256 * 1024,
    owed: 0,
    ringDiffers: false,
    link: "open",
    error: null,
    ...more,
  };
}

export function viewAt(
  at: number,
  nodes: readonly NodeView[],
  more: Partial<View> = {},
): View {
  return {
    point: pointAt(at),
    nodes,
    ring: {
      share: nodes.map(() => 1 / nodes.length),
      owners: [],
      answering: [],
    },
    name: "http://front-door.invalid",
    admin: true,
    groupViews: [
      {
        name: "scores",
        getsPerSecond: 0,
        loadsPerSecond: 0,
        hitRatio: null,
        items: 0,
        bytes: 0,
        maxBytes: 4096,
      },
      {
        name: "demo",
        getsPerSecond: 249,
        loadsPerSecond: 12.3,
        hitRatio: 0.934,
        items: 795,
        bytes: 300 * 1024,
        maxBytes: 1024 * 1024,
      },
    ],
    hottest: Array.from({ length: 8 }, (_, i) => ({
      group: "demo",
      key: `item:${i + 1}`,
      count: Math.round(1_234 / (i + 1)),
      owner: nodes[i % nodes.length]!.origin,
    })),
    ...more,
  };
}
