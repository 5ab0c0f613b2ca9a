/**
 * A trace: the requests that a cache is to be tried on, in their order.
 *
 * @module
 */

/** Requests for keys, each of which is a number. */
export interface Trace {
  /** Where it comes from, as the report says it. */
  readonly name: string;
  /** The key of each request: whole numbers from 0 to less than `distinct`. */
  readonly keys: Int32Array;
  /** How many different keys there are. */
  readonly distinct: number;
  /** The size of each request's value in bytes. Without it, each counts as one entry. */
  readonly sizes?: Float64Array;
  /** Keys from this one on are asked for by a scan: no hits are expected of them. */
  readonly firstOfScan?: number;
  /** Stretches whose hit ratios are worth a line of their own. */
  readonly phases?: readonly Phase[];
}

/** The requests from `from` to before `to`. */
export interface Phase {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** The size of request `i`: 1 if the trace has no sizes. */
export function sizeOf({ sizes }: Trace, i: number): number {
  return sizes === undefined ? 1 : sizes[i]!;
}

/** The room that all keys together would take, each with the last size it had. */
export function roomForAll(trace: Trace): number {
  const { keys, distinct, sizes } = trace;
  if (sizes === undefined) return distinct;
  const last = new Float64Array(distinct);
  for (let i = 0; i < keys.length; i++) last[keys[i]!] = sizes[i]!;
  return last.reduce((sum, size) => sum + size, 0);
}
