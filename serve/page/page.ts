/**
 * The page of a node: `/` shows what it and the other nodes of its list do, live, and
 * everything that belongs to it lies below `/_page/`.
 *
 * @module
 */

import { STATUS_CODE } from "@std/http/status";
import type { Clock, Group, HTTPPool } from "../../mod.ts";
import { systemClock } from "../../base/clock.ts";
import { messageOf } from "../exit.ts";
import { hostInUrl } from "../hosts.ts";
import { refusalOf } from "./access.ts";
import { assetResponse, isAsset, SECURITY_HEADERS } from "./assets.ts";
import { type Controls, NODE_ACTIONS, type NodeAction } from "./controls.ts";
import { DEMO_GROUP } from "../groups.ts";
import {
  getAtOnce,
  type Gets,
  MAX_GETS,
  readGets,
  split,
  sumOf,
} from "./gets.ts";
import { Hottest } from "./hottest.ts";
import { askState, type Fetch, textOf, type Told } from "./nodes.ts";
import { Recorder } from "./recorder.ts";
import { Sampler } from "./sampler.ts";
import { Ring } from "./shares.ts";
import { type NodeState, stateOf } from "./state.ts";
import { type View, Viewer } from "./view.ts";
import { readWay, type Way, wayOf } from "./way.ts";

/** Options for {@linkcode Page}. */
export interface PageOptions {
  pool: HTTPPool;
  /** Whether the page shows keys and values, asks for them, and changes something. */
  admin: boolean;
  /** Names of this process beside those of loopback, without ports. */
  hosts: readonly string[];
  /** How other nodes are asked. */
  fetch?: Fetch;
  /** What the page can do to the processes of the nodes. */
  controls?: Controls;
  clock?: Clock;
}

/** The longest body of a request. */
const MAX_BODY_BYTES = 16 * 1024;
/** How long a question of the page may take. */
const ASK_TIMEOUT_MS = 30_000;

