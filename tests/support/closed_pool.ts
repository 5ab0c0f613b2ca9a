/** A script that closes a pool while clients wait for its answers, and prints them. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { HTTPPool } from "../../mod.ts";
import { toNodeHandler } from "../../node.ts";
import { ASK, FrameWriter } from "../../protocol/link.ts";

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

const base = `http://127.0.0.1:${port}/_geecache/`;
const peer = { "Geecache-Peer": "http://127.0.0.1:9002" };
const waits = { ...peer, "Geecache-Wait": "60000" };
const questions = new FrameWriter();
questions.text(ASK.group, 0, "g");
for (const [id, key] of ["c", "d"].entries()) {
  questions.question(ASK.get, id, 0, 0, key);
}
const answers = [
  fetch(`${base}g/a`),
  fetch(`${base}g/b`, { headers: waits }),
  fetch(base, {
    method: "POST",
    headers: { ...peer, "Geecache-Link": "1" },
    body: new ReadableStream({ start: (one) => one.enqueue(questions.take()) }),
    duplex: "half",
  } as RequestInit),
];
await allBegun;
await pool.close();
for (const answer of answers) {
  const response = await answer;
  const { byteLength } = await response.arrayBuffer();
  // No question of the link has an answer, so its body is empty.
  console.log(response.status, byteLength > 0);
}
server.closeAllConnections();
server.close();
