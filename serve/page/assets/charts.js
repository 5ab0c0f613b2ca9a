/** The charts of the last two minutes, with what they show as text. */

import { byId, element, setAttributes, setText } from "./dom.js";
import { count, percent, size, time } from "./format.js";

/** How many seconds a chart shows: at least these, and at most those. */
const MIN_SECONDS = 20;
const MAX_SECONDS = 120;
/** How often the text for screen readers is written anew. */
const TEXT_EVERY_MS = 5_000;

/**
 * What there is to see. `top` is what the axis reaches at least. Each line has a color
 * of the style sheet.
 */
const CHARTS = [
  {
    title: "Hit ratio",
    hint: "gets that needed no load",
    format: percent,
    range: () => [0, 1],
    lines: [{ of: "hitRatio", color: "--line-a", fills: true }],
  },
  {
    title: "Gets a second",
    hint: "keys asked for",
    format: count,
    lines: [{ of: "gets", color: "--line-b", fills: true }],
  },
  {
    title: "Loads a second",
    hint: "calls of getters",
    format: count,
    lines: [{ of: "loads", color: "--line-c", fills: true }],
  },
  {
    title: "Peer requests a second",
    hint: "keys asked of other nodes",
    format: count,
    lines: [{ of: "questions", color: "--line-d", fills: true }],
  },
  {
    title: "Latency",
    hint: "the median, and the slowest of 100",
    format: time,
    isLog: true,
    lines: [
      { of: "loadP50", name: "load p50", color: "--line-c" },
      { of: "loadP99", name: "load p99", color: "--line-c", dash: [4, 4] },
      { of: "peerP50", name: "peer p50", color: "--line-d" },
      { of: "peerP99", name: "peer p99", color: "--line-d", dash: [4, 4] },
    ],
  },
  {
    title: "Memory",
    hint: "held, against the budget",
    format: size,
    // Round in KiB, MiB and GiB.
    steps: Array.from({ length: 40 }, (_, i) => 2 ** i),
    lines: [
      { of: "bytes", name: "held", color: "--line-b", fills: true },
      { of: "maxBytes", name: "budget", color: "--muted", dash: [6, 4] },
    ],
  },
];

const styleOf = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const rem = () =>
  Number.parseFloat(getComputedStyle(document.documentElement).fontSize);

/** Decades that hold all values. */
function decades(low, high) {
  const from = 10 ** Math.floor(Math.log10(low || 0.1));
  const to = 10 ** Math.ceil(Math.log10(high || 10) + 1e-9);
  return from < to ? [from, to] : [from, from * 10];
}

class Chart {
  #spec;
  #plot;
  #box = element("div", { class: "plot", role: "img" });
  #values = element("p", { class: "values" });
  #points = [];
  #textAt = -Infinity;
  #hovered = null;
  /** The size of letters that it was made with. */
  #rem = 0;

