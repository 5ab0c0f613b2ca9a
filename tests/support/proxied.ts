/**
 * Asks a peer with each fetch, and prints what came of it, as JSON. Started by a test
 * with variables that name a proxy: `proxied.ts ORIGIN [SECRET]`.
 */

import process from "node:process";
import { HTTPPool } from "../../mod.ts";
import { keepAliveFetch } from "../../node.ts";

const [peer = "", secret] = process.argv.slice(2);
const lines: string[] = [];
const note = (line: string): void => void lines.push(line);
const kept = keepAliveFetch();
const asked: string[] = [];
for (const options of [{}, { fetch: kept }]) {
  const pool = new HTTPPool("http://client.invalid", {
    ...options,
    ...(secret === undefined ? {} : { secret }),
    logger: { debug: () => {}, info: () => {}, warn: note, error: note },
  });
  const group = pool.group("g", () => "loaded here");
  try {
    pool.setPeers([peer]);
    pool.setPeers([peer, "http://127.0.0.1:1"]);
    pool.setPeers([peer]);
    asked.push((await group.get("k")).text());
  } catch (error) {
    asked.push((error as Error).message);
  }
  await pool.close();
}
kept.close();
console.log(JSON.stringify({ asked, lines }));
