/**
 * Shows a pool inside a larger server, where its handler is one route among
 * others. To run it:
 *
 *     deno run --allow-net examples/router.ts
 *     curl http://localhost:8000/squares/12
 *     curl http://localhost:8000/_geecache/squares/12
 *     curl http://localhost:8000/stats
 */

import { HTTPPool } from "@geecache/geecache";

const port = Number(Deno.args[0] ?? 8000);
const pool = new HTTPPool(`http://localhost:${port}`);
const squares = pool.group("squares", (key) => {
  const number = Number(key);
  if (!Number.isSafeInteger(number)) return undefined;
  return String(number ** 2);
});

async function route(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname.startsWith("/_geecache/")) return await pool.handler(request);
  if (pathname === "/stats") return Response.json(squares.stats());
  const key = /^\/squares\/([^/]+)$/.exec(pathname)?.[1];
  if (key === undefined) return new Response("not found\n", { status: 404 });
  try {
    return new Response((await squares.get(key)).bytes());
  } catch (error) {
    return new Response(`${error}\n`, { status: 404 });
  }
}

Deno.serve({ hostname: "127.0.0.1", port }, route);
