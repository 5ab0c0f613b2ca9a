/**
 * The best that any cache could do: it knows all requests in advance, and lets go of
 * what is asked for again last (Belady). With sizes this is close to the best, since
 * the best itself cannot be computed.
 *
 * @module
 */

import type { Policy } from "./policy.ts";
import { sizeOf, type Trace } from "./trace.ts";

/** For each request, the index of the next one for the same key; or their number. */
function nextUses({ keys, distinct }: Trace): Int32Array {
  const next = new Int32Array(keys.length);
  const last = new Int32Array(distinct).fill(keys.length);
  for (let i = keys.length - 1; i >= 0; i--) {
    next[i] = last[keys[i]!]!;
    last[keys[i]!] = i;
  }
  return next;
}

/** Requests, of which the one whose key is asked for again last comes first. */
class Farthest {
  readonly #next: Int32Array;
  readonly #heap: number[] = [];

  constructor(next: Int32Array) {
    this.#next = next;
  }

  peek(): number | undefined {
    return this.#heap[0];
  }

  push(request: number): void {
    const heap = this.#heap;
    const next = this.#next;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (next[heap[parent]!]! >= next[request]!) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = request;
  }

  pop(): void {
    const heap = this.#heap;
    const next = this.#next;
    const request = heap.pop()!;
    const length = heap.length;
    if (length === 0) return;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= length) break;
      const other = child + 1;
      if (other < length && next[heap[other]!]! > next[heap[child]!]!) {
        child = other;
      }
      if (next[heap[child]!]! <= next[request]!) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = request;
  }
}

export const OPTIMUM: Policy = {
  name: "optimum",
  replay: (trace, room) => {
    const { keys, distinct } = trace;
    const next = nextUses(trace);
    const hits = new Uint8Array(keys.length);
    /** For each key that is kept: its latest request. Otherwise -1. */
    const latest = new Int32Array(distinct).fill(-1);
    const sizes = new Float64Array(distinct);
    const farthest = new Farthest(next);
    let held = 0;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      if (latest[key] !== -1) hits[i] = 1;
      else {
        const size = sizeOf(trace, i);
        if (size > room) continue;
        sizes[key] = size;
        held += size;
      }
      latest[key] = i;
      farthest.push(i);
      while (held > room) {
        const request = farthest.peek()!;
        farthest.pop();
        const victim = keys[request]!;
        // A key that was asked for again since has a later request among them.
        if (latest[victim] !== request) continue;
        latest[victim] = -1;
        held -= sizes[victim]!;
      }
    }
    return hits;
  },
};
