/**
 * Processes on Deno and Node that find each other by a real DNS server on this machine:
 * `deno task test:dns`. Without dnsmasq it says so and is done.
 *
 * Addresses of one port are all of 127.0.0.0/8, which Linux has.
 *
 * @module
 */

import { installRuntime } from "../../scripts/runtimes.ts";
import { freePorts, Program } from "../support/process.ts";
import { Dnsmasq, DOMAIN } from "./dnsmasq.ts";
import { until } from "./mixed.ts";
import { expect } from "./model.ts";
import { Missing } from "./proxy_programs.ts";
import { check, tally } from "./trial.ts";

/** Far longer than the whole run takes. */
const LIMIT_MS = 120_000;

const PEERS = `peers.${DOMAIN}`;
const SERVICE = `_geecache._tcp.${DOMAIN}`;

/** How `dns_node.ts` is started on each runtime. */
type Commands = ReadonlyMap<string, readonly string[]>;

/** All that was started, which is ended whatever happens. */
const started = new Set<Follower>();

/** A process that follows a name. */
class Follower {
  readonly name: string;
  readonly self: string;
  readonly program: Program;

  constructor(
    [runtime, command]: readonly [string, readonly string[]],
    self: string,
    dns: Dnsmasq,
    name: string,
  ) {
    this.name = `${runtime} at ${self}`;
    this.self = self;
    const [path, ...args] = command as [string, ...string[]];
    this.program = new Program([...args, self, `${dns.port}`, name], {
      path,
      env: { NO_PROXY: "127.0.0.0/8,localhost" },
    });
    started.add(this);
  }

  async ask(path: string): Promise<string> {
    return await (await fetch(this.self + path)).text();
  }

  /** Waits until its list has these origins, and no others. */
  async has(origins: readonly string[]): Promise<void> {
    const list = JSON.stringify(origins.toSorted());
    let said = "";
    await until(`list of ${list} in ${this.name}`, async () => {
      said = await this.ask("/nodes");
      return said === list;
    }).catch((error) => {
      throw new Error(`${error.message}, but ${said}`);
    });
  }
}

/** Starts processes on the runtimes in turn. */
async function startAll(
  commands: Commands,
  selves: readonly string[],
  dns: Dnsmasq,
  name: string,
): Promise<Follower[]> {
  const runtimes = [...commands];
  const followers = selves.map((self, i) =>
    new Follower(runtimes[i % runtimes.length]!, self, dns, name)
  );
  for (const { program } of followers) await program.said(/^running at/);
  return followers;
}

/** Waits until each has these origins in its list. */
async function allHave(
  followers: readonly Follower[],
  origins: readonly string[],
): Promise<void> {
  await Promise.all(followers.map((follower) => follower.has(origins)));
}

/** Asks each process for each of some numbers; gives how many were loaded. */
async function askAll(
  followers: readonly Follower[],
  from: number,
): Promise<number> {
  const loads = async (): Promise<number> => {
    const counts = await Promise.all(followers.map((one) => one.ask("/loads")));
    return counts.map(Number).reduce((a, b) => a + b);
  };
  const before = await loads();
  for (let number = from; number < from + 40; number++) {
    for (const follower of followers) {
      const said = await follower.ask(`/get?key=${number}`);
      expect(said === `${number ** 2}`, `${follower.name} says ${said}`);
    }
  }
  return await loads() - before;
}

/** Ends all: each is to end by itself once its pool is closed. */
async function stopAll(followers: readonly Follower[]): Promise<void> {
  const codes = await Promise.all(followers.map(({ program }) => {
    return program.stop();
  }));
  expect(codes.every((code) => code === 0), `exit codes ${codes}`);
}

