/** A thousand gets at once, and the traffic of the cluster. */

import { chosenKey } from "./ask.js";
import { byId, element, say, send, setAttributes, setText } from "./dom.js";
import { count, many, time } from "./format.js";

let view;

/** Shows how the traffic goes. */
export function showDemo(next) {
  view = next;
  const { admin, traffic } = view;
  setAttributes(byId("demo"), { hidden: admin ? undefined : "" });
  setAttributes(byId("traffic"), {
    hidden: traffic === undefined ? "" : undefined,
  });
  if (traffic === undefined) {
    if (!hasRun) {
      setText(
        byId("burst-outcome"),
        "Removes the key in the box below and asks for it a thousand times.",
      );
    }
    return;
  }
  const { on, gets, failed, lastError } = traffic;
  const button = byId("traffic-switch");
  setAttributes(button, { "aria-pressed": `${on}` });
  setText(button, on ? "Stop the traffic" : "Start the traffic");
  const outcome = byId("traffic-outcome");
  setAttributes(outcome, { class: failed > 0 ? "outcome bad" : "outcome" });
  setText(
    outcome,
    gets === 0
      ? "A steady trickle of gets. Kill a node meanwhile: nothing fails."
      : `${many(gets, "get")}, ${count(failed)} failed${
        lastError === undefined ? "" : `: ${lastError}`
      }`,
  );
}

let hasRun = false;

/** Lets its buttons work. */
export function openDemo() {
  const button = byId("burst");
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    setAttributes(button, { "aria-disabled": "true" });
    const outcome = byId("burst-outcome");
    hasRun = true;
    try {
      const hasDemo = view.groups?.includes("demo");
      const { ok, failed, loads, ms, error } = await send(
        "burst",
        hasDemo ? {} : chosenKey(),
      );
      outcome.replaceChildren(
        `${many(ok + failed, "get")}, `,
        element("b", {}, many(loads, "load")),
        `, ${failed > 0 ? `${count(failed)} failed: ${error}` : `${time(ms)}`}`,
      );
      setAttributes(outcome, { class: failed > 0 ? "outcome bad" : "outcome" });
    } catch (error) {
      setText(outcome, error.message);
      setAttributes(outcome, { class: "outcome bad" });
    }
    say(outcome.textContent);
    setAttributes(button, { "aria-disabled": undefined });
  });
  byId("traffic-switch").addEventListener("click", async () => {
    try {
      await send("traffic", { on: !view.traffic.on });
    } catch (error) {
      say(error.message);
    }
  });
}
