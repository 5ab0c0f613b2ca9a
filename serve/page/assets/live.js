/**
 * The stream of news, and whether what is shown is still true: the stream is opened
 * again if it breaks, and the page says so while it is.
 */

import { byId, setText } from "./dom.js";
import { duration } from "./format.js";

/** Without news for so long, what is shown is old. */
const OLD_MS = 2_800;
/** Without news for so long, a stream that still seems to be open is opened again. */
const DEAD_MS = 6_000;

/**
 * Opens the stream.
 *
 * @param listeners `history` gets the points of the last minutes, `view` all news.
 */
export function openLive({ history, view }) {
  let source;
  let newsAt = performance.now();
  let openedAt = 0;
  let isFirst = true;

  const open = () => {
    source?.close();
    openedAt = performance.now();
    source = new EventSource("/_page/events");
    source.addEventListener(
      "history",
      ({ data }) => history(JSON.parse(data)),
    );
    source.addEventListener("view", ({ data }) => {
      newsAt = performance.now();
      isFirst = false;
      view(JSON.parse(data));
      show();
    });
  };

  const show = () => {
    const age = performance.now() - newsAt;
    const isOld = age > OLD_MS;
    const state = !isOld && !isFirst
      ? "live"
      : isFirst && !isOld
      ? "connecting"
      : "old";
    document.body.dataset.live = state;
    setText(
      byId("live-state"),
      { live: "Live", connecting: "Connecting", old: "Not live, reconnecting" }[
        state
      ],
    );
    setText(
      byId("live-age"),
      state === "old" && !isFirst ? `last news ${duration(age)} ago` : "",
    );
    const isBroken = source.readyState === EventSource.CLOSED;
    const triedFor = performance.now() - openedAt;
    if ((isBroken && triedFor > 1_000) || (isOld && triedFor > DEAD_MS)) open();
  };

  open();
  setInterval(show, 500);
  // A tab that was asleep looks at once.
  document.addEventListener("visibilitychange", show);
}
