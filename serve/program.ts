/**
 * Builds a node from its settings: sources, groups, pool, handlers and servers.
 *
 * @module
 */

import { STATUS_CODE } from "@std/http/status";
import {
  type Group,
  HTTPPool,
  type HTTPPoolOptions,
  type Logger,
} from "../mod.ts";
import { systemClock as clock } from "../base/clock.ts";
import type { Settings } from "./config.ts";
import { listsOf } from "./discover.ts";
import { Exit, messageOf } from "./exit.ts";
import { frontDoor, type OpenGroup } from "./front_door.ts";
import type { GroupSettings } from "./groups.ts";
import { Page } from "./page/page.ts";
import { type Handler, inOrder, statusResponse, UnderWay } from "./handlers.ts";
import { health, type Surroundings } from "./health.ts";
import { isLoopbackName } from "./hosts.ts";
import { numbers } from "./numbers.ts";
import { Servers } from "./servers.ts";
import { loadLog } from "./load_log.ts";
import { identityOf, trustOf } from "./secrets.ts";
import { type OpenSource, openSource } from "./sources/open.ts";
import { stop } from "./stop.ts";

/** A node that runs. */
export interface Program {
  readonly pool: HTTPPool;
  /** Stops in order, within a limit. */
  stop(): Promise<void>;
}

/**
 * Starts a node.
 *
 * @throws {Exit} if that is not possible
 */
export async function startProgram(
  settings: Settings,
  log: Logger,
): Promise<Program> {
  const read = (file: string): string => Deno.readTextFileSync(file);
  const identity = identityOf(settings, read);
  const trust = await trustOf(settings, identity, read);
  const sources = settings.groups.map((group) => openSource(group, log));
  const servers = new Servers(settings.host, identity);

  // The pool needs the port, and with `--port 0` the port is known only once the server
  // listens. What comes until then is refused.
  const state = { started: false, stopping: false };
  const probes: Handler[] = [
    health((): Surroundings => ({
      ...state,
      ...membershipOf(settings),
      // Before it has started, there is no pool.
      self: state.started ? pool.self : "",
      nodes: state.started ? pool.stats().nodes : [],
    })),
  ];
  const { "health-port": healthPort, api } = settings;
  const handlers: Handler[] = [
    ...(healthPort === undefined ? probes : []),
    () =>
      state.started
        ? undefined
        : statusResponse(STATUS_CODE.ServiceUnavailable),
  ];
  if (healthPort !== undefined) {
    const { origin } = await servers.open(healthPort, inOrder(probes), true);
    log.info(`health is served at ${origin}`);
  }
  const { port, origin } = await servers.open(
    settings.port,
    inOrder(handlers),
  );

  const pool = openPool(settings.self ?? origin, settings, {
    ...trust,
    logger: log,
  });
  const page = openPage(pool, settings, trust.fetch);
  // The demo tells of its loads by itself, and its errors are a part of it.
  const isDemo = settings.groups[0]!.source.kind === "scores";
  if (!isDemo) pool.observe(loadLog(log, clock.now));
  const underWay = new UnderWay();
  const door = frontDoor({
    groups: openGroups(pool, settings.groups, sources),
    underWay,
    asked: (group, key) => page.asked(group, key),
  });
  (healthPort === undefined ? handlers : probes).push(numbers(pool));
  handlers.push((request) => page.handle(request), door, pool.handler);
  if (api !== undefined) {
    const { origin } = await servers.open(api, inOrder([door]));
    log.info(`the front door is open at ${origin}`);
  }
  warnOfStrangers(settings, port, log);
  state.started = true;
  log.info(`geecache is running at ${pool.self}`);

  return {
    pool,
    stop: async () => {
      log.info("geecache is stopping");
      await stop({
        beUnready: () => {
          state.stopping = true;
          // Those who watch would hold up the end.
          page.close();
        },
        drain: (timeoutMs) => pool.drain({ timeoutMs, close: false }),
        finish: () => underWay.close(),
        close: () => pool.close(),
        shutdown: () => servers.shutdown(),
      }, {
        drainMs: settings["drain-timeout"],
        stopMs: settings["stop-timeout"],
        clock,
      });
      for (const source of sources) source.close();
    },
  };
}

/** What readiness expects of the list of nodes. */
function membershipOf(
  { peers = [], discover, "min-peers": minPeers }: Settings,
): Pick<Surroundings, "isMember" | "minPeers"> {
  return {
    isMember: discover !== undefined || peers.length > 0,
    minPeers: minPeers ??
      (discover !== undefined || peers.length > 1 ? 1 : 0),
  };
}

function openPool(
  self: string,
  { peers = [], discover: place, "discover-every": everyMs }: Settings,
  options: ConstructorParameters<typeof HTTPPool>[1],
): HTTPPool {
  try {
    const pool = new HTTPPool(self, options);
    pool.setPeers(peers);
    if (place !== undefined) {
      const protocol = new URL(pool.self).protocol === "https:"
        ? "https"
        : "http";
      pool.follow(listsOf(place, { protocol, everyMs }));
    }
    return pool;
  } catch (error) {
    throw new Exit(messageOf(error), 2);
  }
}

function openPage(
  pool: HTTPPool,
  settings: Settings,
  fetch: HTTPPoolOptions["fetch"],
): Page {
  const { host, admin } = settings;
  return new Page({
    pool,
    admin: admin || isLoopbackName(host),
    hosts: [host, new URL(pool.self).hostname],
    ...(fetch === undefined ? {} : { fetch }),
  });
}

function openGroups(
  pool: HTTPPool,
  all: readonly GroupSettings[],
  sources: readonly OpenSource[],
): OpenGroup[] {
  try {
    return all.map((settings, i) => ({
      settings,
      group: openGroup(pool, settings, sources[i]!),
    }));
  } catch (error) {
    throw new Exit(messageOf(error), 2);
  }
}

function openGroup(
  pool: HTTPPool,
  { name, maxBytes, ttlMs, negativeTtlMs, loadTimeoutMs, ...windows }:
    GroupSettings,
  { getter }: OpenSource,
): Group {
  const { staleWhileRevalidateMs, staleIfErrorMs } = windows;
  return pool.group(name, getter, {
    maxBytes,
    ttlMs,
    negativeTtlMs,
    loadTimeoutMs,
    staleWhileRevalidateMs,
    staleIfErrorMs,
  });
}

function warnOfStrangers(
  { host, "tls-ca": ca }: Settings,
  port: number,
  log: Logger,
): void {
  if (isLoopbackName(host) || ca !== undefined) return;
  log.warn(
    `listening on ${host}: anybody who reaches port ${port} may read every key`,
  );
}
