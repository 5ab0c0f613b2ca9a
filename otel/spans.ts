/**
 * Spans of what waits: gets that memory cannot answer, loads, and requests to peers.
 *
 * @module
 */

import { contextOfNow, type InContext } from "../base/context.ts";
import { isError, messageOf } from "../base/errors.ts";
import type {
  GetStart,
  LoadStart,
  PeerStart,
  PoolObserver,
  ServeStart,
  WorkEnd,
  WorkObserver,
  WorkResult,
} from "../base/watchers.ts";
import type {
  Attributes,
  Span,
  SpanContext,
  SpanOptions,
  Tracer,
} from "./api.ts";
import { addressOf, isFailure } from "./words.ts";
import { isRecorded, Waiting } from "./waiting.ts";

const INTERNAL = 0;
const CLIENT = 2;
const ERROR = 2;

/** No more keys of a span are shown. */
const MAX_KEYS = 128;

/** Makes the spans of one pool. */
export class Spans implements PoolObserver {
  readonly #tracer: Tracer;
  readonly #showsKeys: boolean;
  readonly #waiting = new Waiting();

  constructor(tracer: Tracer, showsKeys: boolean) {
    this.#tracer = tracer;
    this.#showsKeys = showsKeys;
  }

  /** How many keys are remembered: those that are waited for now. */
  get size(): number {
    return this.#waiting.size;
  }

  /** A child of the caller's current span, as each caller waits on its own. */
  get(start: GetStart): WorkObserver {
    const { group, keys } = start;
    const span = this.#tracer.startSpan(`cache.get ${group}`, {
      kind: INTERNAL,
      attributes: { "cache.hit": false, ...this.#about(start) },
    });
    const leave = this.#waiting.wait(group, keys, span.spanContext());
    return { end: (end) => this.#end(span, end, leave) };
  }

  load(start: LoadStart): WorkObserver {
    return this.#serve("geecache.load", start, INTERNAL, {
      "geecache.load.reason": start.reason,
    });
  }

  peer(start: PeerStart): WorkObserver {
    const name = "geecache.peer";
    const about = {
      ...addressOf(start.peer),
      "geecache.peer.kind": start.kind,
    };
    if (start.kind === "get" || start.kind === "peek") {
      return this.#serve(name, start, CLIENT, about);
    }
    // A write is that of its caller alone.
    const attributes = { ...about, ...this.#about(start) };
    const { span, run } = this.#startActive(name, { kind: CLIENT, attributes });
    return { run, end: (end) => this.#end(span, end) };
  }

  /** The asker's span waits for a key of this process, like those of its own gets. */
  serve({ group, keys, traceparent }: ServeStart): WorkObserver | undefined {
    if (traceparent === undefined) return undefined;
    const leave = this.#waiting.wait(group, keys, contextOf(traceparent));
    return { end: leave };
  }

  /** A span without a parent that has links to all whom it serves. */
  #serve(
    name: string,
    start: LoadStart | PeerStart,
    kind: number,
    about: Attributes,
  ): WorkObserver {
    const { group, keys } = start;
    const links = this.#waiting.linksOf(group, keys);
    const attributes = { ...about, ...this.#about(start) };
    const options = { kind, attributes, links, root: true };
    const { span, run } = this.#startActive(name, options);
    const done = this.#waiting.serve(group, keys, span, links.length);
    return {
      run,
      end: (end) => this.#end(span, end, done),
      traceparent: traceparentOf(span.spanContext()),
    };
  }

  /** Begins a span, and gives what runs code in which it is the current one. */
  #startActive(
    name: string,
    options: SpanOptions,
  ): { span: Span; run: InContext } {
    return this.#tracer.startActiveSpan(
      name,
      options,
      (span) => ({ span, run: contextOfNow() }),
    );
  }

  #about(
    { group, keys }: { group: string; keys: readonly string[] },
  ): Attributes {
    const about: Attributes = {
      "geecache.group": group,
      "geecache.keys": keys.length,
    };
    if (this.#showsKeys) about["cache.key"] = keys.slice(0, MAX_KEYS);
    return about;
  }

  #end(
    span: Span,
    { result, keys, error }: WorkEnd,
    leave?: () => void,
  ): void {
    leave?.();
    span.setAttribute("geecache.result", result);
    let failed = 0;
    for (const [one, count] of Object.entries(keys)) {
      if (isFailure(one as WorkResult)) failed += count;
    }
    if (failed > 0) span.setAttribute("geecache.failed_keys", failed);
    if (isFailure(result)) {
      const isThrown = isError(error) && result === "failed";
      span.setAttribute("error.type", isThrown ? error.name : result);
      // A message may have keys in it.
      const message = this.#showsKeys ? { message: messageOf(error) } : {};
      span.setStatus({ code: ERROR, ...message });
    }
    span.end();
  }
}

/** What travels to a peer; a span that is not recorded does not. */
function traceparentOf(context: SpanContext): string | undefined {
  if (!isRecorded(context)) return undefined;
  const { traceId, spanId, traceFlags } = context;
  const flags = traceFlags.toString(16).padStart(2, "0");
  return `00-${traceId}-${spanId}-${flags}`;
}

/** The span that a `traceparent` names, which was checked when it came. */
function contextOf(traceparent: string): SpanContext {
  const [, traceId, spanId, flags] = traceparent.split("-");
  return {
    traceId: traceId!,
    spanId: spanId!,
    traceFlags: parseInt(flags!, 16),
    isRemote: true,
  };
}
