/**
 * The three processes of the soak, and what they use.
 *
 * @module
 */

import { installRuntime } from "../../scripts/runtimes.ts";
import { Member } from "../chaos/member.ts";
import { delay } from "../chaos/origin.ts";
import { freePorts } from "../support/process.ts";
import type { NodeStats } from "./node.ts";
import type { Settings } from "./settings.ts";
import { abandonedOf, filesOf, rssOf, Usage } from "./usage.ts";
import { RUN } from "./values.ts";

const NODES = 3;
const PROGRAM = "tests/soak/node.ts";
const ROOT = new URL("../../", import.meta.url);
/** What is enough is waited for so long, in case that it becomes more again. */
const SURE_MS = 2_000;
const LOOK_EVERY_MS = 500;

/** One node, and what was seen of it. */
export interface Observed {
  readonly member: Member;
  readonly rss: Usage;
  readonly heap: Usage;
  /** How many files and sockets it had open before the hostile clients, at most, and after them. */
  files: { before: number; most: number; after: number };
  /** How many sockets it had open at the end whose clients had left. */
  abandoned: number;
  errors: number;
  mostLinks: number;
  refused: number;
}

/** How a program is started on a runtime. */
async function commandOf(
  runtime: Settings["runtime"],
  folder: string,
): Promise<[string, ...string[]]> {
  const program = decodeURIComponent(new URL(PROGRAM, ROOT).pathname);
  if (runtime === "deno") {
    return [
      Deno.execPath(),
      ...["run", "--quiet", "--allow-net=127.0.0.1", "--allow-env", program],
    ];
  }
  const { path } = await installRuntime(runtime, folder);
  return [path, "--no-warnings", program];
}

/** The cluster. */
export class Cluster {
  readonly nodes: readonly Observed[];
  readonly #headers: Record<string, string>;
  readonly #settings: Settings;
  #sampling: ReturnType<typeof setInterval> | undefined;
  /** Resolves when a process ends that the run did not end. */
  readonly crash: Promise<string>;

  private constructor(
    settings: Settings,
    command: [string, ...string[]],
    originUrl: string,
    secret: string,
  ) {
    this.#settings = settings;
    this.#headers = { [RUN]: secret };
    const { promise, resolve } = Promise.withResolvers<string>();
    this.crash = promise;
    const ports = freePorts(NODES);
    const origins = ports.map((port) => `http://127.0.0.1:${port}`);
    this.nodes = ports.map((port, i) => ({
      member: new Member({
        name: `node ${i + 1}`,
        origin: origins[i]!,
        port,
        command: [
          ...command,
          ...["--self", origins[i]!, "--peers", origins.join()],
          ...["--origin", originUrl, "--secret", secret],
          ...["--broken", settings.broken],
        ],
        onCrash: resolve,
      }),
      rss: new Usage(),
      heap: new Usage(),
      files: { before: 0, most: 0, after: 0 },
      ...{ abandoned: 0, errors: 0, mostLinks: 0, refused: 0 },
    }));
  }

  /** Starts all processes; a runtime that is not there is installed in `folder`. */
  static async start(
    settings: Settings,
    folder: string,
    originUrl: string,
    secret: string,
  ): Promise<Cluster> {
    const command = await commandOf(settings.runtime, folder);
    const cluster = new Cluster(settings, command, originUrl, secret);
    try {
      await Promise.all(cluster.members.map((member) => member.start()));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  get members(): Member[] {
    return this.nodes.map(({ member }) => member);
  }

  async close(): Promise<void> {
    this.endSampling();
    await Promise.all(this.members.map((member) => member.kill()));
  }

  /** Looks at the memory and the files of all, until the sampling ends. */
  beginSampling(): void {
    const { sampleEveryMs } = this.#settings;
    this.#sampling = setInterval(() => {
      for (const node of this.nodes) this.#sample(node).catch(() => {});
    }, sampleEveryMs);
  }

  /** From now on, what is seen counts. */
  beginMeasuring(): void {
    for (const { rss, heap } of this.nodes) {
      rss.begin();
      heap.begin();
    }
  }

  endSampling(): void {
    clearInterval(this.#sampling);
  }

  /**
   * Counts the files that each has open when nobody asks anything any more: once they do
   * not change, and for those after the hostile clients also once they are few enough.
   */
  async rest(when: "before" | "after"): Promise<void> {
    const { maxMoreFiles, restMs } = this.#settings;
    for (const member of this.members) member.hangUp();
    const until = performance.now() + 2 * restMs;
    let sameSince = performance.now();
    while (performance.now() < until) {
      const counts = await Promise.all(
        this.nodes.map((node) => this.#count(node)),
      );
      for (const [i, { files }] of this.nodes.entries()) {
        if (files[when] !== counts[i]) sameSince = performance.now();
        files[when] = counts[i]!;
      }
      const isEnough = when === "before" ||
        this.nodes.every(({ files }) =>
          files.after <= files.before + maxMoreFiles
        );
      const sameMs = performance.now() - sameSince;
      if (sameMs >= (isEnough ? SURE_MS : restMs)) return;
      await delay(LOOK_EVERY_MS);
    }
  }

  /**
   * How many files a node has open. `Deno.serve` of Deno 2.9 does not close some of the
   * connections of links that their clients cut off: see SECURITY.md. Those are counted
   * apart.
   */
  async #count(node: Observed): Promise<number> {
    const { pid, port } = node.member;
    node.abandoned = await abandonedOf(port);
    const isKnown = this.#settings.runtime === "deno";
    return await filesOf(pid) - (isKnown ? node.abandoned : 0);
  }

  async #sample(node: Observed): Promise<void> {
    const { member, rss, heap, files } = node;
    rss.add(await rssOf(member.pid));
    files.most = Math.max(files.most, await filesOf(member.pid));
    const response = await member.door("/run/stats", {
      headers: this.#headers,
    });
    const stats: NodeStats = await response.json();
    heap.add(stats.heapBytes);
    node.errors = stats.errors;
    node.refused = stats.refused;
    node.mostLinks = Math.max(node.mostLinks, stats.links);
  }
}
