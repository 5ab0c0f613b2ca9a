/**
 * The numbers as Debian's Prometheus sees them: `deno task test:prometheus`. It scrapes
 * three pools of this process, evaluates the alerts, and answers the queries of the
 * dashboard. promtool checks the text and tests the alerts. Without the two programs it
 * says so and is done.
 *
 * @module
 */

import { parse, stringify } from "yaml";
import { HTTPPool, metrics, METRICS_TYPE } from "../../mod.ts";
import { until } from "../interop/mixed.ts";
import { expect } from "../interop/model.ts";
import { check, tally } from "../interop/trial.ts";
import { type Dashboard, filledIn } from "../support/grafana.ts";
import { SILENT } from "../support/logger.ts";
import { Page } from "../support/metrics.ts";
import { freePorts, Program } from "../support/process.ts";

/** Far longer than the whole run takes. */
const LIMIT_MS = 120_000;

/** How often another port is tried. */
const TRIES = 5;

const root = new URL("../../", import.meta.url);
const examples = new URL("examples/", root);

/** Names that the format could trip over. */
const NAMES = [
  ...["scores", 'a"b', "a\\b", "a\\n", "a\nb", "a\rb", "a\0b", "{x}", "日本😀"],
  ...["\u2028", "\ufeffa", '"} 1', "# TYPE x gauge"],
];

/** A pool that is served, with its numbers. */
class Served {
  readonly pool: HTTPPool;
  readonly address: string;
  readonly #server: Deno.HttpServer;

  constructor(port: number) {
    this.address = `127.0.0.1:${port}`;
    const pool = new HTTPPool(`http://${this.address}`, { logger: SILENT });
    this.pool = pool;
    metrics(pool);
    for (const name of NAMES) {
      pool.group(name, (key) => {
        if (key.startsWith("bad")) throw new Error("no such table");
        return key.startsWith("none") ? undefined : `<${key}>`;
      }, { maxBytes: name === "scores" ? 64 * 1024 : Infinity });
    }
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port, onListen: () => {} },
      (request) =>
        new URL(request.url).pathname === "/metrics"
          ? new Response(metrics(pool), {
            headers: { "Content-Type": METRICS_TYPE },
          })
          : pool.handler(request),
    );
  }

  async end(): Promise<void> {
    await this.pool.close();
    await this.#server.shutdown();
  }
}

/** Some traffic, with all kinds of ends. */
async function ask(pools: readonly HTTPPool[]): Promise<void> {
  for (const [place, name] of NAMES.entries()) {
    for (const pool of pools) {
      const group = pool.getGroup(name)!;
      const keys = Array.from({ length: 20 + place }, (_, i) => `key ${i}`);
      await group.getMany([...keys, "bad", "none"]);
      await group.getMany(keys);
      await group.remove("key 1");
    }
  }
  const scores = pools[0]!.getGroup("scores")!;
  for (let i = 0; i < 3_000; i++) await scores.get(`many ${i}`);
}

/** What promtool says of something, if it is content. */
async function promtool(args: string[], input = ""): Promise<string> {
  const child = new Deno.Command("promtool", {
    args,
    cwd: root,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const [out, err] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes).trim()
  );
  // What it would do better it says there, too.
  expect(code === 0 && err === "", `${args.join(" ")}: ${out}\n${err}`);
  return out!;
}

/** The example's configuration, for other targets and in a hurry. */
async function configure(
  folder: string,
  targets: readonly string[],
): Promise<string> {
  const prometheus = new URL("prometheus/", examples);
  const config = parse(
    await Deno.readTextFile(new URL("prometheus.yml", prometheus)),
  );
  for (const name of config.rule_files) {
    await Deno.copyFile(new URL(name, prometheus), `${folder}/${name}`);
  }
  config.global = { scrape_interval: "500ms", evaluation_interval: "500ms" };
  config.scrape_configs[0].static_configs[0].targets = targets;
  const file = `${folder}/prometheus.yml`;
  await Deno.writeTextFile(file, stringify(config));
  return file;
}

/** What runs still. */
const programs = new Set<Program>();

/** A Prometheus at a port of its own. */
class Prometheus {
  readonly #origin: string;
  readonly #program: Program;

  private constructor(port: number, program: Program) {
    this.#origin = `http://127.0.0.1:${port}`;
    this.#program = program;
  }

