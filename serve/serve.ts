/**
 * The program behind `deno task serve`: one node over a real embedded database,
 * with a front door for people.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { eTag, ifNoneMatch } from "@std/http/etag";
import { STATUS_CODE, STATUS_TEXT } from "@std/http/status";
import { DatabaseSync } from "node:sqlite";
import { type Group, HTTPPool, type Logger, NotFoundError } from "../mod.ts";

const USAGE = `Usage: deno task serve [flags]

One GeeCache node with the group "scores" over a SQLite file.

  --port PORT        where to listen; 0 takes a free port (default 9999)
  --host HOST        the address to listen on (default 127.0.0.1)
  --self URL         this node's origin, as its peers reach it
                     (default http://localhost:PORT)
  --peers URL,URL    the origins of all nodes, this one included
                     (default: this node is alone)
  --api PORT         a second port, for the front door alone
  --db FILE          the database; made and filled if it does not exist
                     (default scores.db)
  --max-bytes SIZE   the group's budget, such as 2048, 512KiB, 64MiB or 1GiB
                     (default 2KiB)
  --verbose          log each request, too
  --help             show this

Then:  curl http://localhost:9999/_geecache/scores/Tom   this node alone
       curl 'http://localhost:9999/api?key=Tom'          the whole cluster`;

/** What ends the program with one line. */
export class Exit extends Error {
  readonly code: number;
  constructor(message: string, code = 1) {
    super(message);
    this.code = code;
  }
}

export interface Flags {
  port: number;
  host: string;
  self: string | undefined;
  peers: string[];
  api: number | undefined;
  db: string;
  maxBytes: number;
  verbose: boolean;
  help: boolean;
}

export function readFlags(args: string[]): Flags {
  const texts = ["port", "host", "self", "peers", "api", "db", "max-bytes"];
  const flags = parseArgs(args, {
    string: texts,
    boolean: ["verbose", "help"],
    default: {
      port: "9999",
      host: "127.0.0.1",
      db: "scores.db",
      "max-bytes": "2KiB",
    },
    unknown: (flag: string) => {
      throw new Exit(`Unknown argument ${flag}: see --help`, 2);
    },
  });
  for (const name of texts) {
    if (flags[name] === "") throw new Exit(`--${name} needs a value`, 2);
  }
  const { host, self, db, verbose, help } = flags;
  return {
    host,
    self,
    db,
    verbose,
    help,
    port: readPort("port", flags.port),
    peers: flags.peers === undefined ? [] : flags.peers.split(","),
    api: flags.api === undefined ? undefined : readPort("api", flags.api),
    maxBytes: readSize(flags["max-bytes"]),
  };
}

function readPort(name: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65535) return port;
  throw new Exit(
    `--${name} must be a number from 0 to 65535: received ${text}`,
    2,
  );
}

function readSize(text: string): number {
  const units = { "": 1, b: 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };
  const match = /^(\d+(?:\.\d+)?) ?(|b|kib|mib|gib)$/.exec(text.toLowerCase());
  if (match === null) {
    throw new Exit(
      `--max-bytes must be a size such as 2048, 512KiB or 64MiB: received ${text}`,
      2,
    );
  }
  return Math.floor(Number(match[1]) * units[match[2] as keyof typeof units]);
}

/** One line of the log; what would break it up is escaped. */
function line(level: string, message: string): string {
  const oneLine = message.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\x9f\u2028\u2029]/g,
    (c) => JSON.stringify(c).slice(1, -1),
  );
  return `${new Date().toISOString()} ${level} ${oneLine}`;
}

const LOG_PATIENCE_MS = 500;

/**
 * The log: `@std/log` where it can be had in time, else the same lines through
 * `console`.
 */
async function openLog(verbose: boolean): Promise<Logger> {
  const level = verbose ? "DEBUG" : "INFO";
  // A variable: so nothing looks for the package before the program runs.
  const specifier = "@std/log";
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const std = await Promise.race([
      import(specifier),
      new Promise<never>((_, reject) => {
        timer = setTimeout(reject, LOG_PATIENCE_MS);
      }),
    ]);
    std.setup({
      handlers: {
        default: new std.ConsoleHandler(level, {
          useColors: false,
          formatter: (record: { levelName: string; msg: string }) =>
            line(record.levelName, record.msg),
        }),
      },
      loggers: { default: { level, handlers: ["default"] } },
    });
    return std.getLogger();
  } catch {
    const write = (level: string) => (message: string): void =>
      console.log(line(level, message));
    return {
      debug: verbose ? write("DEBUG") : () => {},
      info: write("INFO"),
      warn: write("WARN"),
      error: write("ERROR"),
    };
  } finally {
    clearTimeout(timer);
  }
}

