/**
 * The good traffic: tasks that get keys, by the pool of a node and by its front door,
 * and tasks that write them. Each answer is compared with the model.
 *
 * @module
 */

import type { Member } from "../chaos/member.ts";
import { between, delay, type Origin } from "../chaos/origin.ts";
import type { Kind, Latencies } from "./latencies.ts";
import { Model } from "./model.ts";
import type { Settings } from "./settings.ts";
import { ABSENT_KEYS, groupOf, KEYS, RUN, valueOf } from "./values.ts";

const ALL_KEYS = [...KEYS.plain, ...KEYS.fresh];
/** How many keys a `getMany` asks for. */
const MANY = 12;
/** The life of some values that are set: not longer than that of others. */
const SET_TTL_MS = 800;
const MAX_COMPLAINTS = 10;

/** What came of the good traffic. */
export interface Tally {
  /** Keys asked for. */
  keys: number;
  requests: number;
  failed: number;
  wrong: number;
  notModified: number;
  complaints: string[];
}

/** The tasks of the good traffic. */
export class Traffic {
  readonly tally: Tally = {
    ...{ keys: 0, requests: 0, failed: 0, wrong: 0, notModified: 0 },
    complaints: [],
  };
  readonly model: Model;
  readonly #settings: Settings;
  readonly #members: readonly Member[];
  readonly #origin: Origin;
  readonly #headers: Record<string, string>;
  /** Keys that are being written. */
  readonly #locked = new Set<string>();
  /** The last tag of each key, and the value that it stands for. */
  readonly #tags = new Map<string, [tag: string, text: string]>();
  #latencies: Latencies | undefined;
  #over = false;
  #tasks: Promise<unknown> = Promise.resolve();
  #onBroken!: (what: string) => void;
  /** Resolves with the first answer that was wrong or did not come. */
  readonly broken: Promise<string> = new Promise((resolve) => {
    this.#onBroken = resolve;
  });

  constructor(
    settings: Settings,
    members: readonly Member[],
    origin: Origin,
    secret: string,
  ) {
    this.#settings = settings;
    this.#members = members;
    this.#origin = origin;
    this.#headers = { [RUN]: secret };
    this.model = new Model((key) => origin.version(key));
  }

  /** Begins, or goes on after {@linkcode Traffic.rest}. */
  begin(): void {
    const { askers, writers } = this.#settings;
    this.#over = false;
    this.#tasks = Promise.all([
      ...Array.from({ length: askers }, () => this.#askOn()),
      ...Array.from({ length: writers }, () => this.#writeOn()),
    ]);
  }

  /** Ends all tasks, and waits for that. */
  async rest(): Promise<void> {
    this.#over = true;
    await this.#tasks;
  }

  /** Has the times from now on added there. */
  measure(latencies: Latencies | undefined): void {
    this.#latencies = latencies;
  }

  /** Asks every node for every key, once. */
  async sweep(): Promise<void> {
    for (let i = 0; i < ALL_KEYS.length; i += MANY) {
      const keys = ALL_KEYS.slice(i, i + MANY);
      await Promise.all(
        this.#members.map((member) => this.#many(member, keys)),
      );
    }
  }

  async #askOn(): Promise<void> {
    while (!this.#over) {
      const member = oneOf(this.#members);
      const chance = Math.random();
      if (chance < 0.45) await this.#get(member, someKey());
      else if (chance < 0.6) {
        await this.#many(member, Array.from({ length: MANY }, someKey));
      } else if (chance < 0.95) await this.#front(member, someKey());
      else await this.#absent(member, oneOf(ABSENT_KEYS));
      await delay(between(this.#settings.askPauseMs));
    }
  }

  async #writeOn(): Promise<void> {
    while (!this.#over) {
      const key = someKey();
      if (!this.#locked.has(key)) {
        this.#locked.add(key);
        await this.#write(key);
        this.#locked.delete(key);
      }
      await delay(between(this.#settings.writePauseMs));
    }
  }

  /** Changes a key at its source, and tells the cluster, if it is to be told. */
  async #write(key: string): Promise<void> {
    const member = oneOf(this.#members);
    const version = this.#origin.raise(key);
    this.model.onChanged(key, version);
    const chance = Math.random();
    // The source changes alone: the value ends when its life does.
    if (groupOf(key) === "fresh" && chance < 0.3) return;
    const isSet = chance < 0.7;
    const ttl = isSet && Math.random() < 0.3 ? `&ttl=${SET_TTL_MS}` : "";
    const response = await this.#ask(
      "write",
      member,
      `${pathOf(isSet ? "set" : "remove", key)}${ttl}`,
      { method: "POST", body: isSet ? valueOf(key, version) : "" },
    );
    if (response === undefined) return;
    this.model.onWritten(key, version);
    // An old value would show immediately after a write.
    await Promise.all(this.#members.map((each) => this.#get(each, key)));
  }

  async #get(member: Member, key: string): Promise<void> {
    const oldest = this.model.oldest(key);
    this.tally.keys++;
    const answer = await this.#ask("get", member, pathOf("get", key));
    if (answer !== undefined) this.#judge(member, key, answer.text, oldest);
  }

  async #many(member: Member, keys: readonly string[]): Promise<void> {
    const oldest = new Map(keys.map((key) => [key, this.model.oldest(key)]));
    this.tally.keys += oldest.size;
    // They may be of both groups, of which each is asked for its own.
    await Promise.all((["plain", "fresh"] as const).map(async (group) => {
      const own = [...oldest.keys()].filter((key) => groupOf(key) === group);
      if (own.length === 0) return;
      const answer = await this.#ask(
        "many",
        member,
        `/run/many?group=${group}`,
        {
          method: "POST",
          body: JSON.stringify(own),
        },
      );
      if (answer === undefined) return;
      const found = new Map(
        JSON.parse(answer.text) as [string, string | null][],
      );
      for (const key of own) {
        this.#judge(member, key, found.get(key) ?? "", oldest.get(key)!);
      }
    }));
  }

