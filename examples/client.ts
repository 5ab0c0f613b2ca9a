/**
 * A pure client: it is not in the list of peers, so it owns no key and nobody
 * asks it. It needs no port. Beside `deno task cluster`:
 *
 *     deno run --allow-net examples/client.ts http://localhost:8001,http://localhost:8002,http://localhost:8003 Tom Jack Sam
 */

import { HTTPPool } from "@geecache/geecache";

const [peers, ...names] = Deno.args;
if (peers === undefined) {
  console.error("Usage: client.ts URL,URL,... NAME ...");
  Deno.exit(2);
}

// A name for the log of those it asks; nothing listens there.
const pool = new HTTPPool("http://client.invalid");
pool.setPeers(peers.split(","));
const scores = pool.group("scores", (name) => {
  // Only called when no peer can be reached.
  throw new Error(`nobody to ask for ${name}`);
});

for (const [name, answer] of await scores.getMany(names)) {
  console.log(name, answer instanceof Error ? answer.message : answer.text());
}
await pool.close();
