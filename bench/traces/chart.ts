/**
 * Draws hit ratios over the room as an SVG: a line for each policy.
 *
 * @module
 */

import { roomText } from "./report.ts";
import type { Results } from "./replay.ts";

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 60;
const RIGHT = 600;
const TOP = 50;
const BOTTOM = 350;
/** Colors that people who see few colors can tell apart (Okabe and Ito). */
const COLORS = [
  "#d55e00",
  "#e69f00",
  "#56b4e9",
  "#009e73",
  "#cc79a7",
  "#0072b2",
  "#000000",
  "#999999",
  "#f0e442",
];

/** The chart as the text of an SVG file. Each step to the right is the next room. */
export function chartOf(results: Results): string {
  const { trace, policies, rows } = results;
  const x = (row: number): number =>
    rows.length === 1
      ? (LEFT + RIGHT) / 2
      : LEFT + (RIGHT - LEFT) * row / (rows.length - 1);
  const y = (ratio: number): number => BOTTOM - (BOTTOM - TOP) * ratio;
  const grid = [0, 0.25, 0.5, 0.75, 1].map((ratio) =>
    line(LEFT, y(ratio), RIGHT, y(ratio), "#dddddd") +
    text(LEFT - 8, y(ratio) + 4, `${100 * ratio} %`, "end")
  );
  const rooms = rows.map(({ room }, i) =>
    text(x(i), BOTTOM + 22, roomText(results, room), "middle")
  );
  const curves = policies.map((name, i) => {
    const color = COLORS[i % COLORS.length]!;
    const points = rows.map(({ ratios }, row) => [x(row), y(ratios[i]!)]);
    const dots = points.map(([cx, cy]) =>
      `<circle cx="${round(cx!)}" cy="${
        round(cy!)
      }" r="3" fill="${color}"><title>${escaped(name)}</title></circle>`
    );
    const path = points.map((point) => point.map(round).join(",")).join(" ");
    const at = TOP + 10 + 22 * i;
    return [
      `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>`,
      ...dots,
      line(RIGHT + 30, at, RIGHT + 50, at, color),
      text(RIGHT + 58, at + 4, name, "start"),
    ].join("");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text(LEFT, 28, `Hit ratios: ${trace.name}`, "start"),
    ...grid,
    ...rooms,
    text((LEFT + RIGHT) / 2, BOTTOM + 48, "room (share of all keys)", "middle"),
    ...curves,
    "</svg>",
    "",
  ].join("\n");
}

function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  color: string,
): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${
    round(y2)
  }" stroke="${color}" stroke-width="2"/>`;
}

function text(x: number, y: number, content: string, anchor: string): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${
    escaped(content)
  }</text>`;
}

function round(coordinate: number): number {
  return Math.round(coordinate * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
