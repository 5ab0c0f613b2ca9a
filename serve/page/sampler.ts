/**
 * Looks at all nodes once a second while somebody watches, however many do, and sends
 * them what is to be shown as server-sent events.
 *
 * @module
 */

import { ServerSentEventStream } from "@std/http/server-sent-event-stream";
import type { Clock } from "../../mod.ts";
import type { Point, View } from "./view.ts";

/** How often there is news. */
const EVERY_MS = 1_000;
/** It goes on for a while, so that a page that is loaded again keeps its charts. */
const LINGER_MS = 15_000;
/** How many points a chart has. */
const HISTORY = 120;
/** How many may watch at once. */
export const MAX_WATCHERS = 16;

interface ServerSentEvent {
  readonly event: "history" | "view";
  readonly data: string;
}

type Watcher = ReadableStreamDefaultController<ServerSentEvent>;

/** Samples for all who watch. */
export class Sampler {
  readonly #clock: Clock;
  readonly #sample: () => Promise<View>;
  readonly #watchers = new Set<Watcher>();
  #history: Point[] = [];
  #view: View | undefined;
  #cancel: (() => void) | undefined;
  /** Nobody watches since. */
  #leftAt = 0;
  #isClosed = false;

  /** @param sample Looks at all nodes. */
  constructor(clock: Clock, sample: () => Promise<View>) {
    this.#clock = clock;
    this.#sample = sample;
  }

  /** Whether it looks at all nodes now. */
  get isRunning(): boolean {
    return this.#cancel !== undefined;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** A stream of events as bytes; `undefined`: too many watch already. */
  watch(): ReadableStream<Uint8Array> | undefined {
    if (this.#isClosed || this.#watchers.size >= MAX_WATCHERS) return undefined;
    let own: Watcher;
    const events = new ReadableStream<ServerSentEvent>({
      start: (controller) => {
        own = controller;
        this.#watchers.add(controller);
        const data = JSON.stringify(this.#history);
        controller.enqueue({ event: "history", data });
        if (this.#view !== undefined) controller.enqueue(eventOf(this.#view));
        if (this.#cancel === undefined) this.#begin();
      },
      cancel: () => this.#leave(own),
    }, { highWaterMark: 4 });
    return events.pipeThrough(new ServerSentEventStream());
  }

  /** Looks at once, because something was changed. */
  hurry(): void {
    if (this.#cancel === undefined) return;
    this.#cancel();
    this.#begin();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
    this.#cancel = undefined;
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers.clear();
  }

  #leave(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    this.#leftAt = this.#clock.now();
  }

  #begin(): void {
    let isOver = false;
    const wait = (ms: number): void => {
      const cancel = this.#clock.after(ms, () => void look(), true);
      this.#cancel = () => {
        isOver = true;
        cancel();
      };
    };
    const look = async (): Promise<void> => {
      const startedAt = this.#clock.now();
      if (this.#watchers.size === 0 && startedAt - this.#leftAt >= LINGER_MS) {
        this.#cancel = undefined;
        this.#history = [];
        this.#view = undefined;
        return;
      }
      // What goes wrong with a page must not end a cache. The watchers see that there is
      // no news.
      const view = await this.#sample().catch(() => undefined);
      if (isOver) return;
      if (view !== undefined) this.#show(view);
      wait(Math.max(100, EVERY_MS - (this.#clock.now() - startedAt)));
    };
    wait(0);
  }

  #show(view: View): void {
    this.#view = view;
    this.#history = [...this.#history, view.point].slice(-HISTORY);
    const event = eventOf(view);
    for (const watcher of this.#watchers) {
      // Who reads slowly misses something, and gets the next.
      if ((watcher.desiredSize ?? 0) > 0) watcher.enqueue(event);
    }
  }
}

function eventOf(view: View): ServerSentEvent {
  return { event: "view", data: JSON.stringify(view) };
}
