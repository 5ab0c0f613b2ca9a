/**
 * The links of this process's askers: questions in, answers out, in whatever order they
 * are ready.
 *
 * What is in memory is answered at once, and what is loaded when it comes. Nothing is
 * said meanwhile, but pings are answered. If an asker does not read, its questions are
 * not read either.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Duplex, DuplexListener } from "../base/duplex.ts";
import { BusyError, messageOf, NotFoundError } from "../base/errors.ts";
import type { PeerValue } from "../base/peers.ts";
import { readTraceparent } from "../base/traceparent.ts";
import { resultOf, type WatchedWork, type Watchers } from "../base/watchers.ts";
import { afterListening } from "../base/watchdog.ts";
import { thrownOf } from "../group/getter.ts";
import type {
  EntryWriter,
  LocalGroup,
  MemoryEntries,
} from "../group/local_group.ts";
import {
  ANSWER,
  ASK,
  FrameError,
  FrameReader,
  FrameWriter,
  HOT,
  MAX_ASK_BYTES,
  MAX_GROUPS,
  MAX_NAME_CHARACTERS,
  MAX_VALUE_BYTES,
  QUESTION_BYTES,
  uint16,
} from "../protocol/link.ts";
import { decodeKey } from "../protocol/wire.ts";
import type { Admission } from "./admission.ts";
import { beginServe, type Wait, type Waits } from "./waits.ts";

/** How many links are served at a time. */
const MAX_LINKS = 4096;

/** A link that says nothing for so long is dead: a living asker pings, or ends it. */
const MAX_SILENT_MS = 30_000;

/** How often that is looked at. */
const SWEEP_MS = 10_000;

/** No more questions are read while so many bytes of answers wait to be sent. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** So many bytes of answers leave at once, while the asker can read them. */
const FLUSH_BYTES = 32 * 1024;

/** Loads that end while so much waits are answered by requests of their own. */
const MAX_LOADED_BYTES = 4 * MAX_WAITING_BYTES;

/** What the links of one process share. */
export interface LinkContext {
  readonly admission: Admission;
  /** The pool's groups by name, as they are at each question. */
  readonly locals: ReadonlyMap<string, LocalGroup>;
  readonly waits: Waits;
  readonly watchers: Watchers;
  readonly clock: Clock;
}

/** A load that a question waits for. */
interface Loading {
  readonly wait: Wait;
  readonly onEnd: () => void;
  /** What observes it, if anything does. */
  readonly work: WatchedWork | undefined;
}

/** All links of one process. */
export class Links {
  readonly #context: LinkContext;
  readonly #links = new Set<ServedLink>();
  #cancelSweep: () => void = () => {};

  constructor(context: LinkContext) {
    this.#context = context;
  }

  /** How many are open. */
  get size(): number {
    return this.#links.size;
  }

  /** Whether there is room for another one. */
  get hasRoom(): boolean {
    return this.#links.size < MAX_LINKS;
  }

