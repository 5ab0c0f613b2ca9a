/**
 * Answers many keys of one request.
 *
 * What is in memory goes out at once, and what is loaded as it comes. What is not
 * there when the asker's patience ends is marked "pending".
 *
 * @module
 */

import { ByteView } from "../base/byte_view.ts";
import type { Clock } from "../base/clock.ts";
import { BusyError, messageOf, NotFoundError } from "../base/errors.ts";
import {
  encodeResults,
  KIND,
  type Kind,
  MAX_MESSAGE_BYTES,
  type ResultFrame,
} from "../protocol/frames.ts";
import type { Admission } from "./admission.ts";
import { many } from "./answers.ts";
import type { Wait, Waits } from "./waits.ts";
import { GetterFailure } from "../group/getter.ts";
import type { LocalGroup } from "../group/local_group.ts";
import { keyRule } from "../base/names.ts";
import type { PeerValue } from "../base/peers.ts";

/** A request for many keys, and what answers it. */
export interface Asking {
  request: Request;
  asker: string;
  /** For how long the answer may stay open for loads. */
  waitMs: number;
  admission: Admission;
  waits: Waits;
  clock: Clock;
}

/** No answer stays open longer for loads, whatever the asker says. */
const MAX_WAIT_MS = 50;

/** Past so many bytes of values the asker has to ask for the rest again. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** In characters: no character has more than 3 bytes. */
const MAX_MESSAGE = Math.floor(MAX_MESSAGE_BYTES / 3);

const NOTHING = ByteView.from("");

/** Answers all of `keys`, in any order. */
export function answerMany(
  keys: readonly string[],
  local: LocalGroup,
  asking: Asking,
): Response {
  const { request, asker, waitMs, admission, waits } = asking;
  const ready: ResultFrame[] = [];
  const loading: number[] = [];
  let bytes = 0;
  for (const [index, key] of keys.entries()) {
    const rule = keyRule(key);
    if (rule !== undefined) {
      ready.push(message(KIND.badKey, index, rule));
    } else if (bytes > MAX_ANSWER_BYTES) {
      ready.push(message(KIND.pending, index));
    } else {
      const value = local.answer(key);
      if (value === undefined) loading.push(index);
      else {
        ready.push(valueFrame(index, value));
        bytes += value.value.byteLength;
      }
    }
  }
  if (loading.length === 0) return many(request, encodeResults(ready));
  const refusal = admission.refuseLoad(request);
  if (refusal !== undefined) {
    // A process that drains refuses all; one that is busy answers what is in memory.
    if (refusal.status !== 429 || ready.length === 0) return refusal;
    for (const index of loading) ready.push(message(KIND.busy, index));
    return many(request, encodeResults(ready));
  }
  const waiting = new Map<number, Wait>();
  for (const index of loading) {
    waiting.set(index, waits.join(asker, local, keys[index]!));
  }
  const patience = Math.min(waitMs, MAX_WAIT_MS);
  if (patience > 0) {
    return many(
      request,
      new HeldAnswer(local, ready, waiting, asking).stream(patience),
    );
  }
  for (const [index, wait] of waiting) {
    wait.linger();
    ready.push(message(KIND.pending, index));
  }
  return many(request, encodeResults(ready));
}

/** Answers what is in memory; for anything else, that it is not there. */
export function answerFromMemory(
  request: Request,
  keys: readonly string[],
  local: LocalGroup,
): Response {
  let bytes = 0;
  return many(
    request,
    encodeResults(keys.map((key, index) => {
      const value = bytes > MAX_ANSWER_BYTES ? undefined : local.bequeath(key);
      if (value === undefined) return message(KIND.notFound, index);
      bytes += value.value.byteLength;
      return valueFrame(index, value);
    })),
  );
}

/** A body that gives what is ready at once, and each load when it ends. */
class HeldAnswer {
  readonly #local: LocalGroup;
  readonly #waiting: Map<number, Wait>;
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  /** What has not been sent yet. */
  #out: ResultFrame[];
  #over = false;
  #cancel: () => void = () => {};
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

  constructor(
    local: LocalGroup,
    ready: ResultFrame[],
    waiting: Map<number, Wait>,
    { request, admission, clock }: Asking,
  ) {
    this.#local = local;
    this.#out = ready;
    this.#waiting = waiting;
    this.#signal = request.signal;
    this.#clock = clock;
    this.#onEnd = admission.serve();
  }

  stream(patienceMs: number): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#cancel = this.#clock.after(patienceMs, () => this.#giveUp());
    for (const [index, { load }] of this.#waiting) {
      load.then(
        (value) => this.#settle(index, valueFrame(index, value)),
        (error) => this.#fail(index, error),
      );
    }
    this.#signal.addEventListener("abort", this.#leave, { once: true });
    if (this.#signal.aborted) this.#leave();
    return new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
        if (this.#out.length > 0) controller.enqueue(encodeResults(this.#out));
        this.#out = [];
      },
      cancel: this.#leave,
    });
  }

  #end(): void {
    this.#over = true;
    this.#onEnd();
    this.#cancel();
    this.#signal.removeEventListener("abort", this.#leave);
  }

  /** The asker is gone. */
  readonly #leave = (): void => {
    if (this.#over) return;
    this.#end();
    for (const wait of this.#waiting.values()) wait.leave(this.#signal.reason);
  };

  #giveUp(): void {
    for (const [index, wait] of this.#waiting) {
      wait.linger();
      this.#out.push(message(KIND.pending, index));
    }
    this.#waiting.clear();
    this.#flush();
  }

  #settle(index: number, frame: ResultFrame): void {
    if (this.#over || !this.#waiting.delete(index)) return;
    // Loads that end together leave together.
    if (this.#out.length === 0) queueMicrotask(() => this.#flush());
    this.#out.push(frame);
  }

  #fail(index: number, error: unknown): void {
    if (!this.#local.closed) {
      return this.#settle(index, failureFrame(index, error));
    }
    // A body without a result for each key is no answer, so the next node is asked.
    // Servers print a stack trace for a body that fails, so it ends in order.
    this.#waiting.clear();
    this.#flush();
  }

  #flush(): void {
    if (this.#over) return;
    if (this.#out.length > 0) {
      this.#controller.enqueue(encodeResults(this.#out));
    }
    this.#out = [];
    // The client may turn out to be gone while it is given the last part.
    if (this.#over || this.#waiting.size > 0) return;
    this.#end();
    this.#controller.close();
  }
}

function valueFrame(index: number, value: PeerValue): ResultFrame {
  const kind = value.ttlMs === undefined ? KIND.value : KIND.expiringValue;
  return { kind, index, value };
}

function failureFrame(index: number, error: unknown): ResultFrame {
  if (error instanceof BusyError) return message(KIND.busy, index);
  if (error instanceof NotFoundError) return message(KIND.notFound, index);
  // Whatever a getter threw is a failed load, even a `BusyError`.
  const thrown = error instanceof GetterFailure ? error.error : error;
  return message(KIND.failed, index, messageOf(thrown).slice(0, MAX_MESSAGE));
}

function message(kind: Kind, index: number, text?: string): ResultFrame {
  const value = text === undefined ? NOTHING : ByteView.from(text);
  return { kind, index, value: { value } };
}
