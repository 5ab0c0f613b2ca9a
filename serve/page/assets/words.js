/** What is said of a node, on the page and in a terminal. */

import { many } from "./format.js";

/** The words for how a node is. */
export const HEALTH = {
  up: "up",
  returning: "coming back",
  draining: "about to close",
  silent: "silent",
  down: "down",
};

/** How a node is. */
export function healthOf({ health, process }) {
  return process === "starting" ? "starting" : HEALTH[health];
}

/** What is wrong with a node; empty if nothing is. */
export function troubleOf({ owed, ringDiffers, link, error, health, process }) {
  const troubles = [];
  if (process === "frozen") troubles.push("frozen: it runs no code");
  else if (process === "ended" && health !== "up") {
    troubles.push("others stand in for its keys");
  } else if (health !== "up" && error !== null) troubles.push(error);
  if (owed > 0) troubles.push(`${many(owed, "removal")} to be told`);
  if (ringDiffers) troubles.push("has another list of nodes");
  if (health === "up" && link === "unavailable") {
    troubles.push("no link: one request for a key");
  }
  return troubles.join(" · ");
}