  /** Asks at the front door, often with the tag of the value that is there already. */
  async #front(member: Member, key: string): Promise<void> {
    const oldest = this.model.oldest(key);
    this.tally.keys++;
    const held = Math.random() < 0.5 ? this.#tags.get(key) : undefined;
    const answer = await this.#ask(
      "front",
      member,
      `/api/${groupOf(key)}?run&key=${encodeURIComponent(key)}`,
      { headers: held === undefined ? {} : { "If-None-Match": held[0] } },
    );
    if (answer === undefined) return;
    const { status, text, tag } = answer;
    if (status === 304) {
      this.tally.notModified++;
      return this.#judge(member, key, held?.[1] ?? "", oldest);
    }
    this.#judge(member, key, text, oldest);
    if (tag !== null) this.#tags.set(key, [tag, text]);
  }

  async #absent(member: Member, key: string): Promise<void> {
    this.tally.keys++;
    const answer = await this.#ask("get", member, pathOf("get", key));
    if (answer === undefined || answer.status === 404) return;
    this.tally.wrong++;
    this.#complain(`wrong: ${key} of ${member.name}: ${answer.text}`);
  }

  /** One request of the run; `undefined` if it failed, which is counted. */
  async #ask(
    kind: Kind,
    member: Member,
    path: string,
    init: RequestInit = {},
  ): Promise<{ status: number; text: string; tag: string | null } | undefined> {
    const begin = performance.now();
    this.tally.requests++;
    let what: string;
    try {
      const isRun = path.startsWith("/run/");
      const response = await member.door(
        path,
        isRun ? { ...init, headers: this.#headers } : init,
      );
      const { status, headers } = response;
      const text = await response.text();
      this.#latencies?.add(kind, performance.now() - begin);
      if (response.ok || status === 304 || status === 404) {
        return { status, text, tag: headers.get("ETag") };
      }
      what = `${status} ${text}`;
    } catch (error) {
      what = String(error);
    }
    this.tally.failed++;
    this.#complain(`failed: ${path} of ${member.name}: ${what}`);
    return undefined;
  }

  #judge(
    member: Member,
    key: string,
    text: string,
    oldest: ReturnType<Model["oldest"]>,
  ): void {
    const verdict = this.model.judge(key, text, oldest);
    if (verdict === "right") return;
    this.tally.wrong++;
    const said = text.replace(/~+$/, "");
    this.#complain(
      `${verdict}: ${key} of ${member.name}: "${said}", when ${oldest.written} ` +
        `was written, ${oldest.aged} was old, and ${
          this.#origin.version(key)
        } is the newest`,
    );
  }

  #complain(what: string): void {
    const { complaints } = this.tally;
    if (complaints.length < MAX_COMPLAINTS) complaints.push(what);
    this.#onBroken(what);
  }
}

function pathOf(action: string, key: string): string {
  return `/run/${action}?group=${groupOf(key)}&key=${encodeURIComponent(key)}`;
}

/** A key of those with values; some are asked for far more often than others. */
function someKey(): string {
  const keys = Math.random() < 0.5 ? KEYS.plain : KEYS.fresh;
  return keys[Math.floor(keys.length * Math.random() ** 2)]!;
}

function oneOf<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)]!;
}
