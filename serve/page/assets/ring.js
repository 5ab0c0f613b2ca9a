/** The ring: who owns which part of the keys, and who answers for them now. */

import { byId, drawn, setAttributes, setText } from "./dom.js";
import { percent, place } from "./format.js";
import { HEALTH } from "./words.js";

/** Radii: of the owners' arcs, of the ticks inside, and of the shares outside. */
const ARC = 158;
const TICK_FROM = 112;
const TICK_TO = 136;
const LABEL = 181;
/** What lies between two arcs, in parts of a turn. */
const GAP = 0.006;
/** With more nodes than that, arcs are too short for their shares. */
const MAX_LABELS = 12;
/** How many colors the style sheet has for nodes. */
const COLORS = 8;

/** The class with the color of a node. */
export function colorOf(index) {
  return `n${index % COLORS}`;
}

function at(radius, turn) {
  const angle = (turn - 0.25) * 2 * Math.PI;
  return [radius * Math.cos(angle), radius * Math.sin(angle)]
    .map((number) => number.toFixed(2));
}

function arcPath(from, to) {
  // A whole turn needs two arcs.
  const middle = (from + to) / 2;
  const [a, b, c] = [from, middle, to].map((turn) => at(ARC, turn).join(" "));
  return `M${a}A${ARC} ${ARC} 0 0 1 ${b}A${ARC} ${ARC} 0 0 1 ${c}`;
}

const arcs = drawn("g", { class: "arcs" });
const ticks = drawn("g", { class: "ticks" });
const labels = drawn("g", { class: "shares" });
const big = drawn("text", { class: "big", y: -2 });
const small = drawn("text", { class: "small", y: 26 });

let shape = "";

/** Draws what changes only with the list of nodes. */
function reshape(nodes, { share, owners }) {
  const key = JSON.stringify([nodes.map(({ origin }) => origin), share]);
  if (key === shape) return;
  shape = key;
  let from = 0;
  const gap = nodes.length > 1 ? Math.min(GAP, 0.2 / nodes.length) : 0;
  const bounds = share.map((part) => [from, from += part]);
  arcs.replaceChildren(
    ...bounds.map(([from, to]) =>
      drawn("path", {
        d: arcPath(from + gap / 2, Math.max(from, to - gap / 2)),
      })
    ),
  );
  labels.replaceChildren(
    ...(nodes.length > MAX_LABELS || nodes.length < 2
      ? []
      : bounds.map(([from, to]) => {
        const [x, y] = at(LABEL, (from + to) / 2);
        const side = x > 20 ? "right" : x < -20 ? "left" : "";
        const dy = y > 100 ? "0.7em" : y < -100 ? "0" : "0.35em";
        const text = percent(Math.round(100 * (to - from)) / 100);
        return drawn("text", { x, y, dy, class: side }, text);
      })),
  );
  // The keys of a node are spread over its arc.
  const counts = owners.reduce((counts, owner) => {
    counts[owner] = (counts[owner] ?? 0) + 1;
    return counts;
  }, []);
  const seen = [];
  ticks.replaceChildren(...owners.map((owner) => {
    const i = seen[owner] = (seen[owner] ?? -1) + 1;
    const [from, to] = bounds[owner];
    const turn = from + (to - from) * (i + 0.5) / counts[owner];
    const [x1, y1] = at(TICK_FROM, turn);
    const [x2, y2] = at(TICK_TO, turn);
    return drawn("line", { x1, y1, x2, y2 });
  }));
}

/** Shows the ring of a view. */
export function showRing({ nodes, ring }) {
  const picture = byId("ring-picture");
  if (arcs.parentNode === null) {
    picture.append(arcs, ticks, labels, big, small);
  }
  reshape(nodes, ring);
  for (const [i, { health }] of nodes.entries()) {
    setAttributes(arcs.children[i], { class: `${colorOf(i)} ${health}` });
  }
  for (const [i, index] of ring.answering.entries()) {
    setAttributes(ticks.children[i], {
      class: index < 0 ? "nobody" : colorOf(index),
    });
  }
  const up = nodes.filter(({ health }) => health === "up").length;
  setText(
    big,
    nodes.length === 1 ? HEALTH[nodes[0].health] : `${up}/${nodes.length}`,
  );
  setText(small, nodes.length === 1 ? "one node" : "nodes up");
  setAttributes(picture, { class: up < nodes.length ? "hurt" : undefined });
  setAttributes(byId("ring-hint"), {
    hidden: nodes.length === 1 ? "" : undefined,
  });
  setText(byId("ring-text"), textOf(nodes, ring));
}

function textOf(nodes, { share }) {
  const parts = nodes.slice(0, 20).map(({ origin, health }, i) =>
    `${place(origin)} owns ${percent(share[i])} and is ${HEALTH[health]}`
  );
  return `${nodes.length === 1 ? "One node" : `${nodes.length} nodes`}: ${
    parts.join("; ")
  }`;
}