/** A request that cannot be answered, with the status that says why. */
class BadRequest extends Error {
  readonly status: number;
  constructor(message: string, status: number = STATUS_CODE.BadRequest) {
    super(message);
    this.status = status;
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** Serves the page of a pool. */
export class Page {
  readonly #pool: HTTPPool;
  readonly #admin: boolean;
  readonly #hosts: ReadonlySet<string>;
  readonly #fetch: Fetch;
  readonly #controls: Controls | undefined;
  readonly #clock: Clock;
  readonly #hottest: Hottest;
  readonly #recorder: Recorder;
  readonly #viewer: Viewer;
  readonly #sampler: Sampler;
  readonly #commands: Readonly<
    Record<string, (fields: Fields, signal: AbortSignal) => unknown>
  > = {
    ask: (fields, signal) => this.#ask(fields, signal),
    remove: (fields) => this.#groupOf(fields).remove(keyOf(fields)),
    clear: (fields) => this.#groupOf(fields).clear(),
    burst: (fields) => this.#burst(fields),
    gets: (fields) => this.#gets(fields),
    node: (fields) => this.#act(fields),
    traffic: (fields) => this.#setTraffic(fields),
  };

  constructor(options: PageOptions) {
    const { pool, admin, hosts, controls, clock = systemClock } = options;
    const now = (): number => clock.now();
    this.#pool = pool;
    this.#admin = admin;
    this.#hosts = new Set(hosts.map(hostInUrl));
    this.#fetch = options.fetch ?? ((request) => fetch(request));
    this.#controls = controls;
    this.#clock = clock;
    this.#hottest = new Hottest(now);
    this.#recorder = new Recorder(pool, now);
    this.#viewer = new Viewer(pool, new Ring(pool));
    this.#sampler = new Sampler(clock, () => this.#sample());
  }

  /** Whether it looks at the nodes, because somebody watches. */
  get isSampling(): boolean {
    return this.#sampler.isRunning;
  }

  /** Answers a request for the page; `undefined`: it is for something else. */
  handle(request: Request): Response | Promise<Response> | undefined {
    if (!isOfPage(request.url)) return undefined;
    const { pathname } = new URL(request.url);
    const name = pathname === "/"
      ? "index.html"
      : pathname.slice("/_page/".length);
    const isCommand = Object.hasOwn(this.#commands, name);
    const method = isCommand ? "POST" : "GET";
    const refusal = refusalOf(request, this.#hosts, method);
    if (refusal !== undefined) {
      const { status, message, allow } = refusal;
      return lineOf(status, message, allow === undefined ? {} : { allow });
    }
    if (isCommand) return this.#command(name, request);
    if (name === "events") return this.#events(request);
    if (name === "state") return jsonOf(this.#state());
    if (isAsset(name)) return assetResponse(name, request);
    return lineOf(STATUS_CODE.NotFound, `There is no ${pathname}`);
  }

  /** A client asks for a key. */
  asked(group: string, key: string): void {
    this.#hottest.add(group, key);
  }

  /** Ends all that it does. */
  close(): void {
    this.#sampler.close();
    this.#recorder.close();
  }

  #state(): NodeState {
    return stateOf(
      this.#pool,
      this.#recorder,
      this.#hottest,
      this.#admin,
    );
  }

  /** What a process tells of itself. */
  async #stateOf(origin: string): Promise<NodeState | undefined> {
    if (origin === this.#pool.self) return this.#state();
    return (await askState(this.#fetch, origin)).state;
  }

  #events(request: Request): Response {
    if (request.method === "HEAD") return new Response(null, EVENTS);
    const events = this.#sampler.watch();
    if (events === undefined) {
      return lineOf(
        STATUS_CODE.ServiceUnavailable,
        "Nobody else can watch this page now",
        { "Retry-After": "10" },
      );
    }
    return new Response(events, EVENTS);
  }

  async #sample(): Promise<View> {
    const told = new Map<string, Told>();
    told.set(this.#pool.self, { state: this.#state() });
    await Promise.all(
      [...this.#pool.peers()].map(async ({ id }) => {
        told.set(id, await askState(this.#fetch, id));
      }),
    );
    const view = this.#viewer.view(
      { at: Date.now(), now: this.#clock.now(), told },
      this.#admin,
      this.#controls?.nodes(),
    );
    const traffic = this.#controls?.traffic();
    return traffic === undefined ? view : { ...view, traffic };
  }

  async #command(name: string, request: Request): Promise<Response> {
    if (!this.#admin) {
      return lineOf(
        STATUS_CODE.Forbidden,
        "This page only shows numbers: --admin lets it ask and change something",
      );
    }
    const signal = AbortSignal.any([
      request.signal,
      AbortSignal.timeout(ASK_TIMEOUT_MS),
    ]);
    try {
      const fields = await fieldsOf(request);
      const result = await this.#commands[name]!(fields, signal);
      this.#sampler.hurry();
      return jsonOf(result ?? {});
    } catch (error) {
      const status = error instanceof BadRequest
        ? error.status
        : STATUS_CODE.BadGateway;
      return jsonOf({ error: fullMessageOf(error) }, status);
    }
  }

  async #ask(fields: Fields, signal: AbortSignal): Promise<Way> {
    const key = keyOf(fields);
    const { group, at } = fields;
    if (at !== undefined && at !== this.#pool.self) {
      const node = this.#peerOf(at);
      const way = readWay(await this.#tell(node, "ask", { group, key }));
      if (way !== undefined) return way;
      throw new Error(`${node} did not answer with the way of a get`);
    }
    const asked = this.#groupOf(fields);
    this.asked(asked.name, key);
    return await wayOf(
      this.#pool,
      asked,
      key,
      (origin) => this.#stateOf(origin),
      signal,
    );
  }

  async #burst(fields: Fields): Promise<
    Gets & { group: string; key: string; ms: number; loads: number }
  > {
    const isFresh = fields.key === undefined;
    const key = isFresh
      ? `fresh-${crypto.randomUUID().slice(0, 8)}`
      : keyOf(fields);
    const group = isFresh
      ? this.#groupOf({ group: DEMO_GROUP })
      : this.#groupOf(fields);
    if (!isFresh) await group.remove(key, { unreachable: "later" });
    const { nodes, peers } = this.#pool.stats();
    const asked = peers.filter(({ state }) => state === "closed")
      .map(({ id }) => id);
    // A process that only asks is no node.
    if (peers.length === nodes.length && asked.length > 0) asked.sort();
    else asked.push(this.#pool.self);
    const all = [...new Set([...asked, this.#pool.self])];
    const states = (): Promise<(NodeState | undefined)[]> =>
      Promise.all(all.map((origin) => this.#stateOf(origin)));
    // From here on, they record their loads.
    const before = await states();
    const counts = split(MAX_GETS, asked.length);
    const startedAt = performance.now();
    const gets = await Promise.all(
      asked.map((origin, i) => this.#getsAt(origin, group, key, counts[i]!)),
    );
    const ms = performance.now() - startedAt;
    const told = await states();
    const loads = told.flatMap((state, i) => {
      const last = before[i]?.loads?.at(-1)?.id ?? 0;
      return (state?.loads ?? []).filter((load) =>
        load.id > last && load.group === group.name && load.key === key
      );
    }).length;
    return { ...sumOf(gets), group: group.name, key, ms, loads };
  }

  /** Gets in another process; in this one, if that one does not let others ask. */
  async #getsAt(
    origin: string,
    group: Group,
    key: string,
    count: number,
  ): Promise<Gets> {
    if (origin !== this.#pool.self) {
      try {
        const body = { group: group.name, key, count };
        return readGets(await this.#tell(origin, "gets", body));
      } catch {
        // See above.
      }
    }
    return await getAtOnce(group, key, count);
  }

  #gets(fields: Fields): Promise<Gets> {
    const { count } = fields;
    if (!Number.isInteger(count) || !(count as number > 0)) {
      throw new BadRequest("count must be a whole number above 0");
    }
    const bounded = Math.min(count as number, MAX_GETS);
    return getAtOnce(this.#groupOf(fields), keyOf(fields), bounded);
  }

  async #act({ node, action }: Fields): Promise<void> {
    const controls = this.#needControls();
    if (!NODE_ACTIONS.includes(action as NodeAction)) {
      throw new BadRequest(
        `action must be one of ${NODE_ACTIONS.join(", ")}: received ${action}`,
      );
    }
    await controls.act(this.#peerOf(node), action as NodeAction);
  }

  #setTraffic({ on }: Fields): void {
    if (typeof on !== "boolean") throw new BadRequest("on must be a boolean");
    this.#needControls().setTraffic(on);
  }

  #needControls(): Controls {
    if (this.#controls !== undefined) return this.#controls;
    throw new BadRequest(
      "Only the page of deno task cluster can do that",
      STATUS_CODE.NotFound,
    );
  }

  #groupOf({ group }: Fields): Group {
    const found = typeof group === "string"
      ? this.#pool.getGroup(group)
      : undefined;
    if (found !== undefined) return found;
    throw new BadRequest(`There is no group ${group}`, STATUS_CODE.NotFound);
  }

  /** An origin of the list: nothing else is ever asked. */
  #peerOf(origin: unknown): string {
    for (const { id } of this.#pool.peers()) if (id === origin) return id;
    throw new BadRequest(`There is no node ${origin}`, STATUS_CODE.NotFound);
  }

  /** Has the page of another node do something. */
  async #tell(
    origin: string,
    command: string,
    fields: Fields,
  ): Promise<unknown> {
    const answer = await this.#fetch(
      new Request(`${origin}/_page/${command}`, {
        method: "POST",
        redirect: "manual",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(fields),
        signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
      }),
    );
    const text = await textOf(answer);
    if (answer.ok) return JSON.parse(text);
    throw new Error(`${origin} answered ${answer.status}: ${text.trim()}`);
  }
}

const EVENTS = {
  headers: {
    ...SECURITY_HEADERS,
    // Compressed, an event would wait for others.
    "Cache-Control": "no-store, no-transform",
    "Content-Type": "text/event-stream",
  },
};

/** Whether the path of a URL is the page's. Each request asks, so it parses nothing. */
function isOfPage(url: string): boolean {
  const path = url.indexOf("/", url.indexOf("://") + 3);
  return path < 0 || path === url.length - 1 || url[path + 1] === "?" ||
    url.startsWith("/_page/", path);
}

async function fieldsOf(request: Request): Promise<Fields> {
  let fields: unknown;
  try {
    fields = JSON.parse(await textOf(request, MAX_BODY_BYTES));
  } catch (error) {
    throw new BadRequest(`Cannot read the body: ${messageOf(error)}`);
  }
  if (typeof fields === "object" && fields !== null) return fields as Fields;
  throw new BadRequest("The body must be an object");
}

function keyOf({ key }: Fields): string {
  if (typeof key === "string" && key !== "") return key;
  throw new BadRequest("key must be a text that is not empty");
}

/** With the reasons of all peers that could not be told. */
function fullMessageOf(error: unknown): string {
  if (!(error instanceof AggregateError)) return messageOf(error);
  return [error, ...error.errors].map(messageOf).join(": ");
}

function jsonOf(value: unknown, status: number = STATUS_CODE.OK): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: {
      ...SECURITY_HEADERS,
      "Cache-Control": "no-store",
      "Content-Type": "application/json",
    },
  });
}

function lineOf(
  status: number,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${message}\n`, {
    status,
    headers: {
      ...SECURITY_HEADERS,
      "Cache-Control": "no-store",
      "Content-Type": "text/plain; charset=utf-8",
      ...headers,
    },
  });
}
