/** A program that fails while its screen is open, in the way that its argument says. */

import { Terminal } from "../../serve/top/terminal.ts";

const terminal = new Terminal({
  key: () => {},
  resized: () => {},
  signal: () => {},
});
terminal.draw(["it is drawn"]);
setTimeout(() => {
  const error = new Error("it went wrong");
  if (Deno.args[0] === "error") throw error;
  if (Deno.args[0] === "exit") Deno.exit(3);
  Promise.reject(error);
}, 0);
