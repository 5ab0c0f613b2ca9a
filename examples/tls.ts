/**
 * Peers that speak TLS, with certificates of an authority of one's own, which
 * no client trusts that was not given `ca.crt`. `certificates.ts` makes some.
 *
 *     deno run --allow-net --allow-read examples/tls.ts 8443 8443,8444 certs/ca.crt certs/a.crt certs/a.key
 *     deno run --allow-net --allow-read examples/tls.ts 8444 8443,8444 certs/ca.crt certs/b.crt certs/b.key
 *     curl --cacert certs/ca.crt https://localhost:8443/squares/12
 */

import { HTTPPool } from "@geecache/geecache";

const [port, ports, ...files] = Deno.args;
if (port === undefined || ports === undefined || files.length !== 3) {
  console.error("Usage: tls.ts PORT PORT,PORT,... CA CERTIFICATE KEY");
  Deno.exit(2);
}
const [ca, cert, key] = await Promise.all(
  files.map((file) => Deno.readTextFile(file)),
);

// Whom this process trusts when it asks: the authority, beside those that
// every Deno trusts.
const client = Deno.createHttpClient({ caCerts: [ca!] });

const pool = new HTTPPool(`https://localhost:${port}`, {
  fetch: (request) => fetch(request, { client }),
});
pool.setPeers(ports.split(",").map((port) => `https://localhost:${port}`));

const squares = pool.group("squares", (key) => {
  console.log(`[${port}] loading ${key}`);
  return String(Number(key) ** 2);
});

Deno.serve(
  { hostname: "127.0.0.1", port: Number(port), cert: cert!, key: key! },
  async (request) => {
    const { pathname } = new URL(request.url);
    const number = /^\/squares\/(\d+)$/.exec(pathname)?.[1];
    if (number === undefined) return await pool.handler(request);
    return new Response((await squares.get(number)).bytes());
  },
);