  static async start(folder: string, config: string): Promise<Prometheus> {
    for (let i = 0; i < TRIES; i++) {
      const [port] = freePorts(1);
      const program = new Program([
        `--config.file=${config}`,
        `--storage.tsdb.path=${folder}/data-${i}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ], { path: "prometheus" });
      programs.add(program);
      try {
        await program.said(/Server is ready to receive web requests/);
        return new Prometheus(port!, program);
      } catch (error) {
        await program.stop();
        programs.delete(program);
        if (!/address already in use/.test(`${error}`)) throw error;
      }
    }
    throw new Error(`no port was free, ${TRIES} times`);
  }

  /** What its HTTP API answers. */
  // deno-lint-ignore no-explicit-any
  async api(path: string, query: Record<string, string> = {}): Promise<any> {
    const url = new URL(`/api/v1/${path}`, this.#origin);
    for (const [name, value] of Object.entries(query)) {
      url.searchParams.set(name, value);
    }
    const answer = await (await fetch(url)).json();
    expect(answer.status === "success", `${path}: ${JSON.stringify(answer)}`);
    return answer.data;
  }

  async query(
    query: string,
  ): Promise<{ metric: Record<string, string>; value: [number, string] }[]> {
    return (await this.api("query", { query })).result;
  }

  async end(): Promise<void> {
    await this.#program.stop();
    programs.delete(this.#program);
  }
}

/** A series as one text, to be compared. */
function asText(name: string, labels: object, value: number): string {
  return `${name} ${JSON.stringify(Object.entries(labels).sort())} ${value}`;
}

async function tryOut(
  served: readonly Served[],
  prometheus: Prometheus,
): Promise<void> {
  const pages = () => served.map(({ pool }) => metrics(pool));

  await check("promtool finds no fault with the text", async () => {
    for (const page of pages()) await promtool(["check", "metrics"], page);
    return `${pages()[0]!.length} bytes`;
  });

  await check("Prometheus has every series with its value", async () => {
    const expected = () =>
      new Set(
        served.flatMap(({ pool, address: instance }) =>
          new Page(metrics(pool)).series.map(({ name, labels, value }) =>
            asText(name, { ...labels, instance, job: "geecache" }, value)
          )
        ),
      );
    const found = async () => {
      const all = await prometheus.query('{__name__=~"geecache_.+"}');
      return new Set(
        all.map(({ metric: { __name__: name, ...labels }, value: [, value] }) =>
          asText(name!, labels, value === "+Inf" ? Infinity : Number(value))
        ),
      );
    };
    let differ: string[] = [];
    await until("last scrape", async () => {
      // Links that nobody uses end meanwhile.
      const [here, there] = [expected(), await found()];
      differ = [...here.symmetricDifference(there)];
      return differ.length === 0;
    }).catch(() => {
      throw new Error(differ.slice(0, 6).join("\n"));
    });
    return `${expected().size} series`;
  });

  await check("all targets are up", async () => {
    const { activeTargets } = await prometheus.api("targets");
    for (const { health, lastError, scrapeUrl } of activeTargets) {
      expect(health === "up", `${scrapeUrl}: ${health}, ${lastError}`);
    }
    return `${activeTargets.length} targets`;
  });

  await check("it evaluates the alerts, and none fires", async () => {
    const rules = async (): Promise<
      { name: string; health: string; state: string; lastError?: string }[]
    > => (await prometheus.api("rules")).groups[0].rules;
    await until(
      "evaluation",
      async () => (await rules()).every(({ health }) => health !== "unknown"),
    );
    for (const { name, health, state, lastError } of await rules()) {
      expect(health === "ok", `${name}: ${lastError}`);
      expect(state !== "firing", `${name}: ${state}`);
    }
    return `${(await rules()).length} alerts`;
  });

  await check("every query of the dashboard has an answer", async () => {
    const { panels }: Dashboard = JSON.parse(
      await Deno.readTextFile(new URL("grafana/geecache.json", examples)),
    );
    const targets = panels.flatMap(({ targets }) => targets ?? []);
    for (const { expr } of targets) {
      const query = filledIn(expr, "30s");
      // A filter has none while nothing drains.
      const mayBeEmpty = query.endsWith(" > 0");
      await until(
        `answer to ${query}`,
        async () => (await prometheus.query(query)).length > 0 || mayBeEmpty,
      );
    }
    return `${targets.length} queries`;
  });

  await check("a process that ends is seen as out of reach", async () => {
    const [victim, ...others] = served as [Served, ...Served[]];
    await victim.end();
    await until("breaker that is open", async () => {
      for (const { pool } of others) {
        await pool.getGroup("scores")!.getMany(["a", "b", "c", "d", "e"]);
      }
      return others.every(({ pool }) =>
        pool.stats().peers.some(({ state }) => state === "open")
      );
    });
    const down = `count by (peer) (geecache_peer_up == 0)`;
    await until("answer", async () => {
      const [found, ...rest] = await prometheus.query(down);
      return found?.metric.peer === `http://${victim.address}` &&
        Number(found.value[1]) === 2 && rest.length === 0;
    });
  });
}

async function main(): Promise<number> {
  for (const name of ["prometheus", "promtool"]) {
    try {
      await new Deno.Command(name, { args: ["--version"] }).output();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      console.log(
        `Skipped: ${name} is not on this machine; Debian has it in "prometheus"`,
      );
      return 0;
    }
  }
  const prometheusFiles = "examples/prometheus";
  await check("promtool takes the configuration and the alerts", async () => {
    await promtool(["check", "config", `${prometheusFiles}/prometheus.yml`]);
    await promtool(["check", "rules", `${prometheusFiles}/alerts.yml`]);
  });
  await check("the alerts fire when they should", async () => {
    await promtool(["test", "rules", "tests/prometheus/alerts.yml"]);
  });

  const folder = await Deno.makeTempDir();
  const served = freePorts(3).map((port) => new Served(port));
  let prometheus: Prometheus | undefined;
  try {
    const targets = served.map(({ address }) => address);
    const urls = targets.map((address) => `http://${address}`);
    for (const { pool } of served) pool.setPeers(urls);
    const config = await configure(folder, targets);
    prometheus = await Prometheus.start(folder, config);
    await ask(served.map(({ pool }) => pool));
    await tryOut(served, prometheus);
  } finally {
    await prometheus?.end();
    for (const one of served) await one.end();
    await Deno.remove(folder, { recursive: true });
  }
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0 ? 0 : 1;
}

if (import.meta.main) {
  const giveUp = (why: string) => (): void => {
    console.log(why);
    for (const program of programs) program.kill("SIGKILL");
    Deno.exit(1);
  };
  setTimeout(giveUp(`The run takes more than ${LIMIT_MS} ms`), LIMIT_MS);
  Deno.addSignalListener("SIGINT", giveUp("Interrupted"));
  Deno.addSignalListener("SIGTERM", giveUp("Terminated"));
  Deno.exit(await main());
}
