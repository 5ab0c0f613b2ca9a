/**
 * Shows values behind an HTTP cache. The responses say how long nginx may keep them,
 * and that it may go on with old ones while it asks again, and while this process is
 * down. To run both:
 *
 *     deno run --allow-net examples/front_door.ts 8001
 *     mkdir -p /tmp/front && nginx -p /tmp/front -c $PWD/examples/nginx.conf
 *     curl -X PUT http://localhost:8080/notes/milk -d 'two bottles'
 *     curl -i http://localhost:8080/notes/milk
 *
 * The second argument is for how many seconds caches may keep a note, 10 without it.
 */

import { entryResponse, errorResponse, HTTPPool } from "@geecache/geecache";

const [port = "8001", seconds = "10"] = Deno.args;
const database = new Map([["milk", "one bottle"]]);

const pool = new HTTPPool(`http://localhost:${port}`);
const notes = pool.group("notes", (name) => {
  console.log(`[${port}] loading ${name}`);
  return database.get(name);
});

async function answer(request: Request, key: string): Promise<Response> {
  try {
    const entry = await notes.getEntry(key, { signal: request.signal });
    return await entryResponse(request, entry, {
      headers: { "Content-Type": "text/plain; charset=utf-8" },
      // A note lives until it is changed, but nobody tells nginx about that.
      maxAgeMs: Number(seconds) * 1000,
      staleWhileRevalidateMs: 60_000,
      staleIfErrorMs: 600_000,
    });
  } catch (error) {
    const asked = { group: notes.name, key };
    return errorResponse(request, error, { asked, negativeTtlMs: 2000 });
  }
}

async function change(request: Request, key: string): Promise<Response> {
  const text = await request.text();
  database.set(key, text);
  await notes.set(key, text);
  return new Response(null, { status: 204 });
}

Deno.serve({ hostname: "127.0.0.1", port: Number(port) }, async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname.startsWith("/_geecache/")) return await pool.handler(request);
  const key = /^\/notes\/(\w+)$/.exec(pathname)?.[1];
  if (key === undefined) return new Response("not found\n", { status: 404 });
  if (request.method === "PUT") return await change(request, key);
  const response = await answer(request, key);
  console.log(`[${port}] ${response.status} ${request.method} ${pathname}`);
  return response;
});
