/** Opens the parts of the page and hands them the news. */

import { askFor, openAsk, showAsk } from "./ask.js";
import { openCharts } from "./charts.js";
import { openDemo, showDemo } from "./demo.js";
import { byId, setAttributes, setText } from "./dom.js";
import { showKeys } from "./keys.js";
import { openLive } from "./live.js";
import { showNodes } from "./nodes.js";
import { showRing } from "./ring.js";

setText(byId("place"), location.host);
document.title = `${location.host} · GeeCache`;
const charts = openCharts();
openAsk();
openDemo();
let isFirst = true;
openLive({
  history: (points) => charts.history(points),
  view: (view) => {
    charts.add(view.point);
    showRing(view);
    showNodes(view);
    showAsk(view);
    showKeys(view, askFor);
    showDemo(view);
    setAttributes(byId("read-only"), { hidden: view.admin ? "" : undefined });
    // The scores of the tutorial are what a visitor finds first.
    if (isFirst && view.groups?.includes("scores")) {
      byId("ask-group").value = "scores";
      byId("ask-key").value = "Tom";
    }
    isFirst = false;
  },
});
