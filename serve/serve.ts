/**
 * The program behind `deno task serve`: one node over a real embedded database,
 * with a front door for clients. It stops cleanly on SIGINT and SIGTERM.
 *
 * @module
 */

import { STATUS_CODE } from "@std/http/status";
import { HTTPPool, type Logger } from "../mod.ts";
import { Exit, messageOf } from "./exit.ts";
import { type Flags, readFlags, USAGE } from "./flags.ts";
import { type Answer, frontDoor, statusResponse } from "./front_door.ts";
import { openLog } from "./log.ts";
import { DEMO_MAX_BYTES, openDemo } from "./page/demo.ts";
import { Page } from "./page/page.ts";
import { openScores } from "./scores.ts";

/** How long a server may take to stop before its connections are cut. */
const STOP_TIMEOUT_MS = 2_000;

/** Resolves when the program is told to stop. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    Deno.addSignalListener("SIGINT", resolve);
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", resolve);
  });
}

function listen(
  hostname: string,
  port: number,
  answer: Answer,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ hostname, port, onListen: () => {} }, answer);
  } catch (error) {
    throw new Exit(
      error instanceof Deno.errors.AddrInUse
        ? `Cannot listen on ${hostname}:${port}: the port is in use, and --help says how to choose another`
        : `Cannot listen on ${hostname}:${port}: ${messageOf(error)}`,
    );
  }
}

/**
 * `host` in the form that a URL needs. An address that stands for this machine
 * becomes `localhost`.
 */
function urlHost(host: string): string {
  if (isLoopback(host) || host === "0.0.0.0" || host === "::") {
    return "localhost";
  }
  return host.includes(":") ? `[${host}]` : host;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

function openPool(flags: Flags, port: number, logger: Logger): HTTPPool {
  const self = flags.self ?? `http://${urlHost(flags.host)}:${port}`;
  try {
    const pool = new HTTPPool(self, { logger });
    pool.setPeers(flags.peers);
    return pool;
  } catch (error) {
    throw new Exit(messageOf(error), 2);
  }
}

async function main(args: string[]): Promise<void> {
  const flags = readFlags(args);
  if (flags.help) return console.log(USAGE);
  const stopped = stopSignal();
  const database = openScores(flags.db);
  const log = await openLog(flags.verbose);
  // The pool needs the port, and with `--port 0` the port is known only once the
  // server listens. Until the pool exists, the server answers 503.
  let answer: Answer = () => statusResponse(STATUS_CODE.ServiceUnavailable);
  const server = listen(
    flags.host,
    flags.port,
    (request) => answer(request),
  );
  const pool = openPool(flags, server.addr.port, log);
  const scores = pool.group("scores", (name) => {
    log.info(`[SlowDB] search key ${name}`);
    const score = database.scoreOf(name);
    if (score === undefined) throw new Error(`${name} not exist`);
    return score;
  }, { maxBytes: flags.maxBytes });
  if (flags.demo) openDemo(pool);
  const page = new Page({
    pool,
    admin: flags.admin || isLoopback(flags.host),
    hosts: [pool.self, ...flags.peers].map((url) => new URL(url).hostname)
      .concat(flags.host),
    maxBytesOf: (name) =>
      name === scores.name ? flags.maxBytes : DEMO_MAX_BYTES,
  });
  const door = frontDoor(
    scores,
    pool.handler,
    (key) => page.asked(scores.name, key),
  );
  answer = (request) => page.handle(request) ?? door(request);
  const servers = [server];
  if (flags.api !== undefined) {
    const notFound = (): Response => statusResponse(STATUS_CODE.NotFound);
    const api = listen(flags.host, flags.api, frontDoor(scores, notFound));
    servers.push(api);
    const origin = `http://${urlHost(flags.host)}:${api.addr.port}`;
    log.info(`the front door is open at ${origin}`);
  }
  if (!isLoopback(flags.host)) {
    log.warn(
      `listening on ${flags.host}: anybody who reaches port ${server.addr.port} may read every key`,
    );
  }
  log.info(`geecache is running at ${pool.self}`);

  await stopped;
  page.close();
  // The pool closes first. This ends the requests that wait for other nodes, so
  // they cannot delay the shutdown of a server.
  await pool.close();
  // A client that has sent half a request would hold up a shutdown for ever. The
  // program ends in any case once this is over.
  await Promise.race([
    Promise.all(servers.map((server) => server.shutdown())),
    new Promise((resolve) => setTimeout(resolve, STOP_TIMEOUT_MS)),
  ]);
  database.close();
}

if (import.meta.main) {
  try {
    await main(Deno.args);
    // Without this call, a client that has sent half a request would keep the
    // process alive, and so would an import of `@std/log` that never settles.
    Deno.exit(0);
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    console.error(error.message);
    Deno.exit(error.code);
  }
}