interface Scores {
  scoreOf(name: string): string | undefined;
  close(): void;
}

/** Opens the database; the first to come makes and fills it. */
function openScores(file: string): Scores {
  try {
    const db = new DatabaseSync(file);
    db.exec("PRAGMA busy_timeout = 5000");
    // Several nodes may start at once on a new file: one of them gets to write.
    db.exec("BEGIN IMMEDIATE");
    const known = db.prepare(
      "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'scores'",
    );
    if (known.get() === undefined) {
      db.exec(`
        CREATE TABLE scores (name TEXT PRIMARY KEY, score TEXT NOT NULL);
        INSERT INTO scores VALUES ('Tom', '630'), ('Jack', '589'), ('Sam', '567');
      `);
    }
    db.exec("COMMIT");
    const select = db.prepare("SELECT score FROM scores WHERE name = ?");
    return {
      scoreOf: (name) => select.get(name)?.score?.toString(),
      close: () => db.close(),
    };
  } catch (error) {
    throw new Exit(`Cannot open database ${file}: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `/api?key=`: asks the whole cluster, and saves a client what it has already. */
async function answerApi(request: Request, scores: Group): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return status(STATUS_CODE.MethodNotAllowed, undefined, {
      Allow: "GET, HEAD",
    });
  }
  const key = new URL(request.url).searchParams.get("key");
  if (!key) return status(STATUS_CODE.BadRequest, "key is required");
  try {
    const view = await scores.get(key, { signal: request.signal });
    const bytes = view.bytes();
    const tag: string = await eTag(bytes);
    const headers = {
      "Content-Type": "application/octet-stream",
      "Cache-Control": "no-cache",
      "ETag": tag,
    };
    return ifNoneMatch(request.headers.get("If-None-Match"), tag)
      ? new Response(bytes, { headers })
      : new Response(null, { status: STATUS_CODE.NotModified, headers });
  } catch (error) {
    return error instanceof NotFoundError
      ? status(STATUS_CODE.NotFound, error.message)
      : status(STATUS_CODE.InternalServerError, messageOf(error));
  }
}

function status(
  code: keyof typeof STATUS_TEXT,
  message: string = STATUS_TEXT[code],
  headers?: Record<string, string>,
): Response {
  return new Response(`${message}\n`, {
    status: code as number,
    headers: { "Content-Type": "text/plain; charset=utf-8", ...headers },
  });
}

/** Resolves when the program is told to stop. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    Deno.addSignalListener("SIGINT", resolve);
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", resolve);
  });
}

type Answer = (request: Request) => Response | Promise<Response>;

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
        ? `Cannot listen on ${hostname}:${port}: the port is in use`
        : `Cannot listen on ${hostname}:${port}: ${messageOf(error)}`,
    );
  }
}

/** A host as a URL has it; one that means "here" as `localhost`. */
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
  // The port may be known only once it is listened on.
  let answer: Answer = () => status(STATUS_CODE.ServiceUnavailable);
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
  const frontDoor = (otherwise: Answer): Answer => (request) =>
    new URL(request.url).pathname === "/api"
      ? answerApi(request, scores)
      : otherwise(request);
  answer = frontDoor(pool.handler);
  const servers = [server];
  if (flags.api !== undefined) {
    const notHere = (): Response => status(STATUS_CODE.NotFound);
    const api = listen(flags.host, flags.api, frontDoor(notHere));
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
  // Ends the waits first, so that no request keeps a server from ending.
  await pool.close();
  await Promise.all(servers.map((server) => server.shutdown()));
  database.close();
}

if (import.meta.main) {
  try {
    await main(Deno.args);
    // Without this, an import that never came would keep the process waiting.
    Deno.exit(0);
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    console.error(error.message);
    Deno.exit(error.code);
  }
}
