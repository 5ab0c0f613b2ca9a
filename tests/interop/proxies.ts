/**
 * Two processes of each runtime with a proxy between them: `deno task test:proxies`.
 * It needs nginx and haproxy; what is not on the machine is left out, with a line
 * that says so.
 *
 * The first process asks the second through the proxy, whose origin is the second
 * one's own, and is asked directly.
 *
 * @module
 */

import type { RuntimeName } from "../../scripts/runtimes.ts";
import { freePorts } from "../support/process.ts";
import { commandsOf, until } from "./mixed.ts";
import { expect } from "./model.ts";
import { killAll, Node } from "./nodes.ts";
import { HAProxy, Missing, Nginx, type Proxy } from "./proxy_programs.ts";
import { check, forEach, tally } from "./trial.ts";

/** Far longer than the whole run takes. */
const LIMIT_MS = 300_000;

/** A link that is not there after so long counts as unavailable, with some leeway. */
const FALLBACK_MS = 2_000;

/** More than 1 MiB of questions: what nginx lets a body have. */
const LONG = "x".repeat(4_000);

/** What a proxy is configured for, and what becomes of links. */
interface Setup {
  readonly title: string;
  readonly carries: boolean;
  start(upstream: number, folder: string): Promise<Proxy>;
}

const SETUPS: readonly Setup[] = [
  {
    title: "nginx as it is",
    carries: false,
    start: (upstream, folder) => Nginx.start(upstream, folder, []),
  },
  {
    title: "nginx with proxy_request_buffering off, proxy_http_version 1.1",
    carries: true,
    start: (upstream, folder) =>
      Nginx.start(upstream, folder, [
        "proxy_request_buffering off",
        "proxy_http_version 1.1",
        "client_max_body_size 0",
      ]),
  },
  {
    title: "haproxy as Debian configures it",
    carries: false,
    start: (upstream, folder) => HAProxy.start(upstream, folder),
  },
  {
    title: "haproxy with option http-no-delay",
    carries: true,
    start: (upstream, folder) =>
      HAProxy.start(upstream, folder, ["option http-no-delay"]),
  },
];

/** Two processes of one runtime, and the proxy before the second. */
class Pair {
  readonly proxy: Proxy;
  readonly asker: Node;
  readonly behind: Node;
  #runs = 0;

  constructor(proxy: Proxy, command: readonly string[], port: number) {
    this.proxy = proxy;
    const [own] = freePorts(1);
    const self = `http://127.0.0.1:${own}`;
    const peers = `${self},${proxy.origin}`;
    this.asker = new Node("asker", self, [...command, self, peers]);
    this.behind = new Node(
      "behind",
      proxy.origin,
      [...command, proxy.origin, peers, "--port", `${port}`],
      `http://127.0.0.1:${port}`,
    );
  }

  /** Asks for keys, and checks that each has its value. */
  async get(keys: Iterable<string>): Promise<void> {
    await forEach(keys, async (key) => {
      const [answer, expected] = [await this.asker.get(key), `200 ${of(key)}`];
      expect(answer === expected, `${key.slice(0, 40)}: ${answer}`);
    });
  }

  /** Asks until there is a link, or none to be had. Returns how long that took. */
  async settle(keys: readonly string[]): Promise<number> {
    const start = Date.now();
    await until("link, nor none", async () => {
      await this.get(keys);
      const { link } = await this.asker.peer(this.proxy.origin);
      return link === "open" || link === "unavailable";
    });
    return Date.now() - start;
  }

  /** Asks while `act` runs, and for a while before and after it. Returns how often. */
  async under(act: () => Promise<void>): Promise<number> {
    let [over, gets] = [false, 0];
    this.#runs++;
    const load = Promise.all(Array.from({ length: 4 }, async (_, i) => {
      for (let round = 0; !over; round++) {
        // New keys, since the asker keeps what it loads in the peer's place.
        await this.get(numbered(`under:${this.#runs}:${i}:${round}`, 20));
        gets += 20;
      }
    }));
    const more = async (count: number): Promise<void> => {
      const wanted = gets + count;
      await Promise.race([load, until("gets", () => gets >= wanted)]);
    };
    try {
      await more(500);
      await act();
      await more(500);
    } finally {
      over = true;
      await load;
    }
    return gets;
  }

