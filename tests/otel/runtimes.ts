/**
 * Two processes in one ring that send spans and measurements to a collector: on Deno,
 * which has OpenTelemetry built in, and on Node with OpenTelemetry's SDK:
 * `deno task test:otel`.
 *
 * It needs npm's registry, and nothing of what is installed on the machine.
 */

import {
  installRuntime,
  npmInstall,
  run,
  type Runtime,
} from "../../scripts/runtimes.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { attributeOf, Collector, type SentSpan } from "../support/collector.ts";
import { textOf, withPrograms } from "../support/examples.ts";
import { freePorts, Program } from "../support/process.ts";

/** The newest SDK, and the API that goes with it; `task test` has those before them. */
const SDK = ["@opentelemetry/sdk-node@0.301.0", "@opentelemetry/api@1.10.0"];

const INTERNAL = 1;
const SERVER = 2;
const CLIENT = 3;

const root = new URL("../../", import.meta.url);
let folder: string;
let node: Runtime;

/** A Node project with the example, and the set-up that docs/operations.md shows. */
Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ prefix: "geecache-" });
  const pack = ["pack", "--quiet", "--allow-dirty", "--no-source-maps"];
  const { code, output } = await run(
    Deno.execPath(),
    [...pack, "--output", `${folder}/geecache.tgz`],
    new URL(root).pathname,
  );
  assertEquals(code, 0, output);
  const manifest = JSON.stringify({ private: true, type: "module" });
  await Deno.writeTextFile(`${folder}/package.json`, manifest);
  await npmInstall([`geecache@file:${folder}/geecache.tgz`, ...SDK], folder);
  const paper = await Deno.readTextFile(new URL("docs/operations.md", root));
  const [, setUp] = /```js ignore\n(\/\/ sdk\.js\n[\s\S]*?)```/.exec(paper)!;
  await Deno.writeTextFile(`${folder}/sdk.js`, setUp!);
  const example = new URL("examples/node/otel.ts", root);
  await Deno.copyFile(example, `${folder}/otel.ts`);
  node = await installRuntime("node24", folder);
});

Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

type Start = (args: string[], env: Record<string, string>) => Program;

const onDeno: Start = (args, env) =>
  new Program(["run", "--allow-net", "examples/otel.ts", ...args], {
    env: { ...env, OTEL_DENO: "true" },
  });

const onNode: Start = (args, env) =>
  new Program(["--import", "./sdk.js", "otel.ts", ...args], {
    path: node.path,
    cwd: folder,
    env,
  });

/** Has one process ask another one, until the collector has all that comes of it. */
async function withSpans(
  start: Start,
  host: string,
  check: (collector: Collector, programs: Program[]) => Promise<void> | void,
): Promise<void> {
  const collector = new Collector();
  const ports = freePorts(2);
  const programs = ["asker", "owner"].map((service, i) =>
    start([`${ports[i]}`, ports.join()], collector.envFor(service))
  );
  try {
    await withPrograms(programs, async () => {
      for (let number = 0; number < 24; number++) {
        const url = `http://${host}:${ports[0]}/squares/${number}`;
        assertEquals(await textOf(url), `${number ** 2}`);
        await textOf(url);
      }
      const loaded = programs[1]!.count(/ loading /);
      assert(loaded > 2, `${loaded} keys of the other process`);
      await collector.until(
        "all spans",
        () =>
          // What the other process has is asked twice: no copy is kept of it.
          collector.spansOf("asker", "cache.get squares").length ===
            24 + loaded &&
          getsOf(collector).length === 2 * loaded &&
          collector.spansOf("owner", "geecache.load").length === loaded,
      );
      await check(collector, programs);
    });
  } finally {
    await collector.stop();
  }
}

/** What was asked of the other process for a load, without a look into its memory. */
function getsOf(collector: Collector): SentSpan[] {
  return collector.spansOf("asker", "geecache.peer").filter((span) =>
    attributeOf(span, "geecache.peer.kind") === "get"
  );
}

