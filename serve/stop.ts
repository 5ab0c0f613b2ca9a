/**
 * Stopping: the node is not ready any more, hands over, finishes what runs, and ends
 * within a limit, whatever its clients do.
 *
 * @module
 */

import type { Clock } from "../mod.ts";

/** What stops. */
export interface Stoppable {
  /** Says from now on that it is not ready. */
  beUnready(): void;
  /** Lets other nodes take over what is in memory, for as long as that. */
  drain(timeoutMs: number): Promise<void>;
  /** Takes no more requests of clients. Resolves when those under way are answered. */
  finish(): Promise<void>;
  /** Ends what still waits for other nodes and for sources. */
  close(): Promise<void>;
  /** Ends the servers. Resolves when no connection is left. */
  shutdown(): Promise<unknown>;
}

/** How long stopping may take, in milliseconds. */
export interface StopLimits {
  readonly drainMs: number;
  readonly stopMs: number;
  readonly clock: Clock;
}

/** Stops, in order. Resolves after `stopMs` at the latest. */
export async function stop(
  what: Stoppable,
  { drainMs, stopMs, clock }: StopLimits,
): Promise<void> {
  what.beUnready();
  let cancel = (): void => {};
  const limit = new Promise<void>((resolve) => {
    if (stopMs < Infinity) cancel = clock.after(stopMs, resolve);
  });
  const within = (step: Promise<unknown>): Promise<unknown> =>
    Promise.race([step, limit]);
  await within(what.drain(drainMs));
  await within(what.finish());
  await within(what.close());
  await within(what.shutdown());
  cancel();
}

/**
 * What the next of several signals means. One press of Ctrl-C comes twice, from the
 * terminal and from `deno task`.
 */
export type Meaning = "stop" | "same" | "exit";

/** Signals that are closer than that are one. */
const ONE_PRESS_MS = 500;

/** Says what signals mean, as they come. */
export function signalReader(now: () => number): () => Meaning {
  let first: number | undefined;
  return () => {
    if (first === undefined) {
      first = now();
      return "stop";
    }
    return now() - first < ONE_PRESS_MS ? "same" : "exit";
  };
}
