/**
 * The constant load: tasks that get keys, and tasks that remove them.
 *
 * @module
 */

import type { Cluster } from "./cluster.ts";
import type { Member } from "./member.ts";
import { between, delay, type Origin } from "./origin.ts";
import type { Settings } from "./settings.ts";

/** How many complaints of one kind are kept to be printed. */
const MAX_COMPLAINTS = 5;

/** The counts of what the gets and removes came to. */
export interface Tally {
  gets: number;
  /** Gets whose node was killed, paused or drained while they were under way. */
  caught: number;
  failed: number;
  wrong: number;
  /** Removed values that were served later than promised. */
  stale: number;
  /** Removed values that were served while the promise allows it. */
  allowed: number;
  /** Gets that took `timeoutMs` or longer. */
  slow: number;
  /** Removes that got no answer, since their process ended. */
  lost: number;
  /** How long each get took that no event interrupted. */
  times: number[];
  complaints: string[];
}

/** The tasks that get keys, and the tasks that remove them. */
export class Load {
  readonly #settings: Settings;
  readonly #cluster: Cluster;
  readonly #origin: Origin;
  readonly #locked = new Set<string>();
  /** The process that is given no removes: it is about to be ended, and no peer may have missed one then. */
  barred: Member | undefined;
  /** How many removes are under way at each process. */
  readonly #removing = new Map<Member, number>();
  /** The process that is paused: half of all gets and removes are for its keys. */
  paused: Member | undefined;
  readonly tally: Tally = {
    ...{ gets: 0, caught: 0, failed: 0, wrong: 0, stale: 0, allowed: 0 },
    ...{ slow: 0, lost: 0, times: [], complaints: [] },
  };
  #over = false;
  #onBroken!: (what: string) => void;
  /** Resolves with the first promise that a get has broken. */
  readonly broken: Promise<string> = new Promise((resolve) => {
    this.#onBroken = resolve;
  });

  constructor(settings: Settings, cluster: Cluster, origin: Origin) {
    this.#settings = settings;
    this.#cluster = cluster;
    this.#origin = origin;
  }

  /** Runs until {@linkcode Load.end}. */
  async run(): Promise<void> {
    const { askers, writers } = this.#settings;
    await Promise.all([
      ...Array.from({ length: askers }, () => this.#askOn()),
      ...Array.from({ length: writers }, () => this.#writeOn()),
    ]);
  }

  end(): void {
    this.#over = true;
  }

  /** Asks every process for every key, once. */
  async sweep(): Promise<void> {
    for (const key of this.#settings.keys) await this.#askAll(key);
  }

  /** Whether no remove is under way at that process. */
  isIdle(member: Member): boolean {
    return (this.#removing.get(member) ?? 0) === 0;
  }

  /** Asks one process for one key, and compares the answer with the promises. */
  async get(member: Member, key: string): Promise<void> {
    const { tally } = this;
    const oldest = this.#cluster.promises.oldest(key);
    const { life } = member;
    const begin = performance.now();
    tally.gets++;
    let text: string;
    let ok = false;
    try {
      const response = await member.door(`/get?key=${encodeURIComponent(key)}`);
      text = await response.text();
      ok = response.ok;
    } catch (error) {
      text = String(error);
    }
    const ms = performance.now() - begin;
    if (member.life !== life) tally.caught++;
    else {
      tally.times.push(ms);
      if (ms >= this.#settings.timeoutMs) tally.slow++;
      if (!ok) {
        tally.failed++;
        this.#complain(`failed: ${key} of ${member.name}: ${text}`);
      }
    }
    if (ok) this.#judge(member, key, text, oldest);
  }

  #judge(member: Member, key: string, text: string, oldest: number): void {
    const { tally } = this;
    const version = Number(/@(\d+)$/.exec(text)?.[1]);
    const newest = this.#origin.version(key);
    if (text !== `${key}@${version}` || version > newest) {
      tally.wrong++;
      this.#complain(`wrong: ${key} of ${member.name}: ${text}`);
    } else if (version < oldest) {
      tally.stale++;
      const owner = this.#cluster.ownerOf(key).name;
      this.#complain(
        `removed: ${text} of ${member.name}, when only ${oldest} and later ` +
          `were allowed (it is ${owner}'s key, and ${newest} by now)`,
      );
    } else if (version < newest) tally.allowed++;
  }

  #complain(what: string): void {
    const { complaints } = this.tally;
    this.#onBroken(what);
    const kind = what.split(":", 1)[0]!;
    const alike = complaints.filter((each) => each.startsWith(kind));
    if (alike.length < MAX_COMPLAINTS) complaints.push(what);
  }

  async #askOn(): Promise<void> {
    const { askPauseMs } = this.#settings;
    while (!this.#over) {
      const member = oneOf(this.#cluster.up);
      if (member !== undefined) await this.get(member, this.#key(() => true));
      await delay(between([askPauseMs >> 1, askPauseMs * 3 >> 1]));
    }
  }

  async #writeOn(): Promise<void> {
    while (!this.#over) {
      const key = this.#key((key) => !this.#locked.has(key));
      this.#locked.add(key);
      // Half of all writes overtake a load.
      if (Math.random() < 0.5) await this.#race(key);
      else await this.#remove(key);
      await this.#askAll(key);
      this.#locked.delete(key);
      await delay(this.#settings.writePauseMs);
    }
  }

  /** Has the key loaded, and removes it while the load is under way. */
  async #race(key: string): Promise<void> {
    await this.#remove(key);
    const begun = this.#origin.hold(key);
    const gets = this.#cluster.up.map((member) => this.get(member, key));
    await Promise.race([begun, ...gets]);
    await this.#remove(key);
    // An old value would show immediately after a write.
    await this.#askAll(key);
    await Promise.all(gets);
    this.#origin.release(key);
  }

  /** Writes to the source, and has a process remove the cached value. */
  async #remove(key: string): Promise<void> {
    const { promises, up } = this.#cluster;
    const member = oneOf(up.filter((each) => each !== this.barred));
    const version = this.#origin.raise(key);
    if (member === undefined) return;
    this.#count(member, 1);
    try {
      const path = `/remove?key=${encodeURIComponent(key)}`;
      const response = await member.door(path);
      const missed: string[] = await response.json();
      promises.onRemoved(key, version, member.origin, missed);
    } catch {
      // It may have been done or not: nothing was promised.
      this.tally.lost++;
    } finally {
      this.#count(member, -1);
    }
  }

  async #askAll(key: string): Promise<void> {
    const gets = this.#cluster.up.map((member) => this.get(member, key));
    await Promise.all(gets);
  }

  #count(member: Member, by: number): void {
    this.#removing.set(member, (this.#removing.get(member) ?? 0) + by);
  }

  #key(suits: (key: string) => boolean): string {
    const owner = Math.random() < 0.5 ? this.paused : undefined;
    for (;;) {
      const key = oneOf(this.#settings.keys)!;
      const isMeant = owner === undefined ||
        this.#cluster.ownerOf(key) === owner;
      if (isMeant && suits(key)) return key;
    }
  }
}

function oneOf<T>(items: readonly T[]): T | undefined {
  return items[Math.floor(Math.random() * items.length)];
}