async function tryAddresses(commands: Commands, dns: Dnsmasq): Promise<void> {
  console.log("A and AAAA records");
  const [port] = freePorts(1) as [number];
  const addresses = [1, 2, 3, 4].map((i) => `127.0.0.${i}`);
  const selves = addresses.map((address) => `http://${address}:${port}`);
  await dns.start({ addresses: addresses.slice(0, 1) });
  const followers = await startAll(commands, selves, dns, PEERS);
  await check("a process that is not listed says so, once", async () => {
    await allHave(followers, selves.slice(0, 1));
    for (const { self, program } of followers) {
      const times = program.count(/is not in its own list of peers/);
      expect(times === (self === selves[0] ? 0 : 1), `${self}: ${times}`);
    }
  });
  await check(
    "all join when they are listed, and are one cache",
    async () => {
      await dns.change(addresses);
      await allHave(followers, selves);
      const loads = await askAll(followers, 0);
      expect(loads === 40, `${loads} loads of 40 keys`);
    },
  );
  await check("an AAAA record is an origin in brackets", async () => {
    await dns.change([...addresses, "fd00::9"]);
    await allHave(followers, [...selves, `http://[fd00::9]:${port}`]);
    await dns.change(addresses);
    await allHave(followers, selves);
  });
  await check("a process that is no longer listed leaves", async () => {
    await dns.change(addresses.slice(0, 3));
    await allHave(followers, selves.slice(0, 3));
    const loads = await askAll(followers.slice(0, 3), 100);
    expect(loads === 40, `${loads} loads of 40 keys`);
  });
  const keeps = /keeps its list of peers until there is a new one: /;
  const again = /has a list of peers again/;
  const failed = (times: number): Promise<void> =>
    until(
      `failure number ${times}`,
      () => followers.every(({ program }) => program.count(keeps) === times),
    );
  await check("a name without records changes nothing", async () => {
    await dns.change([]);
    await failed(1);
    await allHave(followers, selves.slice(0, 3));
  });
  await check("a server that is gone changes nothing", async () => {
    await dns.change(addresses.slice(0, 3));
    await until(
      "lists again",
      () => followers.every(({ program }) => program.count(again) === 1),
    );
    await dns.stop();
    await failed(2);
    await allHave(followers, selves.slice(0, 3));
    const loads = await askAll(followers.slice(0, 3), 200);
    expect(loads === 40, `${loads} loads of 40 keys`);
    return followers[0]!.program.lines.findLast((line) => keeps.test(line))!
      .replace(/.*: /, "");
  });
  await check("a server that is back is followed again", async () => {
    await dns.start({ addresses });
    await allHave(followers, selves);
  });
  await check(
    "all end by themselves when they close",
    () => stopAll(followers),
  );
  await dns.stop();
}

async function tryServices(commands: Commands, dns: Dnsmasq): Promise<void> {
  console.log("SRV records");
  const ports = freePorts(4);
  const selves = ports.map((port) => `http://localhost:${port}`);
  await dns.start({ ports });
  const followers = await startAll(commands, selves, dns, SERVICE);
  await check("all targets of a service are one cache", async () => {
    await allHave(followers, selves);
    const loads = await askAll(followers, 0);
    expect(loads === 40, `${loads} loads of 40 keys`);
  });
  await check("a target that is no longer listed leaves", async () => {
    await dns.stop();
    await dns.start({ ports: ports.slice(1) });
    await allHave(followers, selves.slice(1));
  });
  await check(
    "all end by themselves when they close",
    () => stopAll(followers),
  );
  await dns.stop();
}

async function commandsOf(folder: string): Promise<Commands> {
  const url = new URL("dns_node.ts", import.meta.url);
  const program = decodeURIComponent(url.pathname);
  const { path } = await installRuntime("node24", folder);
  return new Map([
    ["deno", [Deno.execPath(), "run", "--quiet", "--allow-all", program]],
    ["node24", [path, "--no-warnings", program]],
  ]);
}

async function stopPrograms(dns: Dnsmasq): Promise<void> {
  await Promise.all([...started].map(({ program }) => program.stop()));
  await dns.stop();
}

async function main(): Promise<number> {
  const folder = await Deno.makeTempDir();
  const dns = new Dnsmasq(folder);
  setTimeout(async () => {
    console.log(`The run takes more than ${LIMIT_MS} ms`);
    await stopPrograms(dns);
    Deno.exit(1);
  }, LIMIT_MS);
  try {
    try {
      await dns.start({});
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      console.log(`Peers from DNS: left out: ${error.message}`);
      return 0;
    }
    await dns.stop();
    const commands = await commandsOf(folder);
    await tryAddresses(commands, dns);
    await tryServices(commands, dns);
  } finally {
    await stopPrograms(dns);
    await Deno.remove(folder, { recursive: true });
  }
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
