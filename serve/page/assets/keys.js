/** The hottest keys, each with its owner. */

import { byId, element, setAttributes, setChildren, setText } from "./dom.js";
import { count, place } from "./format.js";
import { colorOf } from "./ring.js";

const rows = [];

function rowAt(i, choose) {
  if (rows[i] !== undefined) return rows[i];
  const key = element("button", { type: "button", class: "link" });
  const bar = element("i", { class: "bar", "aria-hidden": "true" });
  const owner = element("td", { class: "owner" });
  const gets = element("td", { class: "number" });
  const row = {
    item: element(
      "tr",
      {},
      element("td", { class: "key-cell" }, key, bar),
      owner,
      gets,
    ),
    key,
    bar,
    owner,
    gets,
    hot: undefined,
  };
  key.addEventListener("click", () => choose(row.hot));
  rows[i] = row;
  return row;
}

/**
 * Shows the hottest keys of a view.
 *
 * @param choose Is called with one of them when it is clicked.
 */
export function showKeys({ admin, hottest = [], nodes, groups = [] }, choose) {
  setAttributes(byId("keys"), { hidden: admin ? undefined : "" });
  const most = hottest[0]?.count ?? 1;
  const shown = hottest.map((hot, i) => {
    const row = rowAt(i, choose);
    const { group, key, owner } = hot;
    row.hot = hot;
    setText(row.key, groups.length > 1 ? `${group} / ${key}` : key);
    row.bar.style.width = `${(100 * hot.count / most).toFixed(1)}%`;
    const index = nodes.findIndex(({ origin }) => origin === owner);
    setAttributes(row.item, { class: index < 0 ? undefined : colorOf(index) });
    setText(row.owner, place(owner));
    setText(row.gets, count(hot.count));
    return row.item;
  });
  setChildren(byId("keys-rows"), shown);
  setAttributes(byId("keys"), {
    class: shown.length === 0 ? "card none" : "card",
  });
}
