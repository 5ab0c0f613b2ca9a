/**
 * Shows peers that use TLS with certificates from a private authority. Only a
 * client that was given `ca.crt` trusts them. `certificates.ts` makes such
 * certificates. To run two peers:
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

// When this process asks a peer, it trusts this authority in addition to the ones
// that Deno trusts by default.
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