  /**
   * Serves a link.
   *
   * @param fingerprint The asker's list of nodes, if it told one.
   * @param connect Makes the stream, which tells the listener what comes.
   */
  serve(
    asker: string,
    fingerprint: string | undefined,
    connect: (listener: DuplexListener) => Duplex,
  ): void {
    const link = new ServedLink(asker, fingerprint, this.#context, () => {
      this.#links.delete(link);
      if (this.#links.size === 0) this.#cancelSweep();
    });
    if (this.#links.size === 0) this.#sweepLater();
    this.#links.add(link);
    link.connect(connect(link));
  }

  /** Tells all askers that this process is about to close. */
  drain(): void {
    for (const link of this.#links) link.drain();
  }

  /** Ends all links. Their askers ask elsewhere. */
  close(): void {
    for (const link of [...this.#links]) link.close();
  }

  /** One timer for all: a process may have a thousand peers. */
  #sweepLater(): void {
    this.#cancelSweep = afterListening(this.#context.clock, SWEEP_MS, () => {
      for (const link of [...this.#links]) link.look();
      if (this.#links.size > 0) this.#sweepLater();
    }, true);
  }
}

/** One link, as the process that answers sees it. */
class ServedLink implements DuplexListener, EntryWriter {
  readonly #asker: string;
  readonly #context: LinkContext;
  readonly #onOver: () => void;
  readonly #reader = new FrameReader(MAX_ASK_BYTES);
  readonly #writer = new FrameWriter();
  /** The names of groups, by their numbers on this link. */
  readonly #groups: string[] = [];
  #nameCharacters = 0;
  readonly #loading = new Map<number, Loading>();
  /** Of the question that comes next, if somebody here wants to know. */
  #trace: { id: number; traceparent: string | undefined } | undefined;
  #fingerprint: string | undefined;
  #duplex: Duplex | undefined;
  #mayWrite = true;
  #isScheduled = false;
  #over = false;
  /** The number of the question that is being answered from memory. */
  #answering = 0;
  /** What came and is not read yet. */
  #rest: Uint8Array | undefined;
  #heardAt: number;
  /** Since when nothing more may be written. */
  #stuckSince = 0;

  constructor(
    asker: string,
    fingerprint: string | undefined,
    context: LinkContext,
    onOver: () => void,
  ) {
    this.#asker = asker;
    this.#fingerprint = fingerprint;
    this.#context = context;
    this.#onOver = onOver;
    this.#heardAt = context.clock.now();
  }

  connect(duplex: Duplex): void {
    this.#duplex = duplex;
    this.#flush();
  }

  /** Says that this process is about to close. */
  drain(): void {
    this.#writer.head(ANSWER.closing, 0);
    this.#flush();
  }

  /** Ends it in order. */
  close(): void {
    this.#end("leave", new Error("the link was closed"));
  }

  /** Ends it if the asker says nothing, or does not read. */
  look(): void {
    const now = this.#context.clock.now();
    const isSilent = this.#rest === undefined &&
      now - this.#heardAt >= MAX_SILENT_MS;
    const isStuck = !this.#mayWrite && now - this.#stuckSince >= MAX_SILENT_MS;
    if (isSilent || isStuck) {
      this.#end("linger", new Error("the asker is silent"));
    }
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#heardAt = this.#context.clock.now();
    this.#read(bytes);
  }

  onDrain(): void {
    if (this.#mayWrite) return;
    this.#mayWrite = true;
    this.#flush();
    const rest = this.#rest;
    if (rest === undefined || !this.#mayWrite) return;
    this.#rest = undefined;
    this.#duplex!.resume();
    this.#read(rest);
  }

  onEnd(error: unknown): void {
    // Who was cut off asks again. Who ended the link waits for nothing.
    const inOrder = error === undefined && this.#reader.isBetweenFrames;
    const why = error ?? new Error("the asker ended the link");
    this.#end(inOrder ? "leave" : "linger", why);
  }

  #read(bytes: Uint8Array): void {
    try {
      const read = this.#reader.push(bytes, this.#take);
      if (read < bytes.length && !this.#over) {
        this.#rest = bytes.slice(read);
        this.#duplex!.pause();
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      // There is nobody to tell: what this asker sends means nothing.
      return this.#end("leave", error);
    }
    this.#flush();
    if (this.#fingerprint !== undefined) {
      this.#context.admission.compareRing(this.#fingerprint, this.#asker);
    }
  }

  readonly #take = (
    kind: number,
    id: number,
    bytes: Uint8Array,
    from: number,
    end: number,
  ): boolean => {
    switch (kind) {
      case ASK.get:
      case ASK.peek:
        this.#ask(kind, id, bytes, from, end);
        break;
      case ASK.ping:
        this.#writer.head(ANSWER.pong, id);
        break;
      case ASK.cancel:
        this.#leave(this.#settle(id), new Error("the asker left"));
        break;
      case ASK.group:
        this.#name(id, textOf(bytes, from, end));
        break;
      case ASK.list:
        this.#fingerprint = textOf(bytes, from, end);
        break;
      case ASK.trace:
        this.#trace = this.#context.watchers.hear("serve")
          ? { id, traceparent: readTraceparent(textOf(bytes, from, end)) }
          : undefined;
        break;
      default:
        throw new FrameError(`${kind} is no kind of question`);
    }
    if (this.#writer.size >= FLUSH_BYTES) this.#flush();
    return this.#writer.size < MAX_WAITING_BYTES && !this.#over;
  };

  /** Numbers are given in order, or again from the first. */
  #name(number: number, name: string): void {
    if (number >= MAX_GROUPS) {
      throw new FrameError(`group ${number} is more than ${MAX_GROUPS - 1}`);
    }
    if (number > this.#groups.length) {
      throw new FrameError(
        `group ${number} comes after ${this.#groups.length}`,
      );
    }
    const before = this.#groups[number]?.length ?? 0;
    this.#nameCharacters += name.length - before;
    if (this.#nameCharacters > MAX_NAME_CHARACTERS) {
      throw new FrameError("the names of groups are too long");
    }
    this.#groups[number] = name;
  }

  #ask(
    kind: number,
    id: number,
    bytes: Uint8Array,
    from: number,
    end: number,
  ): void {
    const at = from + QUESTION_BYTES;
    const trace = this.#trace;
    if (trace !== undefined) this.#trace = undefined;
    if (at > end) throw new FrameError("a question is cut short");
    if (this.#loading.has(id)) {
      throw new FrameError(`question ${id} was asked twice`);
    }
    const name = this.#groups[uint16(bytes, from)];
    if (name === undefined) throw new FrameError("a group was not named");
    const served = uint16(bytes, from + 2);
    const local = this.#context.locals.get(name);
    if (kind === ASK.get && at < end && local !== undefined) {
      this.#answering = id;
      if (local.answerTo(this, bytes, at, end, served)) return;
    }
    const key = at === end ? undefined : decodeKey(bytes.subarray(at, end));
    if (key === undefined) {
      const rule = at === end ? "the key is empty" : "the key is no UTF-8";
      return this.#writer.text(ANSWER.badKey, id, rule);
    }
    if (local === undefined) return this.#writer.head(ANSWER.noGroup, id);
    if (kind === ASK.peek) {
      const copy = local.bequeath(key);
      return copy === undefined
        ? this.#writer.head(ANSWER.notFound, id)
        : this.#value(id, copy, 0);
    }
    const refusal = this.#context.admission.refusesLoad();
    if (refusal !== undefined) return this.#writer.head(ANSWER[refusal], id);
    const traceparent = trace?.id === id ? trace.traceparent : undefined;
    this.#load(id, local, key, served, traceparent);
  }

  /** The answer to the question that is being answered, from memory. */
  entry(
    entries: MemoryEntries,
    location: number,
    ttlMs: number | undefined,
    isHot: boolean,
  ): void {
    const id = this.#answering;
    const length = entries.valueLength(location);
    if (length > MAX_VALUE_BYTES) return this.#writer.head(ANSWER.alone, id);
    const flag = isHot ? HOT : 0;
    const writer = this.#writer;
    const at = ttlMs === undefined
      ? writer.valueOf(ANSWER.value | flag, id, length)
      : writer.expiringOf(ANSWER.expiringValue | flag, id, length, ttlMs, 0);
    entries.copyValue(location, writer.bytes, at);
  }

  /** The answer to the question that is being answered, with a stale value. */
  stale(value: PeerValue): void {
    this.#value(this.#answering, value, 0);
  }

  /** A value that was loaded, is stale, or another process is to take over. */
  #value(id: number, found: PeerValue, waitedMs: number): void {
    const { value, ttlMs, isHot } = found;
    if (value.byteLength > MAX_VALUE_BYTES) {
      return this.#writer.head(ANSWER.alone, id);
    }
    const flag = isHot === true ? HOT : 0;
    if (ttlMs === undefined) {
      return this.#writer.value(ANSWER.value | flag, id, value);
    }
    const { staleWhileRevalidateMs, staleIfErrorMs } = found;
    if (staleWhileRevalidateMs === undefined || staleIfErrorMs === undefined) {
      const kind = ANSWER.expiringValue | flag;
      return this.#writer.expiring(kind, id, value, ttlMs, waitedMs);
    }
    this.#writer.windowed(
      ANSWER.windowedValue | flag,
      id,
      { value, ttlMs, staleWhileRevalidateMs, staleIfErrorMs },
      waitedMs,
    );
  }

  #load(
    id: number,
    local: LocalGroup,
    key: string,
    served: number,
    traceparent: string | undefined,
  ): void {
    const { admission, waits, clock, watchers } = this.#context;
    const askedAt = clock.now();
    const asker = this.#asker;
    const { name } = local;
    const work = beginServe(watchers, clock, asker, name, key, traceparent);
    const wait = waits.join(asker, local, key);
    this.#loading.set(id, { wait, onEnd: admission.serve(), work });
    wait.load.then((loaded) => {
      if (this.#settle(id) === undefined) return;
      work?.done();
      const value = local.handOut(key, loaded, served);
      const { byteLength } = value.value;
      if (this.#isFull || byteLength > MAX_VALUE_BYTES) this.#alone(id, wait);
      else this.#value(id, value, clock.now() - askedAt);
      this.#flushLater();
    }, (error) => {
      if (this.#settle(id) === undefined) return;
      work?.fail(thrownOf(error), resultOf(error));
      if (this.#isFull) this.#alone(id, wait);
      else this.#failure(id, local, error);
      this.#flushLater();
    });
  }

  /** Whether the asker reads so slowly that nothing but heads may be added. */
  get #isFull(): boolean {
    return this.#writer.size > MAX_LOADED_BYTES;
  }

  /** The request that follows finds the result, even if memory has no room for it. */
  #alone(id: number, wait: Wait): void {
    wait.linger();
    this.#writer.head(ANSWER.alone, id);
  }

  #failure(id: number, local: LocalGroup, error: unknown): void {
    // Nothing failed: the asker should ask the next node.
    if (local.closed) return this.#writer.head(ANSWER.noGroup, id);
    if (error instanceof BusyError) return this.#writer.head(ANSWER.busy, id);
    if (error instanceof NotFoundError) {
      return this.#writer.head(ANSWER.notFound, id);
    }
    // Whatever a getter threw is a failed load, even a `BusyError`.
    this.#writer.text(ANSWER.failed, id, messageOf(thrownOf(error)));
  }

  /** The question needs no load any more; `undefined`: it needed none. */
  #settle(id: number): Loading | undefined {
    const loading = this.#loading.get(id);
    if (loading === undefined) return undefined;
    this.#loading.delete(id);
    loading.onEnd();
    return loading;
  }

  /** The asker does not wait any more. */
  #leave(loading: Loading | undefined, reason: unknown): void {
    loading?.work?.fail(reason, "canceled");
    loading?.wait.leave(reason);
  }

  /** Loads that end together are answered together. */
  #flushLater(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const isReady = this.#mayWrite && !this.#over &&
      this.#duplex !== undefined;
    if (!isReady || this.#writer.size === 0) return;
    this.#mayWrite = this.#duplex!.write(this.#writer.take());
    if (!this.#mayWrite) this.#stuckSince = this.#context.clock.now();
  }

  #end(how: "leave" | "linger", reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    for (const loading of this.#loading.values()) {
      loading.onEnd();
      if (how === "leave") this.#leave(loading, reason);
      else {
        loading.work?.fail(reason, "canceled");
        loading.wait.linger();
      }
    }
    this.#loading.clear();
    this.#rest = undefined;
    // In order, because some servers print a stack trace for a body that fails.
    this.#duplex?.end();
    this.#duplex?.destroy(reason);
    this.#onOver();
  }
}

const decoder = new TextDecoder();

function textOf(bytes: Uint8Array, from: number, end: number): string {
  return decoder.decode(bytes.subarray(from, end));
}
