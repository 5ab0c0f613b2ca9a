/**
 * Follows a cluster: the stream of news of one of its nodes, opened again, there or at
 * the next address, whenever it breaks.
 *
 * @module
 */

import { EventSourceParserStream } from "eventsource-parser/stream";
import type { Clock } from "../../mod.ts";
import { Exit, messageOf } from "../exit.ts";
import { type Fetch, textOf } from "../page/nodes.ts";
import type { Point, View } from "../page/view.ts";
import { readPoints, readView } from "./read_view.ts";
import { safe } from "./plain_text.ts";

/** Without news for so long, a stream that still seems to be open is given up. */
const DEAD_MS = 6_000;
/** How long it waits after every address has failed. */
const AGAIN_MS = 1_000;
/** The longest error of a node that is read, and how much of it is shown. */
const MAX_ERROR_BYTES = 16 * 1024;
const MAX_ERROR_LENGTH = 160;

/** Who hears what is new. */
export interface Listener {
  /** The points of the last minutes: all that were before are over. */
  history(points: readonly Point[]): void;
  view(view: View, url: string): void;
  /** There is no stream now; `reason` says why. */
  lost(reason: string): void;
}

/** What {@linkcode follow} needs. */
export interface FollowOptions {
  readonly urls: readonly string[];
  readonly fetch: Fetch;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** A stream that could not be opened, or has ended. */
class NoStream extends Error {}

/**
 * Follows until it is aborted.
 *
 * @throws {Exit} if no address has ever answered
 */
export async function follow(
  { urls, fetch, clock, signal }: FollowOptions,
  listener: Listener,
): Promise<void> {
  let wasThere = false;
  const hears: Listener = {
    ...bound(listener),
    view: (view, url) => {
      wasThere = true;
      listener.view(view, url);
    },
  };
  while (!signal.aborted) {
    const reasons: string[] = [];
    for (const url of urls) {
      const reason = await followOne(url, { fetch, clock, signal }, hears);
      if (signal.aborted) return;
      reasons.push(`${url}: ${reason}`);
      if (wasThere) listener.lost(`${url}: ${reason}`);
    }
    if (!wasThere) throw new Exit(`Cannot show ${reasons.join("; ")}`);
    await wait(clock, AGAIN_MS, signal);
  }
}

function bound(listener: Listener): Listener {
  return {
    history: (points) => listener.history(points),
    view: (view, url) => listener.view(view, url),
    lost: (reason) => listener.lost(reason),
  };
}

/** Follows one address; resolves with why that has ended. */
async function followOne(
  url: string,
  { fetch, clock, signal }: Omit<FollowOptions, "urls">,
  listener: Listener,
): Promise<string> {
  const over = new AbortController();
  const late = (): void =>
    over.abort(new NoStream(`no news for ${DEAD_MS / 1000} s`));
  let cancel = clock.after(DEAD_MS, late);
  const both = AbortSignal.any([signal, over.signal]);
  try {
    for await (const event of await open(url, fetch, both)) {
      const data: unknown = JSON.parse(event.data);
      if (event.event === "history") listener.history(readPoints(data));
      if (event.event !== "view") continue;
      const view = readView(data);
      if (view === undefined) throw new NoStream(NO_NODE);
      listener.view(view, url);
      cancel();
      cancel = clock.after(DEAD_MS, late);
    }
    return "the node has closed the stream";
  } catch (error) {
    return reasonOf(over.signal.aborted ? over.signal.reason : error);
  } finally {
    cancel();
    over.abort();
  }
}

const NO_NODE = "what answers there is no node with a page";

interface Event {
  readonly event?: string | undefined;
  readonly data: string;
}

async function open(
  url: string,
  fetch: Fetch,
  signal: AbortSignal,
): Promise<AsyncIterable<Event>> {
  const answer = await fetch(
    new Request(`${url}/_page/events`, {
      headers: { "Accept": "text/event-stream" },
      redirect: "manual",
      signal,
    }),
  );
  const type = answer.headers.get("Content-Type") ?? "";
  if (answer.ok && answer.body && type.startsWith("text/event-stream")) {
    return answer.body
      .pipeThrough(new TextDecoderStream(), { signal })
      .pipeThrough(new EventSourceParserStream(), { signal });
  }
  // A node says in one line why it does not.
  const isLine = !answer.ok && type.startsWith("text/plain");
  const line = isLine ? (await textOf(answer, MAX_ERROR_BYTES)).trim() : "";
  if (!isLine) await answer.body?.cancel();
  throw new NoStream(
    answer.ok
      ? NO_NODE
      : `it answered ${answer.status}${line === "" ? "" : `: ${line}`}`,
  );
}

/** Why there is no stream, in one line. */
function reasonOf(error: unknown): string {
  if (error instanceof SyntaxError) return NO_NODE;
  const text = error instanceof NoStream
    ? error.message
    : causeOf(messageOf(firstOf(error)));
  return safe(text.slice(0, MAX_ERROR_LENGTH));
}

/** The error that led to all others. */
function firstOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined
    ? firstOf(error.cause)
    : error;
}

/** The runtime's errors begin with what was asked, and end with why. */
function causeOf(message: string): string {
  const why = message.slice(message.lastIndexOf(": ") + 1).trim();
  return why.replace(/ \(os error \d+\)$/, "") || message;
}

function wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, resolve);
    signal.addEventListener("abort", () => {
      cancel();
      resolve();
    }, { once: true });
  });
}
