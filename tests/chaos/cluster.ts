/**
 * The five processes, the proxies before two of them, and what the processes report
 * of each other.
 *
 * @module
 */

import { RendezvousHash } from "../../protocol/consistent_hash.ts";
import { freePorts } from "../support/process.ts";
import { Member } from "./member.ts";
import type { NodeStats } from "./node.ts";
import { between, delay, type Origin } from "./origin.ts";
import { Promises } from "./promises.ts";
import { Proxy } from "./proxy.ts";
import type { Settings } from "./settings.ts";

const PROGRAM = new URL("node.ts", import.meta.url).href;
const NODES = 5;
const LOOK_EVERY_MS = 120;

/** A time in which a node was away, or another node took it to be away. */
export interface Absence {
  readonly member: Member;
  readonly from: number;
  to: number | undefined;
}

/** The cluster. */
export class Cluster {
  readonly members: readonly Member[];
  readonly promises: Promises;
  readonly absences: Absence[] = [];
  readonly cutting: Proxy;
  readonly slow: Proxy;
  /** The owner of each key, and all others in the order in which they stand in. */
  readonly #ring: RendezvousHash;
  /** What each process reported last. */
  readonly #said = new Map<Member, NodeStats>();
  /** Requests that peers could not answer, as counted by processes that have ended. */
  #errorsBefore = 0;
  #looking = true;
  /** Resolves when a process ends that the run did not end. */
  readonly crash: Promise<string>;

  constructor(settings: Settings, origin: Origin) {
    const ports = freePorts(NODES + 2);
    const [slow, cutting] = ports.splice(NODES) as [number, number];
    const peerPorts = [...ports.slice(0, NODES - 2), slow, cutting];
    const origins = peerPorts.map((port) => `http://127.0.0.1:${port}`);
    const { slowMs, cutOneOf } = settings;
    this.slow = new Proxy(slow, ports[NODES - 2]!, {
      lateMs: () => between(slowMs),
      cuts: () => false,
    });
    this.cutting = new Proxy(cutting, ports[NODES - 1]!, {
      lateMs: () => 0,
      cuts: () => between([1, cutOneOf]) === 1,
    });
    const { promise, resolve } = Promise.withResolvers<string>();
    this.crash = promise;
    const names = [
      "node 1",
      "node 2",
      "node 3",
      "the slow node",
      "the cut node",
    ];
    this.members = names.map((name, i) =>
      new Member({
        name,
        origin: origins[i]!,
        port: ports[i]!,
        command: [
          Deno.execPath(),
          ...["run", "--quiet", "--allow-net=127.0.0.1", PROGRAM],
          ...["--self", origins[i]!, "--port", String(ports[i])],
          ...["--peers", origins.join(), "--origin", origin.url],
          ...["--without", settings.without],
          ...["--timeoutMs", String(settings.timeoutMs)],
          ...["--mirrorTtlMs", String(settings.mirrorTtlMs)],
        ],
        onCrash: resolve,
      })
    );
    this.#ring = new RendezvousHash(origins);
    this.promises = new Promises({
      mirrorTtlMs: settings.mirrorTtlMs,
      underWayMs: settings.timeoutMs,
      ownerOf: (key) => this.#ring.get(key)!,
      isDown: (node) => this.#at(node).state === "down",
    });
  }

  /** Starts all processes, and asks them for their stats until the cluster is closed. */
  async start(): Promise<void> {
    await Promise.all(this.members.map((member) => member.start()));
    this.#look();
  }

  async close(): Promise<void> {
    this.#looking = false;
    await Promise.all(this.members.map((member) => member.kill()));
    this.slow.close();
    this.cutting.close();
  }

  ownerOf(key: string): Member {
    return this.#at(this.#ring.get(key)!);
  }

  /** The processes that answer for a key, in the order in which they are asked. */
  orderOf(key: string): Member[] {
    return [...this.#ring.successors(key)].map((origin) => this.#at(origin));
  }

  get up(): Member[] {
    return this.members.filter(({ state }) => state === "up");
  }

  /** Whether no other process missed a remove of this one. */
  async owesNothing(member: Member): Promise<boolean> {
    await this.#ask(member);
    const peers = this.#said.get(member)?.peers;
    return peers !== undefined &&
      peers.every(({ owed, writing }) => owed === 0 && writing === 0);
  }

  /** How many requests peers could not answer. */
  get errors(): number {
    let errors = this.#errorsBefore;
    for (const { peers } of this.#said.values()) {
      for (const peer of peers) errors += peer.errors;
    }
    return errors;
  }

  /** How many requests the others have sent to one, probes included. */
  async requestsTo({ origin }: Member): Promise<number> {
    const { up } = this;
    await Promise.all(up.map((member) => this.#ask(member)));
    return up.flatMap((member) => this.#said.get(member)?.peers ?? [])
      .filter(({ id }) => id === origin)
      .reduce((sum, { requests }) => sum + requests, 0);
  }

  /** Adds up the counts of a process that is gone. */
  onDeath(member: Member): void {
    this.promises.onDeath(member.origin);
    for (const peer of this.#said.get(member)?.peers ?? []) {
      this.#errorsBefore += peer.errors;
    }
    this.#said.delete(member);
  }

  async #look(): Promise<void> {
    while (this.#looking) {
      await Promise.all(this.up.map((member) => this.#ask(member)));
      this.#countAbsences();
      await delay(LOOK_EVERY_MS);
    }
  }

  async #ask(member: Member): Promise<void> {
    const { life } = member;
    const askedAt = performance.now();
    let stats: NodeStats;
    try {
      stats = await (await member.door("/stats")).json();
    } catch {
      // It has ended, and the run knows it already.
      return;
    }
    if (member.life !== life) return;
    this.#said.set(member, stats);
    for (const { id, owed, writing } of stats.peers) {
      if (owed === 0 && writing === 0) {
        this.promises.onSettled(member.origin, id, askedAt);
      }
    }
  }

  #countAbsences(): void {
    for (const member of this.members) {
      const isAway = member.state !== "up" ||
        this.up.some((other) =>
          this.#said.get(other)?.peers
            .some(({ id, state }) => id === member.origin && state !== "closed")
        );
      const absence = this.absences.find((each) =>
        each.member === member && each.to === undefined
      );
      if (isAway && absence === undefined) {
        const from = performance.now();
        this.absences.push({ member, from, to: undefined });
      } else if (!isAway && absence !== undefined) {
        absence.to = performance.now();
      }
    }
  }

  #at(origin: string): Member {
    return this.members.find((member) => member.origin === origin)!;
  }
}