/** The spans that a span has links to, each as its trace and its own id. */
function linksOf({ links = [] }: SentSpan): string[] {
  return links.map(({ traceId, spanId }) => `${traceId} ${spanId}`);
}

function idsOf({ traceId, spanId }: SentSpan): string {
  return `${traceId} ${spanId}`;
}

/** Follows each load of the owner to the get of the asker that it was for. */
function checkLinks(collector: Collector, programs: Program[]): void {
  const gets = collector.spansOf("asker", "cache.get squares");
  const peers = getsOf(collector);
  const loads = collector.spansOf("owner", "geecache.load");
  for (const get of gets) {
    assertEquals(get.kind, INTERNAL);
    assertEquals(attributeOf(get, "cache.hit"), "false");
  }
  for (const load of loads) {
    const [link, ...others] = linksOf(load);
    assertEquals(others, []);
    const peer = peers.find((peer) => idsOf(peer) === link);
    assert(peer !== undefined, `no span ${link}`);
    assertEquals(peer.kind, CLIENT);
    assert(!peer.parentSpanId, "it has a parent");
    assert(!load.parentSpanId, "it has a parent");
    const get = gets.find((get) => linksOf(peer).includes(idsOf(get)));
    assert(get !== undefined, `no get for ${link}`);
    // The getter saw the span of the load.
    const seen = new RegExp(` in trace ${load.traceId} loading `);
    assertEquals(programs[1]!.count(seen), 1);
  }
}

async function checkMetrics(collector: Collector): Promise<void> {
  const loaded = collector.spansOf("owner", "geecache.load").length;
  const points = (service: string, name: string) =>
    collector.pointsOf(service, `geecache.${name}`);
  await collector.until("the last measurement", () => {
    const requests = points("asker", "requests");
    const asked = Object.entries(points("asker", "peer.request.duration"))
      .filter(([labels]) => /^get ok \S+ \d+$/.test(labels));
    return requests["squares hit"]! + requests["squares miss"]! === 48 &&
      asked.length === 1 && asked[0]![1] === 2 * loaded &&
      points("owner", "load.duration")["squares miss ok"] === loaded;
  });
  assertEquals(points("owner", "entry.count"), {
    "squares main": loaded,
    "squares hot": 0,
  });
  assert(points("owner", "memory.usage")["squares main"]! > 0);
  assertEquals(points("owner", "evictions"), {
    "squares main": 0,
    "squares hot": 0,
  });
  const units = ["requests", "memory.usage", "load.duration"].map((name) =>
    collector.unitOf("owner", `geecache.${name}`)
  );
  assertEquals(units, ["{key}", "By", "s"]);
}

Deno.test("On Deno, a collector can follow a get to the load in another process, and gets all measurements", () =>
  withSpans(onDeno, "localhost", async (collector, programs) => {
    checkLinks(collector, programs);
    await checkMetrics(collector);
    const { spans } = collector;
    const byId = (id: string | undefined) =>
      spans.find(({ spanId }) => spanId === id);
    // Deno's own spans: the caller's request, and the request to the peer on both sides.
    const gets = collector.spansOf("asker", "cache.get squares");
    await collector.until(
      "the requests around",
      () => gets.every((get) => byId(get.parentSpanId) !== undefined),
    );
    for (const get of gets) {
      assertEquals(byId(get.parentSpanId)!.kind, SERVER);
    }
    const peers = collector.spansOf("asker", "geecache.peer").map(
      ({ spanId }) => spanId,
    );
    const inside = spans.filter(({ parentSpanId }) =>
      peers.includes(parentSpanId!)
    );
    const sides = new Set(inside.map(({ service, kind }) =>
      [service, kind]
        .join()
    ));
    assertEquals([...sides].sort(), [`asker,${CLIENT}`, `owner,${SERVER}`]);
  }));

Deno.test("On Node, a collector can follow a get to the load in another process, and gets all measurements", () =>
  withSpans(onNode, "127.0.0.1", async (collector, programs) => {
    checkLinks(collector, programs);
    await checkMetrics(collector);
  }));
