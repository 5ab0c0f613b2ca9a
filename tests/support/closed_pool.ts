/** A script that closes a pool while clients wait for its answers, and prints them. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { HTTPPool } from "../../mod.ts";
import { toNodeHandler } from "../../node.ts";
import { encodeKeys } from "../../protocol/frames.ts";

const pool = new HTTPPool("http://127.0.0.1:9001");
let begun = 0;
let begin!: () => void;
const allBegun = new Promise<void>((resolve) => begin = resolve);
pool.group("g", () => {
  if (++begun === 4) begin();
  return new Promise(() => {});
});
const server = createServer(toNodeHandler(pool.handler));
await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
const { port } = server.address() as AddressInfo;

const url = `http://127.0.0.1:${port}/_geecache/g`;
const peer = { "Geecache-Peer": "http://127.0.0.1:9002" };
const waits = { ...peer, "Geecache-Wait": "60000" };
const answers = [
  fetch(`${url}/a`),
  fetch(`${url}/b`, { headers: waits }),
  fetch(url, {
    method: "POST",
    headers: { ...waits, "Geecache-Method": "GET" },
    body: encodeKeys(["c", "d"]),
  }),
];
await allBegun;
await pool.close();
for (const answer of answers) {
  const response = await answer;
  const { byteLength } = await response.arrayBuffer();
  // No key of the batch has a result, so its body is empty.
  console.log(response.status, byteLength > 0);
}
server.closeAllConnections();
server.close();
