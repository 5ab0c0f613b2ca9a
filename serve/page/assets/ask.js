/** The box that asks for a key and draws the way that the get took. */

import { byId, element, say, send, setAttributes, setText } from "./dom.js";
import { count, duration, place, short, size, time } from "./format.js";
import { colorOf } from "./ring.js";

let view;
/** What was asked last, and what before it, the latest first. */
let shown;
const before = [];
const MAX_BEFORE = 5;
/** How many steps of a way are drawn. */
const MAX_STEPS = 8;

/** Fills the lists of groups and nodes, and keeps what is chosen. */
export function showAsk(next) {
  view = next;
  const { admin, groups = [], nodes, name } = view;
  setAttributes(byId("ask"), { hidden: admin ? undefined : "" });
  if (!admin) return;
  fill(byId("ask-group"), groups.map((group) => [group, group]));
  const origins = nodes.map(({ origin }) => origin);
  const places = origins.map((origin) => [origin, place(origin)]);
  const isNode = origins.includes(name);
  fill(
    byId("ask-at"),
    isNode ? places : [[name, "front door"], ...places],
    name,
  );
  const isAlone = isNode && origins.length === 1;
  setAttributes(byId("ask-at-label"), { hidden: isAlone ? "" : undefined });
}

function fill(select, options, chosen) {
  const list = JSON.stringify(options);
  if (select.dataset.list === list) return;
  const before = select.value || chosen;
  select.dataset.list = list;
  select.replaceChildren(
    ...options.map(([value, text]) => element("option", { value }, text)),
  );
  if (options.some(([value]) => value === before)) select.value = before;
}

/** What is in the box. */
export function chosenKey() {
  return { group: byId("ask-group").value, key: byId("ask-key").value };
}

/** Puts a key into the box and asks for it. */
export function askFor({ group, key }) {
  byId("ask-group").value = group;
  byId("ask-key").value = key;
  byId("ask-form").requestSubmit();
  byId("ask").scrollIntoView({ block: "nearest" });
}

/** Lets its buttons work. */
export function openAsk() {
  byId("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    run("Asking", async () => {
      const at = byId("ask-at").value;
      draw(await send("ask", { ...chosenKey(), at }));
    });
  });
  byId("ask-remove").addEventListener("click", () => {
    if (!byId("ask-form").reportValidity()) return;
    run("Removing", async () => {
      const { group, key } = chosenKey();
      await send("remove", { group, key });
      report(`${short(key)} is removed from every node.`);
    });
  });
  byId("ask-clear").addEventListener(
    "click",
    () =>
      run("Clearing", async () => {
        const { group } = chosenKey();
        await send("clear", { group });
        report(`All of ${group} is removed from every node.`);
      }),
  );
}

let isBusy = false;

async function run(what, action) {
  if (isBusy) return;
  isBusy = true;
  byId("ask").setAttribute("aria-busy", "true");
  setText(byId("ask-outcome"), `${what} …`);
  try {
    await action();
  } catch (error) {
    report(short(error.message, 300), true);
  }
  byId("ask").removeAttribute("aria-busy");
  isBusy = false;
}

/** Something that has no way. */
function report(text, isError = false) {
  byId("way").replaceChildren();
  setAttributes(byId("value"), { hidden: "" });
  setOutcome(text, isError);
}

function setOutcome(text, isError) {
  const outcome = byId("ask-outcome");
  setText(outcome, text);
  setAttributes(outcome, { class: isError ? "outcome bad" : "outcome" });
  say(text);
}

const MEMORY = {
  hit: ["in memory", "good"],
  copy: ["a copy in memory", "good"],
  stale: ["stale in memory", "warn"],
  miss: ["not in memory", ""],
};
const ENDS = {
  ok: ["answered", "good"],
  not_found: ["no such key", "warn"],
  failed: ["failed", "bad"],
  busy: ["too busy", "warn"],
  draining: ["about to close", "warn"],
  unreachable: ["out of reach", "bad"],
  canceled: ["given up", "warn"],
};

