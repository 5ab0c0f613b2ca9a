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

  /** Takes the first. There must be one. */
  pop(): number {
    const heap = this.#heap;
    const next = this.#next;
    const first = heap[0]!;
    const request = heap.pop()!;
    const length = heap.length;
    if (length === 0) return first;
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
    return first;
  }
}

export const OPTIMUM: Policy = {
  name: "optimum",
  replay: (trace, room) => {
    const { keys, distinct } = trace;
    const next = nextUses(trace);
    const hits = new Uint8Array(keys.length);
    const isKept = new Uint8Array(distinct);
    const sizes = new Float64Array(distinct);
    const farthest = new Farthest(next);
    let held = 0;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      if (isKept[key] === 1) hits[i] = 1;
      else {
        const size = sizeOf(trace, i);
        if (size > room) continue;
        isKept[key] = 1;
        sizes[key] = size;
        held += size;
      }
      farthest.push(i);
      // Earlier requests for keys that were asked for again stay, and never come first:
      // what they wait for is past.
      while (held > room) {
        const victim = keys[farthest.pop()]!;
        isKept[victim] = 0;
        held -= sizes[victim]!;
      }
    }
    return hits;
  },
};