  constructor(spec) {
    this.#spec = spec;
    this.figure = element(
      "figure",
      { class: "card chart" },
      element(
        "figcaption",
        {},
        element("h3", {}, spec.title),
        element("span", { class: "hint" }, spec.hint),
        this.#values,
      ),
      this.#box,
    );
    new ResizeObserver(() => this.#resize()).observe(this.#box);
  }

  show(points) {
    this.#points = points;
    this.#write();
    this.#plot?.setData(this.#data());
    const now = performance.now();
    if (now - this.#textAt < TEXT_EVERY_MS && points.length > 2) return;
    this.#textAt = now;
    setAttributes(this.#box, { "aria-label": this.#text() });
  }

  /** With other colors. */
  restyle() {
    this.#plot?.redraw(false);
  }

  #data() {
    const points = this.#points;
    return [
      points.map(({ at }) => at / 1000),
      ...this.#spec.lines.map(({ of }) => points.map((point) => point[of])),
    ];
  }

  /** The values under the pointer, or the last ones. */
  #write() {
    const point = this.#points[this.#hovered ?? this.#points.length - 1];
    const { lines, format } = this.#spec;
    if (this.#values.children.length === 0) {
      this.#values.append(
        ...lines.map(({ name, color, dash }) =>
          element(
            "span",
            { class: "value" },
            name === undefined ? "" : element("i", {
              class: `key ${color.slice(2)}${dash ? " dashed" : ""}`,
              "aria-hidden": "true",
            }),
            element("b", {}),
            name === undefined ? "" : ` ${name}`,
          )
        ),
      );
    }
    for (const [i, { of }] of lines.entries()) {
      const value = point?.[of] ?? null;
      setText(this.#values.children[i].querySelector("b"), format(value));
    }
  }

  #text() {
    const { title, lines, format } = this.#spec;
    const parts = lines.map(({ of, name }) => {
      const all = this.#points.map((point) => point[of])
        .filter((value) => value !== null);
      const what = name === undefined ? "" : `${name} `;
      if (all.length === 0) return `${what}nothing yet`;
      const [low, high] = [Math.min(...all), Math.max(...all)];
      return `${what}${format(all.at(-1))} now, from ${format(low)} to ${
        format(high)
      }`;
    });
    return `${title} during the last two minutes: ${parts.join("; ")}`;
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.#box;
    if (width === 0 || height === 0) return;
    if (this.#rem !== rem()) {
      this.#plot?.destroy();
      this.#plot = undefined;
    }
    if (this.#plot === undefined) this.#make(width, height);
    else this.#plot.setSize({ width, height });
  }

  #make(width, height) {
    this.#rem = rem();
    const { lines, format, isLog, range, steps } = this.#spec;
    // The library looks for whole pixels.
    const font = `${Math.round(0.7 * rem())}px ${styleOf("--font")}`;
    const axis = {
      font,
      stroke: () => styleOf("--muted"),
      ticks: { show: false },
    };
    const grid = { stroke: () => styleOf("--grid"), width: 1 };
    const top = (_plot, _low, high) => [0, high > 0 ? high * 1.15 : 1];
    this.#plot = new globalThis.uPlot(
      {
        width,
        height,
        padding: [0.5 * rem(), 1.1 * rem(), 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { size: 6 }, drag: { setScale: false } },
        hooks: {
          setCursor: [(plot) => {
            this.#hovered = plot.cursor.idx;
            this.#write();
          }],
        },
        scales: {
          x: {
            time: false,
            range: (_, low, high) => {
              const span = Math.max(MIN_SECONDS, (high ?? 0) - (low ?? 0));
              return [high - Math.min(span, MAX_SECONDS), high];
            },
          },
          y: isLog
            ? { distr: 3, range: (_, low, high) => decades(low, high) }
            : { range: range ?? top },
        },
        axes: [
          {
            ...axis,
            size: 1.5 * rem(),
            gap: 0.3 * rem(),
            grid: { show: false },
            splits: (plot) => splitsOf(plot.scales.x),
            values: (plot, splits) =>
              splits.map((at) => agoOf(plot.scales.x.max - at)),
          },
          {
            ...axis,
            size: 3.6 * rem(),
            gap: 0.35 * rem(),
            grid,
            space: 1.9 * rem(),
            // cspell:disable-next-line
            ...(steps === undefined ? {} : { incrs: steps }),
            ...(isLog ? { splits: (plot) => decadesIn(plot.scales.y) } : {}),
            values: (_, splits) =>
              splits.map((value) => value === null ? "" : format(value)),
          },
        ],
        series: [
          {},
          ...lines.map(({ of, color, dash, fills }) => ({
            label: of,
            stroke: () => styleOf(color),
            width: 0.1 * rem(),
            ...(dash === undefined ? {} : { dash }),
            ...(fills ? { fill: () => `${styleOf(color)}22` } : {}),
            points: { show: false },
            spanGaps: false,
          })),
        ],
      },
      this.#data(),
      this.#box,
    );
    // What it draws is told by the label of the box around it.
    this.#plot.root.setAttribute("aria-hidden", "true");
  }
}

/** Every few seconds, back from now. */
function splitsOf({ min, max }) {
  const span = max - min;
  const step = span > 90 ? 30 : span > 45 ? 15 : span > 24 ? 10 : 5;
  const splits = [];
  for (let at = max; at > min + step / 3; at -= step) splits.unshift(at);
  return splits;
}

function agoOf(seconds) {
  return seconds < 0.5 ? "now" : `−${Math.round(seconds)} s`;
}

function decadesIn({ min, max }) {
  const splits = [];
  for (let at = min; at <= max * 1.001; at *= 10) splits.push(at);
  return splits;
}

/** Draws all charts; returns what shows points in them. */
export function openCharts() {
  const charts = CHARTS.map((spec) => new Chart(spec));
  byId("charts").append(...charts.map(({ figure }) => figure));
  const restyle = () => {
    for (const chart of charts) chart.restyle();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener(
    "change",
    restyle,
  );
  let points = [];
  const show = () => {
    for (const chart of charts) chart.show(points);
  };
  show();
  return {
    history(all) {
      points = all;
      show();
    },
    add(point) {
      if (points.at(-1)?.at === point.at) return;
      points = [...points, point].slice(-MAX_SECONDS);
      show();
    },
  };
}