function wordsOf(all, result) {
  return Object.hasOwn(all, result) ? all[result] : [result, ""];
}

function titleOf({ what, peeks }, isOwner) {
  if (what === "memory") return "Memory";
  if (what === "getter") return "Getter";
  if (peeks) return "Peek at a peer";
  return isOwner ? "Ask the owner" : "Ask a stand-in";
}

/** Where the value came from, in a few words. */
function whence({ steps, error }) {
  if (error !== undefined) return "failed";
  const { what, node, result } = steps.at(-1);
  const words = what === "memory"
    ? wordsOf(MEMORY, result)[0]
    : what === "getter"
    ? "from the getter"
    : "from a peer";
  return `${words} at ${nameOf(node)}`;
}

function nameOf(node) {
  const isNode = view.nodes.some(({ origin }) => origin === node);
  return !isNode && node === view.name ? "front door" : place(node);
}

function remember(way) {
  if (shown !== undefined) before.unshift(shown);
  before.splice(MAX_BEFORE);
  shown = way;
  setAttributes(byId("asked"), { hidden: before.length > 0 ? undefined : "" });
  byId("asked-list").replaceChildren(
    ...before.map((way) =>
      element(
        "li",
        {},
        element("span", { class: "key-name" }, short(way.key)),
        element("span", { class: "whence" }, whence(way)),
        element("span", { class: "took" }, time(way.ms)),
      )
    ),
  );
}

function draw(way) {
  remember(way);
  const longest = Math.max(...way.steps.map(({ ms }) => ms ?? 0), 0.001);
  const boxes = way.steps.map((step) => stepOf(step, way, longest));
  // Many peers may be out of reach, one after the other.
  const left = boxes.length - MAX_STEPS;
  if (left > 0) {
    const rest = element("li", { class: "step rest" }, `${count(left)} more`);
    boxes.splice(MAX_STEPS - 2, left, rest);
  }
  byId("way").replaceChildren(...boxes);
  const { value, error, ms } = way;
  setAttributes(byId("value"), {
    hidden: value === undefined ? "" : undefined,
  });
  const took = `${short(way.key)}: answered in ${time(ms)}.`;
  if (value === undefined) {
    setOutcome(
      `${short(way.key)}: failed after ${time(ms)}: ${short(error, 300)}`,
      true,
    );
    return;
  }
  const { ttlMs, bytes, text, isCut } = value;
  const [freshness, kind] = freshnessOf(ttlMs);
  byId("value-about").replaceChildren(
    element("span", { class: `badge ${kind}` }, freshness),
    ` ${size(bytes)}${
      isCut ? `, of which ${count(text.length)} characters are shown` : ""
    }`,
  );
  setText(byId("value-text"), text);
  setOutcome(took, false);
}

function freshnessOf(ttlMs) {
  if (ttlMs === null) return ["fresh, without end", "good"];
  if (ttlMs >= 0) return [`fresh for ${duration(ttlMs)}`, "good"];
  return [`stale for ${duration(-ttlMs)}`, "warn"];
}

function stepOf(step, way, longest) {
  const { what, node, result, ms } = step;
  const [words, kind] = wordsOf(what === "memory" ? MEMORY : ENDS, result);
  const index = view.nodes.findIndex(({ origin }) => origin === node);
  const bar = element("i", { class: "bar", "aria-hidden": "true" });
  if (ms !== null) bar.style.width = `${Math.max(2, 100 * ms / longest)}%`;
  return element(
    "li",
    { class: `step ${index < 0 ? "" : colorOf(index)}` },
    element("span", { class: "title" }, titleOf(step, node === way.owner)),
    element(
      "span",
      { class: "where" },
      index < 0 ? undefined : element("i", {
        class: "swatch",
        "aria-hidden": "true",
      }),
      nameOf(node),
    ),
    element("span", { class: `badge ${kind}` }, words),
    element("span", { class: "took" }, ms === null ? "" : time(ms)),
    bar,
  );
}
