/**
 * Many keys of one request, answered.
 *
 * What is in memory goes out at once, what is loaded as it comes; what is not
 * there when the asker's patience ends is marked "pending".
 *
 * @module
 */

import { ByteView } from "../base/byte_view.ts";
import type { Clock } from "../base/clock.ts";
import { BusyError, NotFoundError } from "../base/errors.ts";
import {
  encodeResults,
  KIND,
  type Kind,
  MAX_MESSAGE_BYTES,
  type ResultFrame,
} from "../protocol/frames.ts";
import { many, messageOf } from "./answers.ts";
import type { Wait, Waits } from "./waits.ts";
import type { LocalGroup } from "../group/local_group.ts";
import { keyRule } from "../base/names.ts";
import type { PeerValue } from "../base/peers.ts";

/** Who asks, and for how long at most the answer may stay open for loads. */
export interface Asking {
  asker: string;
  waitMs: number;
  signal: AbortSignal;
  /** The answer where something has to be loaded, and cannot be; else `undefined`. */
  refuse: () => Response | undefined;
  /** An answer stays open for loads. Returns what is called when it has ended. */
  onOpen: () => () => void;
}

/** No answer stays open longer for the sake of a load, whatever an asker says. */
const MAX_WAIT_MS = 50;

/** Past so many bytes of values in memory, the rest is to be asked for again. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** In characters: no character has more than 3 bytes. */
const MAX_MESSAGE = Math.floor(MAX_MESSAGE_BYTES / 3);

const NOTHING = ByteView.from("");

/** Answers all of `keys`, in any order. */
export function answerMany(
  keys: readonly string[],
  local: LocalGroup,
  waits: Waits,
  clock: Clock,
  { asker, waitMs, signal, refuse, onOpen }: Asking,
): Response {
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
  if (loading.length === 0) return many(encodeResults(ready));
  const refusal = refuse();
  if (refusal !== undefined) {
    // Whoever drains hands over what is in memory; who is busy answers with it.
    if (refusal.status !== 429 || ready.length === 0) return refusal;
    for (const index of loading) ready.push(message(KIND.busy, index));
    return many(encodeResults(ready));
  }
  const waiting = new Map<number, Wait>();
  for (const index of loading) {
    waiting.set(index, waits.join(asker, local, keys[index]!));
  }
  const patience = Math.min(waitMs, MAX_WAIT_MS);
  if (patience > 0) {
    return many(
      answerAsTheyCome(
        local,
        ready,
        waiting,
        patience,
        clock,
        signal,
        onOpen(),
      ),
    );
  }
  for (const [index, wait] of waiting) {
    wait.linger();
    ready.push(message(KIND.pending, index));
  }
  return many(encodeResults(ready));
}

/** Answers what is in memory; for anything else, that it is not there. */
export function answerFromMemory(
  keys: readonly string[],
  local: LocalGroup,
): Response {
  let bytes = 0;
  return many(encodeResults(keys.map((key, index) => {
    const value = bytes > MAX_ANSWER_BYTES ? undefined : local.bequeath(key);
    if (value === undefined) return message(KIND.notFound, index);
    bytes += value.value.byteLength;
    return valueFrame(index, value);
  })));
}

/** A body that gives what is ready at once, and each load when it ends. */
function answerAsTheyCome(
  local: LocalGroup,
  ready: ResultFrame[],
  waiting: Map<number, Wait>,
  patienceMs: number,
  clock: Clock,
  signal: AbortSignal,
  onEnd: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let out = ready;
  let over = false;
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const end = (): void => {
    over = true;
    onEnd();
    callOff();
    signal.removeEventListener("abort", leave);
  };
  const leave = (): void => {
    if (over) return;
    end();
    for (const wait of waiting.values()) wait.leave(signal.reason);
  };
  const flush = (): void => {
    if (over) return;
    if (out.length > 0) controller.enqueue(encodeResults(out));
    out = [];
    // Its client may turn out to be gone while it is given the last part.
    if (over || waiting.size > 0) return;
    end();
    controller.close();
  };
  const callOff = clock.after(patienceMs, () => {
    for (const [index, wait] of waiting) {
      wait.linger();
      out.push(message(KIND.pending, index));
    }
    waiting.clear();
    flush();
  });
  const settle = (index: number, frame: ResultFrame): void => {
    if (over || !waiting.delete(index)) return;
    // Loads that end together leave together.
    if (out.length === 0) queueMicrotask(flush);
    out.push(frame);
  };
  for (const [index, { load }] of waiting) {
    load.then((value) => settle(index, valueFrame(index, value)), (error) => {
      // Cut short, the answer is none: the next node is asked.
      if (local.closed) {
        if (over) return;
        end();
        controller.error(error);
      } else settle(index, failureFrame(index, error));
    });
  }
  signal.addEventListener("abort", leave, { once: true });
  if (signal.aborted) leave();
  return new ReadableStream({
    start(given) {
      controller = given;
      if (out.length > 0) controller.enqueue(encodeResults(out));
      out = [];
    },
    cancel: leave,
  });
}

function valueFrame(index: number, value: PeerValue): ResultFrame {
  const kind = value.ttlMs === undefined ? KIND.value : KIND.expiringValue;
  return { kind, index, value };
}

function failureFrame(index: number, error: unknown): ResultFrame {
  if (error instanceof BusyError) return message(KIND.busy, index);
  return error instanceof NotFoundError
    ? message(KIND.notFound, index)
    : message(KIND.failed, index, messageOf(error).slice(0, MAX_MESSAGE));
}

function message(kind: Kind, index: number, text?: string): ResultFrame {
  const value = text === undefined ? NOTHING : ByteView.from(text);
  return { kind, index, value: { value } };
}
