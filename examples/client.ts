/**
 * Shows a pure client. It is not in the list of peers, so it owns no key, no peer
 * asks it, and it needs no port. To run it, start `deno task cluster` first:
 *
 *     deno run --allow-net examples/client.ts http://localhost:8001,http://localhost:8002,http://localhost:8003 Tom Jack Sam
 */

import { HTTPPool } from "@geecache/geecache";

const [peers, ...names] = Deno.args;
if (peers === undefined) {
  console.error("Usage: client.ts URL,URL,... NAME ...");
  Deno.exit(2);
}

// Peers know this client by this name. Nothing listens at the address.
const pool = new HTTPPool("http://client.invalid");
pool.setPeers(peers.split(","));
const scores = pool.group("scores", (name) => {
  // This runs only if no peer can be reached.
  throw new Error(`no peer can be asked for ${name}`);
});

for (const [name, answer] of await scores.getMany(names)) {
  console.log(name, answer instanceof Error ? answer.message : answer.text());
}
await pool.close();