  async end(): Promise<void> {
    await Promise.all([this.asker.kill(), this.behind.kill()]);
    await this.proxy.end();
  }
}

function of(key: string): string {
  return `${key}|${"x".repeat(key.length)}`;
}

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}:${i}`);
}

async function tryOut(setup: Setup, pair: Pair): Promise<void> {
  const { asker, behind, proxy } = pair;
  const state = setup.carries ? "open" : "unavailable";
  const keys = numbered("user", 300);
  await check(`300 keys are right, and a link is ${state}`, async () => {
    const ms = await pair.settle(keys);
    const peer = await asker.peer(proxy.origin);
    const { link, linkError, questions } = peer;
    expect(link === state, `the link is ${link}: ${linkError}`);
    expect(
      (linkError === undefined) === setup.carries,
      `linkError is ${linkError}`,
    );
    expect(setup.carries || ms < FALLBACK_MS, `it took ${ms} ms`);
    const loads = [await asker.loads(), await behind.loads()];
    for (const key of keys) {
      const sum = loads.reduce((sum, { [key]: n = 0 }) => sum + n, 0);
      expect(sum === 1, `${key} was loaded ${sum} times`);
    }
    expect(peer.errors === 0, `${peer.errors} errors: ${peer.lastError}`);
    return `${ms} ms, ${questions} questions${
      linkError === undefined ? "" : `, linkError: ${linkError}`
    }`;
  });
  if (setup.carries) {
    await check("a link lives longer than 2 MiB of questions", async () => {
      const before = await asker.peer(proxy.origin);
      await pair.get(numbered(LONG, 1_200));
      const after = await asker.peer(proxy.origin);
      const more = after.questions - before.questions;
      expect(
        more * LONG.length > 2 ** 21 && after.requests === before.requests,
        `${more} questions and ${
          after.requests - before.requests
        } requests, link ${after.link}: ${after.linkError}`,
      );
      return `${more} questions`;
    });
  }
  await check("the proxy is reloaded under load: no get fails", async () => {
    const gets = await pair.under(() => proxy.reload());
    return `${gets} gets`;
  });
  await check(
    "the proxy is ended and started under load: no get fails",
    async () => {
      const gets = await pair.under(async () => {
        await proxy.kill();
        await until("answer without it", async () => {
          const { errors } = await asker.peer(proxy.origin);
          return errors > 0;
        });
        await proxy.startAgain();
        await until("question to the peer", async () => {
          const { state, link: now } = await asker.peer(proxy.origin);
          return state === "closed" && (!setup.carries || now === "open");
        });
      });
      return `${gets} gets`;
    },
  );
}

async function main(names: string[]): Promise<number> {
  const folder = await Deno.makeTempDir();
  try {
    const commands = await commandsOf(
      folder,
      names.length === 0 ? ["deno", "node24", "bun"] : names as RuntimeName[],
    );
    for (const setup of SETUPS) {
      for (const [name, command] of commands) {
        const [port] = freePorts(1) as [number];
        const proxy = await setup.start(port, folder).catch((error) => {
          if (!(error instanceof Missing)) throw error;
          console.log(`${setup.title}: left out: ${error.message}`);
        });
        if (proxy === undefined) break;
        console.log(`${setup.title}, between two of ${name}`);
        const pair = new Pair(proxy, command, port);
        try {
          await Promise.all([pair.asker.running, pair.behind.running]);
          await tryOut(setup, pair);
        } finally {
          await pair.end();
        }
      }
    }
  } finally {
    killAll();
    await Deno.remove(folder, { recursive: true });
  }
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0 ? 0 : 1;
}

if (import.meta.main) {
  const giveUp = (why: string) => (): void => {
    console.log(why);
    killAll();
    Deno.exit(1);
  };
  setTimeout(giveUp(`The run takes more than ${LIMIT_MS} ms`), LIMIT_MS);
  Deno.addSignalListener("SIGINT", giveUp("Interrupted"));
  Deno.addSignalListener("SIGTERM", giveUp("Terminated"));
  Deno.exit(await main(Deno.args));
}
