/**
 * What happens to whom, and when.
 *
 * @module
 */

import fc from "fast-check";
import type { Cluster } from "./cluster.ts";
import type { Load } from "./load.ts";
import type { Member } from "./member.ts";
import { delay } from "./origin.ts";
import type { Settings } from "./settings.ts";

const KINDS = ["pause", "kill", "drain"] as const;
/** Enough for the longest run. */
const MAX_ROUNDS = 80;
/** How long a process is given to settle what it owes before it is ended. */
const SETTLE_MS = 12_000;
const LOOK_EVERY_MS = 100;
/** So many times `timeoutMs` after a process fell silent every breaker is open. */
const PATIENT_TIMEOUTS = 4;
/**
 * How often a process that has long been silent may be asked in one pause: each
 * of the others probes, and one whose breaker was late may fail another few times.
 */
export const MAX_QUESTIONS = 16;
/** So long before the end of a pause the last count is made. */
const COUNT_MS = 200;

interface Event {
  readonly kind: typeof KINDS[number];
  readonly victim: number;
}

/** Rounds of one event of each kind, each with another victim. */
function eventsOf(seed: number, nodes: number): Event[] {
  const some = <T>(items: readonly T[], count: number) =>
    fc.shuffledSubarray([...items], { minLength: count, maxLength: count });
  const victims = some(Array.from({ length: nodes }, (_, i) => i), 3);
  const round = fc.tuple(some(KINDS, 3), victims);
  const rounds = fc.sample(round, { seed, numRuns: MAX_ROUNDS });
  return rounds.flatMap(([kinds, victims]) =>
    kinds.map((kind, i) => ({ kind, victim: victims[i]! }))
  );
}

/** Does to the cluster what a plan says, one event after the other. */
export class Plan {
  readonly #settings: Settings;
  readonly #cluster: Cluster;
  readonly #load: Load;
  readonly #say: (what: string) => void;
  readonly counts = { pause: 0, kill: 0, drain: 0, skipped: 0 };

  /** The most requests, in any one pause, to a process that had long been silent. */
  mostQuestions = 0;

  constructor(
    settings: Settings,
    cluster: Cluster,
    load: Load,
    say: (what: string) => void,
  ) {
    this.#settings = settings;
    this.#cluster = cluster;
    this.#load = load;
    this.#say = say;
  }

  /** Runs for as long as the load, and until each kind of event was seen. */
  async run(): Promise<void> {
    const { ms, seed, restMs } = this.#settings;
    const { members } = this.#cluster;
    const end = performance.now() + ms;
    for (
      const [i, { kind, victim }] of eventsOf(seed, members.length).entries()
    ) {
      if (i >= KINDS.length && performance.now() >= end) break;
      const member = members[victim]!;
      // Who is to be ended takes no removes from now on, so that it owes nothing.
      this.#load.barred = kind === "pause" ? undefined : member;
      await delay(restMs);
      await this[kind](member);
      if (this.mostQuestions > MAX_QUESTIONS) return;
    }
    this.#load.barred = undefined;
    await delay(Math.max(0, end - performance.now()));
  }

  async pause(member: Member): Promise<void> {
    const { pauseMs } = this.#settings;
    this.#say(`${member.name} is paused for ${pauseMs} ms`);
    this.#load.paused = member;
    await Promise.all([
      member.pause(pauseMs, () => this.#cluster.promises.onPause()),
      this.#countQuestions(member),
    ]);
    this.#load.paused = undefined;
    this.counts.pause++;
  }

  async kill(member: Member): Promise<void> {
    if (!await this.#owesNothing(member)) return;
    this.#say(`${member.name} is killed`);
    await member.kill();
    this.#cluster.onDeath(member);
    await delay(this.#settings.downMs);
    await this.#restart(member);
    this.counts.kill++;
  }

  async drain(member: Member): Promise<void> {
    if (!await this.#owesNothing(member)) return;
    const { drainMs } = this.#settings;
    this.#say(`${member.name} is drained for ${drainMs} ms`);
    await member.door(`/drain?ms=${drainMs}`);
    // It is asked a while longer: its own gets go on.
    await delay(drainMs / 2);
    member.leave();
    await member.end();
    this.#cluster.onDeath(member);
    await this.#restart(member);
    this.counts.drain++;
  }

  /** Counts what a process is asked that has been silent for long. */
  async #countQuestions(member: Member): Promise<void> {
    const { pauseMs, timeoutMs } = this.#settings;
    const patienceMs = PATIENT_TIMEOUTS * timeoutMs;
    await delay(patienceMs);
    const before = await this.#cluster.requestsTo(member);
    await delay(pauseMs - patienceMs - COUNT_MS);
    const asked = await this.#cluster.requestsTo(member) - before;
    this.mostQuestions = Math.max(this.mostQuestions, asked);
  }

  async #restart(member: Member): Promise<void> {
    await member.start();
    this.#load.barred = undefined;
    this.#say(`${member.name} runs again`);
  }

  /** What a process owes dies with it, as docs/consistency.md says: so it must owe nothing. */
  async #owesNothing(member: Member): Promise<boolean> {
    const until = performance.now() + SETTLE_MS;
    while (performance.now() < until) {
      const isIdle = this.#load.isIdle(member);
      if (isIdle && await this.#cluster.owesNothing(member)) return true;
      await delay(LOOK_EVERY_MS);
    }
    this.#say(`${member.name} owes something still, and is let be`);
    this.counts.skipped++;
    return false;
  }
}
