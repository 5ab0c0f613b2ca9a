/** Variables that name a proxy, such as HTTP_PROXY: the requests to peers go around it. */

import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { HTTPPool } from "../../mod.ts";
import { toNodeHandler } from "../../node.ts";
import { assertEquals } from "../support/assert.ts";
import { withServer } from "../support/node_server.ts";

const SECRET = "a-secret-of-this-pool";
const CURE =
  "name it in NO_PROXY, or give the option fetch, such as keepAliveFetch() of geecache/node";
/** Only on Deno no option of fetch goes around a proxy. */
const isDeno = process.versions.deno !== undefined;

interface Outcome {
  /** What the default fetch got, and `keepAliveFetch()`. */
  asked: string[];
  /** The warnings of the pools. */
  lines: string[];
}

/** Runs the program with variables that name a proxy. */
async function runProxied(
  args: string[],
  variables: Record<string, string>,
): Promise<Outcome> {
  const script = fileURLToPath(
    new URL("../support/proxied.ts", import.meta.url),
  );
  const child = spawn(
    process.execPath,
    [...(isDeno ? ["run", "--quiet", "--allow-all"] : []), script, ...args],
    {
      env: { ...process.env, NODE_USE_ENV_PROXY: "1", ...variables },
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  let output = "";
  child.stdout.on("data", (data) => output += String(data));
  await new Promise((done) => child.on("close", done));
  return JSON.parse(output) as Outcome;
}

/** Runs a peer and a proxy; `run` is given their origins and what reached the proxy. */
async function withProxy(
  run: (peer: string, proxy: string, proxied: string[]) => Promise<void>,
  secret?: string,
): Promise<void> {
  const pool = new HTTPPool(
    "http://127.0.0.1:9999",
    secret === undefined ? {} : { secret },
  );
  pool.group("g", () => "from the peer");
  const proxied: string[] = [];
  await withServer(
    toNodeHandler(pool.handler),
    (port) =>
      withServer((req, res) => {
        proxied.push(`${req.method}`);
        res.end("from the proxy");
      }, async (proxyPort, server) => {
        server.on("connect", (req, socket) => {
          proxied.push(`${req.method}`);
          socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
        });
        await run(
          `http://127.0.0.1:${port}`,
          `http://127.0.0.1:${proxyPort}`,
          proxied,
        );
      }),
  );
  await pool.close();
}

Deno.test("A secret never reaches a proxy that a variable names", () =>
  withProxy(async (peer, proxy, proxied) => {
    const { asked, lines } = await runProxied([peer, SECRET], {
      HTTP_PROXY: proxy,
      http_proxy: proxy,
    });
    const refusal =
      `Cannot set peers of HTTPPool: HTTP_PROXY would get the requests to ${peer} and their secret: ${CURE}`;
    assertEquals(asked, [isDeno ? refusal : "from the peer", "from the peer"]);
    assertEquals([lines, proxied], [[], []]);
  }, SECRET));

Deno.test("Requests to peers go around a proxy that a variable names, or a warning names it, once", () =>
  withProxy(async (peer, proxy, proxied) => {
    const { asked, lines } = await runProxied([peer], { HTTP_PROXY: proxy });
    const warning =
      `[Pool http://client.invalid] HTTP_PROXY gets the requests to ${peer}: ${CURE}`;
    assertEquals(asked, [
      isDeno ? "loaded here" : "from the peer",
      "from the peer",
    ]);
    assertEquals(lines, isDeno ? [warning] : []);
    assertEquals(proxied, isDeno ? ["GET"] : []);
  }));

Deno.test("A peer that NO_PROXY names is asked around the proxy, without a warning", () =>
  withProxy(async (peer, proxy, proxied) => {
    for (const NO_PROXY of ["127.0.0.1", "example.com, 127.0.0.0/8"]) {
      const { asked, lines } = await runProxied([peer, SECRET], {
        HTTP_PROXY: proxy,
        ALL_PROXY: proxy,
        NO_PROXY,
      });
      assertEquals(asked, ["from the peer", "from the peer"]);
      assertEquals([lines, proxied], [[], []]);
    }
  }, SECRET));
