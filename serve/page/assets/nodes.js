/** The nodes beside the ring: how they are, what they hold, and their buttons. */

import {
  byId,
  element,
  say,
  send,
  setAttributes,
  setChildren,
  setText,
} from "./dom.js";
import { count, many, percent, place, size } from "./format.js";
import { colorOf } from "./ring.js";
import { healthOf, troubleOf } from "./words.js";

const rows = new Map();

class Row {
  #origin;
  #health = element("span", { class: "health" });
  #facts = element("p", { class: "facts" });
  #trouble = element("p", { class: "trouble" });
  #buttons = element("div", { class: "buttons" });
  #end = element("button", { type: "button", class: "small" });
  #pause = element("button", { type: "button", class: "small" });
  #was;

  constructor(origin) {
    this.#origin = origin;
    const name = place(origin);
    this.item = element(
      "li",
      {},
      element("span", { class: "swatch", "aria-hidden": "true" }),
      element("span", { class: "name" }, name),
      this.#health,
      this.#facts,
      this.#trouble,
      this.#buttons,
    );
    for (const button of [this.#end, this.#pause]) {
      button.addEventListener("click", () => this.#act(button));
    }
  }

  show(node, i, share) {
    const { health, can } = node;
    setAttributes(this.item, { class: `node ${colorOf(i)} ${health}` });
    const words = healthOf(node);
    setText(this.#health, words);
    setText(this.#facts, factsOf(node, share));
    const trouble = troubleOf(node);
    setText(this.#trouble, trouble);
    setAttributes(this.#trouble, { title: trouble });
    if (this.#was !== undefined && this.#was !== words) {
      say(`${place(this.#origin)} is ${words}`);
    }
    this.#was = words;
    if (can === undefined) return;
    if (this.#buttons.childElementCount === 0) {
      this.#buttons.append(this.#end, this.#pause);
    }
    this.#offer(this.#end, ["kill", "restart"], node.process === "ended", can);
    this.#offer(
      this.#pause,
      ["freeze", "resume"],
      node.process === "frozen",
      can,
    );
  }

  /** A button stays where it is, and keeps the focus, whatever it does next. */
  #offer(button, [first, second], isSecond, can) {
    const action = isSecond ? second : first;
    const name = action[0].toUpperCase() + action.slice(1);
    button.dataset.action = action;
    setText(button, name);
    setAttributes(button, {
      "aria-label": `${name} ${place(this.#origin)}`,
      "aria-disabled": can.includes(action) ? undefined : "true",
    });
  }

  async #act(button) {
    if (button.getAttribute("aria-disabled") === "true") return;
    const { action } = button.dataset;
    setAttributes(button, { "aria-disabled": "true" });
    try {
      await send("node", { node: this.#origin, action });
    } catch (error) {
      setText(this.#trouble, error.message);
      say(error.message);
    }
  }
}

function factsOf(node, share) {
  const facts = [`${percent(share)} of keys`];
  if (node.items !== null) {
    facts.push(
      `${count(node.getsPerSecond)} gets/s`,
      many(node.items, "item"),
      `${size(node.bytes)} of ${size(node.maxBytes)}`,
    );
  }
  return facts.join(" · ");
}

/** Shows the nodes of a view. */
export function showNodes({ nodes, ring }) {
  const shown = nodes.map((node, i) => {
    const row = rows.get(node.origin) ?? new Row(node.origin);
    rows.set(node.origin, row);
    row.show(node, i, ring.share[i]);
    return row.item;
  });
  const known = new Set(nodes.map(({ origin }) => origin));
  for (const origin of rows.keys()) if (!known.has(origin)) rows.delete(origin);
  const list = byId("nodes");
  setChildren(list, shown);
  // A list that scrolls can be scrolled by keyboard.
  const scrolls = list.scrollHeight > list.clientHeight;
  setAttributes(list, { tabindex: scrolls ? "0" : undefined });
}
