/**
 * Shows peers that use mutual TLS. A client must present a certificate that one
 * authority signed, or it can neither read nor write a key. `../certificates.ts`
 * makes such certificates. Node 22.18 and later run this file without a build:
 *
 *     npm install geecache
 *     node mutual_tls.ts 8443 8443,8444 certs/ca.crt certs/a.crt certs/a.key
 *     node mutual_tls.ts 8444 8443,8444 certs/ca.crt certs/b.crt certs/b.key
 *     curl --cacert certs/ca.crt --cert certs/a.crt --key certs/a.key https://127.0.0.1:8443/squares/12
 */

import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import process from "node:process";
import { HTTPPool } from "geecache";
import { keepAliveFetch, toNodeHandler } from "geecache/node";

const [port, ports, ...files] = process.argv.slice(2);
if (port === undefined || ports === undefined || files.length !== 3) {
  console.error("Usage: mutual_tls.ts PORT PORT,PORT,... CA CERTIFICATE KEY");
  process.exit(2);
}
const [ca, cert, key] = files.map((file) => readFileSync(file, "utf8"));

const pool = new HTTPPool(`https://127.0.0.1:${port}`, {
  // This process trusts only the authority, and presents its own certificate.
  fetch: keepAliveFetch({ ca, cert, key }),
});
pool.setPeers(ports.split(",").map((port) => `https://127.0.0.1:${port}`));

const squares = pool.group("squares", (key) => {
  console.log(`[${port}] loading ${key}`);
  return String(Number(key) ** 2);
});

const peers = toNodeHandler(pool.handler);
const server = createServer(
  // `requestCert` asks the client for a certificate. `rejectUnauthorized` closes
  // the connection if the certificate is missing or not valid.
  { ca, cert, key, requestCert: true, rejectUnauthorized: true },
  async (request, response) => {
    const key = /^\/squares\/(\d+)$/.exec(request.url ?? "/")?.[1];
    if (key === undefined) return peers(request, response);
    response.end((await squares.get(key)).bytes());
  },
);
server.listen(Number(port), "127.0.0.1", () => {
  console.log(`Listening on https://127.0.0.1:${port}/`);
});
